"""A camera's login can be decrypted only with its key, and only for the camera and host for which
it was entered."""

import pytest

from parking.access.camera_logins import LoginKey
from parking.core.errors import Invalid
from parking.runtime.settings import Reader
from parking.wire.camera_sources import Credential

CANARY = "canary-91ab"
KEY = LoginKey(bytes(range(32)))
LOGIN = Credential(username="parking", password=CANARY)
CAMERA, URL = "demo/gate", "rtsp://192.168.1.30/stream2"


def test_a_login_opens_where_it_was_given_and_is_never_sealed_alike():
    sealed = KEY.seal(LOGIN, CAMERA, URL)
    assert KEY.reveal(sealed, CAMERA, URL) == LOGIN
    assert KEY.reveal(sealed, CAMERA, "rtsp://192.168.1.30/stream1") == LOGIN
    assert CANARY not in sealed
    assert sealed != KEY.seal(LOGIN, CAMERA, URL)


@pytest.mark.parametrize(
    ("camera", "url"),
    [
        ("demo/yard", URL),
        (CAMERA, "rtsp://192.168.1.31/stream2"),
        (CAMERA, "rtsp://192.168.1.30:8554/stream2"),
        (CAMERA, "http://192.168.1.30/stream2"),
    ],
)
def test_it_does_not_open_for_another_camera_host_port_or_scheme(camera, url):
    with pytest.raises(Invalid, match="enter it again") as caught:
        KEY.reveal(KEY.seal(LOGIN, CAMERA, URL), camera, url)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("sealed", ["", "????", "AAAA", "A" * 200])
def test_what_was_not_sealed_does_not_open(sealed):
    with pytest.raises(Invalid, match="enter it again"):
        KEY.reveal(sealed, CAMERA, URL)


def test_another_key_does_not_open_it():
    with pytest.raises(Invalid):
        LoginKey(bytes(range(1, 33))).reveal(KEY.seal(LOGIN, CAMERA, URL), CAMERA, URL)


@pytest.mark.parametrize("text", ["no hex", "00" * 32, "ab" * 16])
def test_a_weak_key_is_a_fault_that_does_not_show_it(text):
    env = Reader({"CAMERAS_KEY": text})
    assert LoginKey.read(env) is None
    assert "64 random hex digits" in env.problems[0]
    assert text not in env.problems[0]


def test_without_a_key_there_is_none_and_a_good_one_works():
    assert LoginKey.read(Reader({})) is None
    env = Reader({"CAMERAS_KEY": bytes(range(32)).hex()})
    key = LoginKey.read(env)
    assert key is not None
    assert key.reveal(KEY.seal(LOGIN, CAMERA, URL), CAMERA, URL) == LOGIN
