"""The cameras added in the page: versions, the login that stays with its host, and the file beside
them."""

import pytest

from parking.access.camera_logins import LoginKey
from parking.core.errors import Invalid, SettingsError
from parking.core.events import CameraConfigured
from parking.core.topics import CAMERAS
from parking.runtime.memory import MemoryBroker
from parking.wire.camera_sources import Credential, NewSource
from services.ingest.pull.camerafile import MAX_CAMERAS, Camera
from services.ingest.pull.stored import MAX_CAMERAS_OF_A_SITE, AllCameras, StoredCameras, record_of
from tests.support.pulling import Listed

CANARY = "canary-44d0"
LOGIN = Credential(username="u", password=CANARY)
GATE, URL = "demo/gate", "http://192.168.1.20/capture"


def source(version: int = 0, url: str = URL, **more) -> NewSource:
    return NewSource(version=version, kind=more.pop("kind", "snapshot"), url=url, **more)


def stored(*, ready: bool = True, key: int = 0) -> StoredCameras:
    cameras = StoredCameras(LoginKey(bytes(range(key, key + 32))))
    cameras.ready = ready
    return cameras


def put(cameras: StoredCameras, camera_id: str, new: NewSource) -> CameraConfigured:
    event = cameras.configured(camera_id, new, 1_000)
    cameras.take(event)
    return event


def refusal(cameras: StoredCameras, camera_id: str, new: NewSource) -> Invalid:
    with pytest.raises(Invalid) as caught:
        cameras.configured(camera_id, new, 1_000)
    assert CANARY not in str(caught.value)
    return caught.value


def test_an_added_camera_is_polled_with_its_login_which_no_record_shows():
    cameras = stored()
    event = put(cameras, GATE, source(login=LOGIN, interval_s=9))
    assert cameras.cameras() == {GATE: Camera(GATE, "snapshot", URL, 9, LOGIN)}
    record = record_of(event)
    assert (record.topic, record.key) == (CAMERAS, b"demo/gate")
    shown = (
        (record.value or b"")
        + repr(event).encode()
        + repr(cameras.view(event, in_file=False)).encode()
    )
    assert CANARY.encode() not in shown
    assert cameras.view(event, in_file=False).has_login


def test_only_the_version_in_force_can_be_replaced():
    cameras = stored()
    put(cameras, GATE, source())
    assert "already added" in refusal(cameras, GATE, source()).detail
    assert "version 1 is in force, not 2" in refusal(cameras, GATE, source(2)).detail
    assert put(cameras, GATE, source(1)).version == 2
    cameras.take(cameras.removed(GATE, 2_000))
    assert "removed it meanwhile" in refusal(cameras, GATE, source(2)).detail
    assert put(cameras, GATE, source()).version == 4


def test_a_removed_camera_leaves_neither_address_nor_login():
    cameras = stored()
    put(cameras, GATE, source(login=LOGIN))
    last = cameras.removed(GATE, 2_000)
    cameras.take(last)
    assert (last.removed, last.url, last.sealed) == (True, "", None)
    assert (cameras.cameras(), cameras.all()) == ({}, [])


def test_a_kept_login_does_not_go_to_another_host():
    cameras = stored()
    put(cameras, GATE, source(login=LOGIN))
    put(cameras, GATE, source(1, "http://192.168.1.20/other", keep_login=True))
    assert cameras.cameras()[GATE].credential == LOGIN
    other = source(2, "http://192.168.1.66/capture", keep_login=True)
    assert refusal(cameras, GATE, other).reason == "sealed-otherwise"
    put(cameras, GATE, source(2))
    assert cameras.cameras()[GATE].credential is None


def test_an_address_with_a_login_is_refused_in_words_for_the_page():
    error = refusal(stored(), GATE, source(url=f"http://u:{CANARY}@192.168.1.20/x"))
    assert error.reason == "bad-camera"
    assert "give them as its login" in error.detail
    assert "rtsp needs rtsp://" in refusal(stored(), GATE, source(kind="rtsp")).detail


def test_there_is_a_limit():
    cameras = stored()
    for number in range(MAX_CAMERAS_OF_A_SITE):
        put(cameras, f"demo/c{number}", source())
    assert "each site" in refusal(cameras, GATE, source()).detail
    assert put(cameras, "demo/c0", source(1)).version == 2
    for number in range(MAX_CAMERAS - MAX_CAMERAS_OF_A_SITE):
        put(cameras, f"s{number % 9}/c{number}", source())
    assert refusal(cameras, "other/gate", source()).reason == "too-many"


def test_the_topic_gives_the_same_cameras_again_whatever_else_is_in_it():
    cameras, broker = stored(), MemoryBroker()
    for event in (put(cameras, GATE, source(login=LOGIN)), put(cameras, "demo/yard", source())):
        broker.append(record_of(event))
    broker.append(record_of(put(cameras, GATE, source(1, keep_login=True, interval_s=30))))
    broker.append(record_of(cameras.removed("demo/yard", 3)))
    first = broker.records(CAMERAS)[0]
    again = stored()
    again.apply(type(first)(CAMERAS, 0, 9, b"x", b"nonsense", ()))
    for record in [*broker.records(CAMERAS), first]:
        again.apply(record)
    assert list(again.cameras()) == [GATE]
    assert again.cameras()[GATE] == cameras.cameras()[GATE]


def test_with_another_key_a_login_is_asked_for_again_and_others_are_polled():
    cameras, other = stored(), stored(key=1)
    events = [put(cameras, GATE, source(login=LOGIN)), put(cameras, "demo/yard", source())]
    for event in events:
        other.take(event)
    assert list(other.cameras()) == ["demo/yard"]
    assert "enter it again" in str(other.view(events[0], in_file=False).fault)


def test_before_the_topic_is_read_only_the_file_counts_then_both_and_the_file_wins():
    cameras = stored(ready=False)
    put(cameras, GATE, source())
    put(cameras, "demo/yard", source())
    in_file = Camera(GATE, "mjpeg", "http://192.168.1.9/stream")
    both = AllCameras(Listed(in_file), cameras)
    assert both.read() == {GATE: in_file}
    assert both.read() is None
    cameras.ready = True
    read = both.read()
    assert read is not None
    assert (read[GATE], sorted(read)) == (in_file, [GATE, "demo/yard"])
    assert both.read() is None
    assert "cameras file" in str(cameras.view(cameras.all()[0], in_file=True).fault)


def test_an_invalid_file_does_not_hide_what_the_page_changes():
    cameras, files = stored(), Listed()
    both = AllCameras(files, cameras)
    assert both.read() == {}
    put(cameras, GATE, source())
    files.content = SettingsError(["bad"])
    with pytest.raises(SettingsError):
        both.read()
    assert list(both.read() or {}) == [GATE]
