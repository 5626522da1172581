"""Row 20 over HTTP: a key belongs to one camera and is revoked with its device, and a repeated
picture writes nothing. The bridge runs as a process against real Kafka."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from parking.core.topics import DEVICE_EVENTS, FRAMES
from tests.support.brokers import Broker, Client
from tests.support.ingest_process import Bridge, Log, picture
from tests.support.waiting import wait_until
from tools.cli.__main__ import main

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
CAPTURED = 1000
REFUSED_WITHIN_S = 5
WITHOUT_MEMORY = """
import runpy
from services.ingest.replay import Used
Used.__contains__ = lambda self, number: False
runpy.run_module("services.ingest", run_name="__main__")
"""
Report = dict[str, str]
Command = Callable[..., str]


@pytest.fixture
def devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run `parking devices ...`. Returns its output."""
    monkeypatch.setenv("DEVICES_FILE", str(tmp_path / "passwords"))
    monkeypatch.setenv("KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("DEVICE_MQTT_URL", "mqtts://broker.example")

    def command(*words: str) -> str:
        capsys.readouterr()
        main(["devices", *words])
        return capsys.readouterr().out

    return command


@contextlib.contextmanager
def door(bridge: Bridge) -> Iterator[Callable[..., httpx.Response]]:
    """Yield a function that posts a picture for a camera with its device's configuration."""
    with httpx.Client(base_url=bridge.url, timeout=10) as client:

        def post(camera: str, settings: Report, seq: int, jpeg: bytes) -> httpx.Response:
            head = {
                "Content-Type": "image/jpeg",
                "Authorization": f"Bearer {settings['api_key']}",
            }
            head |= {"X-Boot-Id": "1", "X-Seq": str(seq)}
            return client.post(f"/ingest/v1/frames/{camera}", content=jpeg, headers=head)

        yield post


def reports_of(said: str) -> Report:
    answer: Report = json.loads(said.splitlines()[0])
    return answer


def test_a_key_is_its_devices_own_is_renewed_and_is_taken_back(
    bridge: Bridge, log: Log, devices: Command, unique
):
    site = unique("site")
    cam, other = f"{site}/cam", f"{site}/other"
    first = reports_of(devices("add", cam, "--http"))
    devices("add", other, "--http")
    bridge.start()
    with door(bridge) as post:
        assert post(cam, first, 1, picture()).status_code == 202
        foreign = post(other, first, 1, picture())
        assert (foreign.status_code, foreign.json()["error"]) == (403, "other-camera")
        second = reports_of(devices("rotate", cam))
        refused_soon(lambda: post(cam, first, 2, picture()))
        assert post(cam, second, 3, picture()).status_code == 202
        devices("revoke", cam)
        refused_soon(lambda: post(cam, second, 4, picture()))
        before = log.ids(FRAMES, site)
        for seq in range(5, 10):
            assert post(cam, second, seq, picture()).status_code == 401
    assert log.ids(FRAMES, site) == before
    assert {f"{cam}/1/1", f"{cam}/1/3"} <= set(before)
    assert not [name for name in before if name.startswith(other)]


def refused_soon(post: Callable[[], httpx.Response]) -> None:
    deadline = time.monotonic() + REFUSED_WITHIN_S
    while post().status_code != 401:
        assert time.monotonic() < deadline, "its key still opens"


def replay(
    bridge: Bridge, log: Log, broker: Broker, devices: Command, site: str
) -> tuple[int, int]:
    """Send all of a camera's pictures again by HTTP, and the last one over MQTT too. Return how
    many are in Kafka twice and how many were counted as replayed."""
    cam = f"{site}/cam"
    opened = reports_of(devices("add", cam, "--http"))
    with door(bridge) as post:
        jpeg = picture()
        first = [post(cam, opened, seq, jpeg).status_code for seq in range(1, CAPTURED + 1)]
        assert first == [202] * CAPTURED
        for seq in range(1, CAPTURED + 1):
            post(cam, opened, seq, jpeg)
    broker.add(cam)
    with Client(broker, cam) as client:
        client.publish(f"parking/v1/{cam}/frame/1/{CAPTURED}/0", jpeg)
    metrics = ("parking_frames_accepted_total", "parking_replays_total")
    wait_until(lambda: sum(map(bridge.metric, metrics)) == 2 * CAPTURED + 1, 20, "all settled")
    ids = log.ids(FRAMES, site)
    return len(ids) - len(set(ids)), int(bridge.metric("parking_replays_total"))


def test_what_is_sent_again_is_counted_whichever_door_and_written_by_none(
    bridge: Bridge, broker: Broker, log: Log, devices: Command, unique
):
    site = unique("site")
    bridge.start()
    assert replay(bridge, log, broker, devices, site) == (0, CAPTURED + 1)
    reported = set(log.ids(DEVICE_EVENTS, site))
    assert reported
    assert all("/replay/" in name for name in reported)


def test_negative_control_without_a_memory_all_of_it_is_written_again(
    bridge: Bridge, broker: Broker, log: Log, devices: Command, unique
):
    bridge.start("-c", WITHOUT_MEMORY)
    assert replay(bridge, log, broker, devices, unique("site")) == (CAPTURED + 1, 0)
