"""The cameras file: every error is reported at once and in plain words, and none reveals a
secret."""

import json
from typing import Any

import pytest

from parking.core.errors import SettingsError
from parking.core.orientation import Orientation
from services.ingest.pull.camerafile import (
    MAX_CAMERAS,
    Camera,
    Credential,
    read_cameras,
    read_credentials,
)

CANARY = "canary-5c1d"
LOGINS = {"gate": Credential(username="u", password=CANARY)}
GOOD: dict[str, Any] = {
    "camera": "demo/gate",
    "kind": "snapshot",
    "url": "http://192.168.1.20/capture",
}


def read(*entries: dict[str, Any]) -> dict[str, Camera]:
    return read_cameras(json.dumps({"cameras": entries}).encode(), LOGINS)


def problems(*entries: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(*entries)
    return caught.value.problems


def test_a_good_file_is_read():
    cameras = read(
        GOOD,
        GOOD
        | {"camera": "demo/a", "kind": "mjpeg", "url": "https://cam.lan:81/s", "interval_s": 2},
        GOOD | {"camera": "demo/b", "kind": "rtsp", "url": "rtsp://cam/1", "credential": "gate"},
    )
    assert [*cameras] == ["demo/gate", "demo/a", "demo/b"]
    one, two, three = cameras.values()
    assert (one.host, one.port, one.interval_s) == ("192.168.1.20", 80, 5)
    assert (two.host, two.port, two.interval_s) == ("cam.lan", 81, 2)
    assert (three.port, three.credential) == (554, LOGINS["gate"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"camera": "Demo"}, "camera"),
        ({"kind": "webcam"}, "kind"),
        ({"interval_s": 0}, "interval_s"),
        ({"intervall_s": 5}, "intervall_s"),
        ({"url": "ftp://cam/x"}, "snapshot needs http:// or https://"),
        ({"url": "rtsp://cam/x"}, "snapshot needs http:// or https://"),
        ({"kind": "rtsp"}, "rtsp needs rtsp:// or rtsps://"),
        ({"url": "http:///x"}, "no host"),
        ({"url": "http://cam:0/x"}, "port is 0"),
        ({"url": "http://cam:99999/x"}, "cannot be parsed"),
        ({"url": "http://[::1/x"}, "cannot be parsed"),
        ({"url": "http://cam/a b"}, "must not contain spaces"),
        ({"url": "http://cam/a\r\nX: y"}, "must not contain spaces"),
        ({"url": f"http://u:{CANARY}@cam/x"}, "belong in the credentials file"),
        ({"url": f"http://cam/x?user=u&pwd={CANARY}"}, "pwd= may only be {username} or {password}"),
        ({"url": f"http://cam/x?PASSWORD={CANARY}"}, "PASSWORD= may only be"),
        ({"url": "http://cam/x?pwd={password}"}, "no credential is set"),
        ({"url": "http://cam/x#y"}, "remove it"),
        ({"credential": "nobody"}, "'nobody' is not in the credentials file"),
        ({"tls_sha256": "ab" * 32}, "not encrypted"),
        ({"tls_sha256": "ab"}, "tls_sha256"),
        ({"url": ""}, "url: missing"),
        ({"onvif": "http://cam/"}, "onvif: the camera has a url"),
        ({"url": "", "onvif": "rtsp://cam/"}, "onvif: it needs http:// or https://"),
        ({"url": "", "onvif": f"http://u:{CANARY}@cam/"}, "onvif: name and password belong"),
        ({"url": "", "onvif": "http://cam/", "kind": "mjpeg"}, "kind: ONVIF gives"),
        ({"profile": "main"}, "profile: only a camera with `onvif`"),
        ({"rotate": 45}, "rotate"),
        ({"mirror": "yes"}, "mirror"),
        ({"kind": "device"}, "url: ingest does not poll devices"),
        (
            {"kind": "device", "url": "", "credential": "gate"},
            "credential: ingest does not poll",
        ),
    ],
)
def test_each_fault_is_reported_with_its_place(change, says):
    (problem,) = [p for p in problems(GOOD, GOOD | {"camera": "demo/x"} | change) if says in p]
    assert problem.startswith("camera 2")
    assert CANARY not in problem


def test_a_camera_and_a_device_may_be_turned():
    device = {"camera": "demo/yard", "kind": "device", "mirror": True}
    cameras = read(GOOD | {"rotate": 270, "mirror": True}, device)
    assert cameras["demo/gate"].turn == Orientation(270, True)
    assert cameras["demo/yard"].turn == Orientation(0, True)
    assert read(GOOD)["demo/gate"].turn == Orientation()


def test_a_camera_may_be_named_by_its_onvif_service():
    entry = {"camera": "demo/a", "kind": "rtsp", "onvif": "http://cam:8000/onvif/device_service"}
    one = read(entry | {"profile": "sub", "credential": "gate"})["demo/a"]
    assert (one.url, one.onvif, one.profile) == ("", entry["onvif"], "sub")
    assert (one.host, one.shown) == ("cam", entry["onvif"])


def test_all_faults_are_reported_together():
    found = problems(GOOD | {"kind": "x"}, GOOD | {"url": "http://u@c/#z"}, GOOD, GOOD)
    assert len(found) == 5
    assert "is in the file twice" in found[-1]


def test_a_login_is_filled_into_the_url_and_never_shown():
    url = "http://cam/snap?user={username}&pwd={password}"
    one = read(GOOD | {"url": url, "credential": "gate"})["demo/gate"]
    assert one.secret_url == f"http://cam/snap?user=u&pwd={CANARY}"
    assert one.shown == "http://cam/snap"
    assert CANARY not in repr(one)


def test_a_login_cannot_change_the_url_around_it():
    logins = {"gate": Credential(username="a&b=c#", password="{username}/../%")}
    text = json.dumps(
        {
            "cameras": [
                GOOD | {"url": "http://cam/x?p={password}&u={username}", "credential": "gate"}
            ]
        }
    )
    one = read_cameras(text.encode(), logins)["demo/gate"]
    assert one.secret_url == "http://cam/x?p=%7Busername%7D%2F..%2F%25&u=a%26b%3Dc%23"


def test_the_number_of_cameras_is_bounded():
    entries = [GOOD | {"camera": f"demo/c{n}"} for n in range(MAX_CAMERAS + 1)]
    assert problems(*entries) == [f"at most {MAX_CAMERAS} cameras, not 257"]


@pytest.mark.parametrize(
    "text",
    [
        f'{{"gate": {{"username": "u", "password": "{CANARY}", "more": 1}}}}',
        f'{{"gate": {{"username": "a\\"b", "password": "{CANARY}"}}}}',
        f'{{"gate": {{"username": "a\\r\\nX: y", "password": "{CANARY}"}}}}',
        f'{{"gate": {{"username": 7, "password": "{CANARY}"}}}}',
        f'{{"gate": "{CANARY}"}}',
        f'{{"gate": {{"username": "u", "password": "{CANARY}"',
        f'["{CANARY}"]',
    ],
)
def test_a_wrong_credentials_file_is_reported_without_its_secrets(text):
    with pytest.raises(SettingsError) as caught:
        read_credentials(text.encode())
    assert CANARY not in str(caught.value)


def test_a_good_credentials_file_is_read():
    text = f'{{"gate": {{"username": "u", "password": "{CANARY}"}}}}'
    assert read_credentials(text.encode()) == LOGINS
    assert CANARY not in repr(LOGINS)
