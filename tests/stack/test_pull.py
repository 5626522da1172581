"""Stock cameras, polled by ingest as a process, become frames in real Kafka."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from parking.access.secret_files import write_private
from parking.core.topics import DEVICE_EVENTS, FRAMES
from parking.runtime.kafka import KafkaSettings
from parking.wire.mjpeg import Splitter
from tests.support.cameras import PASSWORD, USER, HttpCameras, http_cameras
from tests.support.ingest_process import Bridge, Log
from tests.support.notifying import layout
from tests.support.rtsp_cameras import RtspCameras, rtsp_cameras
from tests.support.waiting import wait_until
from tools.cli.admin import publish_layouts
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

pytestmark = pytest.mark.stack


@pytest.fixture
def cameras() -> Iterator[tuple[HttpCameras, RtspCameras]]:
    """Run cameras in a thread of their own, because the test itself waits without an event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    async def enter() -> tuple[HttpCameras, RtspCameras]:
        http = await stack.enter_async_context(http_cameras())
        return http, await stack.enter_async_context(rtsp_cameras())

    async def leave() -> None:
        await stack.aclose()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    yield asyncio.run_coroutine_threadsafe(enter(), loop).result(10)
    asyncio.run_coroutine_threadsafe(leave(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_stock_camera_comes_to_kafka_and_goes(
    bridge: Bridge, infra: Infra, cameras, tmp_path: Path, unique
):
    http, rtsp = cameras
    log, site = Log(infra), unique("site")
    wanted = {
        "esp32": {"kind": "mjpeg", "url": http.url("/stream")},
        "ip": {"kind": "snapshot", "url": http.url("/digest"), "credential": "ip"},
        "rtsp": {"kind": "rtsp", "url": rtsp.url("/live")},
        "away": {"kind": "snapshot", "url": "http://127.0.0.1:9/"},
        "hung": {"kind": "snapshot", "url": http.url("/hang")},
    }
    entries = [{"camera": f"{site}/{n}", "interval_s": 0.3} | one for n, one in wanted.items()]
    file, logins = tmp_path / "cameras.json", tmp_path / "logins.json"
    file.write_text(json.dumps({"cameras": entries}))
    logins.write_text(json.dumps({"ip": {"username": USER, "password": PASSWORD}}))
    logins.chmod(0o600)
    bridge.start(
        CAMERAS_FILE=str(file),
        CAMERAS_CREDENTIALS_FILE=str(logins),
        CAMERAS_NETWORKS="127.0.0.1",
        CAMERAS_LIMIT_S="1",
    )

    def came() -> bool:
        per_camera = [frame.camera_id for frame in log.of(FRAMES, site)]
        return all(per_camera.count(f"{site}/{name}") >= 2 for name in ("esp32", "ip", "rtsp"))

    wait_until(came, 60, "frames of all good cameras")
    frames = log.of(FRAMES, site)
    assert {frame.via for frame in frames} == {"mjpeg", "snapshot", "rtsp"}
    assert len({frame.id for frame in frames}) == len(frames)

    def reports_of(name: str) -> list[tuple[str, str | None]]:
        events = log.of(DEVICE_EVENTS, site)
        return [(e.kind, e.reason) for e in events if e.device_id == f"{site}/{name}"]

    wait_until(lambda: reports_of("away") and reports_of("hung"), 30, "both bad cameras reported")
    assert reports_of("away")[0] == ("offline", "refused: nothing listens there")
    assert reports_of("hung")[0][1] == "timeout: the camera did not answer in time"
    assert reports_of("ip") == [("online", None)]
    # A camera is taken out of the file, without a restart.
    file.write_text(json.dumps({"cameras": entries[:1]}))
    wait_until(lambda: len(reports_of("ip")) == 2, 20, "the removed camera reported")
    assert reports_of("ip")[1] == ("offline", "it is no longer polled")
    assert bridge.metric("parking_pull_up{") == 1
    assert bridge.end() == 0
    assert PASSWORD not in (tmp_path / "bridge.log").read_text("utf-8")


def test_a_fetched_camera_is_watched_live_through_the_notifier(
    bridge: Bridge, infra: Infra, cameras, tmp_path: Path, unique
):
    http, _ = cameras
    site = unique("site")
    file = tmp_path / "cameras.json"
    entry = {"camera": f"{site}/north", "kind": "mjpeg", "url": http.url("/stream")}
    file.write_text(json.dumps({"cameras": [entry | {"interval_s": 3600}]}))
    key = tmp_path / "live-key"
    write_private(key, bridge.keys.add("notifier", "live"))
    bridge.start(CAMERAS_FILE=str(file), CAMERAS_NETWORKS="127.0.0.1")
    asyncio.run(
        publish_layouts(KafkaSettings(infra.bootstrap), [layout(site, slots=("A1",))], "test")
    )
    with notifier_process(infra, LIVE_URL=bridge.url, LIVE_KEY_FILE=str(key)) as url:
        address = f"{url}/api/stream?camera={site}/north"
        wait_until(lambda: httpx.get(f"{url}/api/cameras/{site}/north").is_success, 20, "known")
        with httpx.stream("GET", address) as one, httpx.stream("GET", address) as two:
            for response in (one, two):
                assert len(pictures(response, 10)) >= 5
            assert http.most_open["/stream"] == 1
        wait_until(lambda: http.open["/stream"] == 0, 10, "let go")


def test_an_added_camera_is_polled_again_after_a_restart_until_it_is_removed(
    bridge: Bridge, infra: Infra, cameras, tmp_path: Path, unique
):
    http, _ = cameras
    log, site, key = Log(infra), unique("site"), tmp_path / "ingest-key"
    write_private(key, bridge.keys.add("notifier", "live", "cameras"))
    admin = {"Authorization": f"Bearer {bridge.keys.add('admin', 'devices')}"}
    login = {"username": USER, "password": PASSWORD}
    body = {"version": 0, "kind": "snapshot", "url": http.url("/digest"), "interval_s": 0.3}
    known = {"LIVE_URL": bridge.url, "LIVE_KEY_FILE": str(key), "KEYS_FILE": str(tmp_path / "keys")}

    def frames() -> int:
        return len(log.of(FRAMES, site))

    bridge.start(CAMERAS_NETWORKS="127.0.0.1")
    with notifier_process(infra, **known) as url:
        source = f"{url}/api/cameras/{site}/gate/source"
        wait_until(
            lambda: httpx.put(source, json=body | {"login": login}, headers=admin).is_success,
            30,
            "the camera added, once ingest has read its topic",
        )
        wait_until(lambda: frames() >= 2, 30, "frames of the added camera")
        assert bridge.end() == 0
        before = frames()
        bridge.start(CAMERAS_NETWORKS="127.0.0.1")
        wait_until(lambda: frames() > before, 30, "frames after the restart")
        assert httpx.delete(source, headers=admin).status_code == 204
    wait_until(lambda: log.of(DEVICE_EVENTS, site)[-1].kind == "offline", 20, "no longer polled")
    assert bridge.end() == 0
    assert PASSWORD not in (tmp_path / "bridge.log").read_text("utf-8")


def pictures(response: httpx.Response, at_least: int) -> set[bytes]:
    """Return the different ones among the next pictures."""
    splitter = Splitter(1_000_000)
    found: list[bytes] = []
    for chunk in response.iter_raw():
        found += splitter.feed(chunk)
        if len(found) >= at_least:
            break
    return set(found)


@contextmanager
def notifier_process(infra: Infra, **env: str) -> Iterator[str]:
    [port] = free_ports(1)
    url = f"http://{HOST}:{port}"
    more = {"HTTP_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "services.notifier"]
    process = subprocess.Popen(command, env=infra.env_for("notifier") | more | env)

    def is_ready() -> bool:
        assert process.poll() is None
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/readyz").is_success
        return False

    try:
        wait_until(is_ready, 30, "ready")
        yield url
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()


def test_a_wrong_cameras_file_does_not_start_and_tells_every_fault(bridge: Bridge, tmp_path: Path):
    file = tmp_path / "cameras.json"
    wrong = [{"camera": "X"}, {"camera": "demo/a", "kind": "rtsp", "url": "http://u:p@cam"}]
    file.write_text(json.dumps({"cameras": wrong}))
    bridge.launch(CAMERAS_FILE=str(file))
    assert bridge.process.wait(30) == 2
    log_text = (tmp_path / "bridge.log").read_text("utf-8")
    for words in ("camera 1:", "rtsp needs rtsp://", "belong in the credentials file"):
        assert words in log_text
