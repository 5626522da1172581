"""Row 24: signed updates over the air to a device at the real broker and bridge. Bad ones are
rolled back within three boots."""

import functools
import http.server
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from parking.core.topics import DEVICE_EVENTS, GATE_EVENTS
from tests.support.ingest_process import Log
from tests.support.waiting import deadline, nightly
from tools.boards import image
from tools.boards.board import Board
from tools.stack.checks import HOST
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
PASSINGS = 2000  # of a board with a gate: more than the test waits for
BAD = {
    # What is put at the end of a file of the new image.
    "crashes": ("app/device.py", "raise RuntimeError('a bad image')\n"),
    "hangs": ("app/main.py", "def main(hal, config):\n    while True:\n        pass\n"),
    "never-connects": (
        "app/mqtt.py",
        "async def _never(self, *_):\n    raise Lost('a bad image')\nConnection.open = _never\n",
    ),
    "never-acked": ("app/mqtt.py", "async def _no(*_):\n    pass\nConnection._take = _no\n"),
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files quietly. `gate` holds a file's name, an event that is set when the file is asked
    for, and an event that must be set before it is served."""

    def __init__(self, *settings: Any, gate: tuple[str, Event, Event] | None = None, **more: Any):
        self._gate = gate
        super().__init__(*settings, **more)

    def do_GET(self) -> None:
        if self._gate is not None and self.path.endswith(self._gate[0]):
            self._gate[1].set()
            self._gate[2].wait(15)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path, **more: Any) -> Iterator[str]:
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder), **more)
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Return a folder and the address at which it is served."""
    with served(tmp_path / "www") as url:
        yield tmp_path / "www", url


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("key") / "release.pem"
    image.new_key(path)
    return path


class World:
    """A device that runs release 1, and somebody who can send it commands."""

    def __init__(self, infra: Infra, device_id: str, folder: Path, key: Path, **more: Any) -> None:
        user, password = infra.add_device(*device_id.split("/"))
        settings = {"device_id": user, "password": password, "host": HOST, "port": infra.mqtt_port}
        settings |= {
            "tls": False,
            "reconnect_s": 1,
            "interval_ms": 0,
            "trial_s": 8,
            "board": "unix",
        }
        settings |= {"update_key": image.public_key(key)} | more
        self.device_id, self.infra, self.log = device_id, infra, Log(infra)
        self.board = Board(folder, settings, {"passings": PASSINGS}, watchdog_s=10)

    def command(self, **body: object) -> None:
        import paho.mqtt.publish as publish

        user, password = self.infra.mqtt_bridge
        publish.single(
            f"parking/v1/{self.device_id}/command",
            json.dumps(body),
            qos=1,
            hostname=HOST,
            port=self.infra.mqtt_port,
            auth={"username": user, "password": password},
        )

    def connected(self, times: int) -> bool:
        return self.board.log.count("connected, boot") >= times

    def firmware(self) -> list[str | None]:
        events = self.log.of(DEVICE_EVENTS, self.device_id.split("/")[0])
        return [event.telemetry.firmware for event in events if event.telemetry is not None]

    def until(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        ends = deadline(limit_s)
        while not condition():
            assert time.monotonic() < ends, f"not {what}: {self.board.log[-3000:]}"
            self.board.tend()
            time.sleep(0.1)


@contextmanager
def running(infra: Infra, device_id: str, folder: Path, key: Path, **more: Any) -> Iterator[World]:
    infra.start_service("ingest")
    made = World(infra, device_id, folder, key, **more)
    made.board.power_on()
    try:
        made.until(lambda: "0.1.0" in made.firmware(), 30, "running the first image")
        yield made
    finally:
        made.board.power_off()
        infra.stop("ingest")


@pytest.fixture
def world(infra: Infra, unique, tmp_path: Path, key: Path) -> Iterator[World]:
    with running(infra, f"{unique('site')}/cam", tmp_path / "board", key) as made:
        yield made


def new_image(folder: Path, key: Path, bad: str = "") -> None:
    source = folder.parent / "source"
    for name in image.FOLDERS:
        shutil.copytree(ROOT / "firmware" / name, source / name)
    if bad:
        name, more = BAD[bad]
        with (source / name).open("a", encoding="utf-8") as file:
            file.write(more)
    image.build(source, folder / "2", 2, "0.2.0")
    image.sign(folder / "2", key)


def test_a_signed_image_is_installed_and_confirmed_by_the_end_to_end_ack(world: World, files, key):
    folder, url = files
    new_image(folder, key)
    world.command(update=url + "2/")
    world.until(lambda: "confirmed: 0.2.0" in world.board.log, 60, "confirmed")
    world.until(lambda: "0.2.0" in world.firmware(), 20, "telling so")
    for _ in range(4):  # more boots than a trial has: it is no trial any more
        connections = world.board.log.count("connected, boot")
        world.board.power_off()
        world.board.power_on()
        world.until(functools.partial(world.connected, connections + 1), 20, "back")
    world.until(lambda: world.firmware()[-1] == "0.2.0", 20, "still the new one")


@pytest.mark.parametrize("bad", [b if b == "never-connects" else nightly(b) for b in BAD])
def test_a_bad_image_is_rolled_back_within_three_boots(world: World, files, key, bad: str):
    folder, url = files
    new_image(folder, key, bad)
    boots = world.board.boots
    before = len(world.firmware())
    world.command(update=url + "2/")
    world.until(lambda: "update to 0.2.0" in world.board.log, 30, "installed")
    world.until(lambda: "0.1.0" in world.firmware()[before + 1 :], 90, "back")
    assert world.board.boots - boots <= 3 + 1, "three of the bad image, then the one that works"
    assert "confirmed" not in world.board.log
    if bad == "hangs":
        assert world.board.bites == 3


@pytest.mark.parametrize("wrong", ["another key", "changed file", "old release", "other board"])
def test_what_is_not_signed_for_this_device_is_not_installed(world: World, files, key, wrong):
    folder, url = files
    new_image(folder, key)
    manifest = folder / "2" / "manifest.json"
    if wrong == "another key":
        other = folder.parent / "other.pem"
        image.new_key(other)
        image.sign(folder / "2", other)
    elif wrong == "changed file":
        (folder / "2" / "app" / "ring.mpy").write_bytes(b"M\x06\x00\x1f")
    else:
        body = json.loads(manifest.read_text("utf-8"))
        body |= {"release": 1} if wrong == "old release" else {"boards": ["toaster"]}
        manifest.write_text(json.dumps(body), "utf-8")
        image.sign(folder / "2", key)
    world.command(update=url + "2/")
    world.until(lambda: "update refused" in world.board.log, 30, "refused")
    words = {"another key": "signature", "changed file": "not what was signed"}
    words |= {"old release": "not newer", "other board": "not made for"}
    assert words[wrong] in world.board.log
    assert world.board.boots == 1, "it never even restarted"


def test_gate_events_go_out_and_are_acknowledged_while_an_update_is_fetched(
    infra: Infra, unique, tmp_path: Path, key: Path
):
    asked, go, site = Event(), Event(), unique("site")
    gate = {"gate": "two", "gate_stable_ms": 50, "trial_s": 60}
    with (
        served(tmp_path / "www", gate=("/app/ring.mpy", asked, go)) as url,
        running(infra, f"{site}/gate-1", tmp_path / "board", key, **gate) as world,
    ):
        new_image(tmp_path / "www", key)
        world.command(update=url + "2/")
        world.until(asked.is_set, 30, "fetching")
        before = len(set(world.log.ids(GATE_EVENTS, site)))
        # One is in flight at a time: the next is not sent before the ack of the last one.
        more = before + 10
        try:
            world.until(
                lambda: len(set(world.log.ids(GATE_EVENTS, site))) >= more, 12, "acknowledged"
            )
            assert "confirmed" not in world.board.log
            assert world.board.boots == 1, "the update is still under way"
        finally:
            go.set()
        world.until(lambda: "confirmed: 0.2.0" in world.board.log, 60, "confirmed")
        world.until(lambda: len(boots(world, site)) == 2, 60, "the first boot's all there")
        events = {event.id: event for event in world.log.of(GATE_EVENTS, site)}
        first = min(boots(world, site))
        ways = [event.direction for event in events.values() if event.boot_id == first]
        assert ways == (["entry", "exit"] * PASSINGS)[: len(ways)], "in order, both ways"
        [vehicle_line] = [line for line in world.board.log.splitlines() if "vehicle" in line]
        assert vehicle_line.endswith("no vehicle is in the gate"), "the restart waited for that"


def boots(world: World, site: str) -> set[int]:
    return {event.boot_id for event in world.log.of(GATE_EVENTS, site)}
