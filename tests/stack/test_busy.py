"""On a busy computer states get older but never unknown, so no slot turns unknown for lack of time.

The work here is harder than in the demo: six cameras whose scene changes with every picture, twelve
pictures a second, and a silence limit of 15 s instead of 60, on two cores with a busy loop on each.
Judging a picture takes at least 250 ms, so without the controller every computer falls behind,
however fast it is.

This test watches for seconds. `test_the_demo_stays_known_beside_busy_loops` (nightly) watches `make
run` itself for five minutes.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from parking.core.events import CameraStatusChanged, DetectionMade, ParametersSet, SlotChanged
from parking.core.topics import CAMERA_STATUS, DETECTIONS, SLOT_CHANGES
from parking.runtime.kafka import KafkaSettings
from parking.wire import codec
from tests.support.busy import busy_loops, two_cores
from tests.support.playing import Play, playing
from tests.support.running import LIMIT_S, Running, own_env
from tests.support.tracker_log import read
from tests.support.waiting import wait_until
from tools.cli import admin
from tools.sse import Listener
from tools.stack import services
from tools.stack.checks import HOST
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths, port_setting

pytestmark = [pytest.mark.stack, pytest.mark.alone, pytest.mark.timeout(300)]

PARTS = ("kafka", "mqtt")
PAIRS = 3
SCENES = range(4, 36)  # of the demo footage: before nothing happens, after a camera is covered
INTERVAL_MS = 500
SILENCE_MS = 15_000
WATCHED_MS = 16_000
UNCONTROLLED = {"DETECTOR_LOAD": "off", "DETECTOR_SKIP": "off"}


def footage(folder: Path) -> Path:
    """Return the demo's cameras several times over, each with slots of its own and at another
    scene."""
    demo = json.loads((ROOT / "demo" / "annotations.json").read_text("utf-8"))
    frames: list[dict[str, Any]] = []
    for pair in range(PAIRS):
        for camera in ("north", "south"):
            shots = [frame for frame in demo["frames"] if frame["camera"] == camera]
            shots = [shots[number] for number in SCENES]
            shift = len(shots) * pair // PAIRS
            for shot in shots[shift:] + shots[:shift]:
                name = f"{camera}-{pair}"
                slots = [slot | {"id": f"{slot['id']}-{name}"} for slot in shot["slots"]]
                file = str(ROOT / "demo" / shot["file"])
                frames.append(shot | {"camera": name, "file": file, "slots": slots})
    (folder / "annotations.json").write_text(json.dumps({"site": {"id": "busy"}, "frames": frames}))
    return folder


def start_slow_detector(infra: Infra, env: Mapping[str, str]) -> None:
    """Start the detector so that it judges at most one picture in 250 ms
    (tests/stack/slow_judge.py)."""
    part = services.part("detector", infra.settings, PARTS, env)
    slow = (sys.executable, "-m", "tests.stack.slow_judge")
    infra.run_part(replace(part, command=slow), limit_s=90)


@dataclass
class Lot:
    """Six cameras at work, and the reports on them."""

    play: Play

    @property
    def infra(self) -> Infra:
        return self.play.infra

    @property
    def named(self) -> set[str]:
        """Return all slots."""
        frames = self.play.footage.annotations["frames"]
        return {str(slot["id"]) for frame in frames for slot in frame["slots"]}

    def changes(self) -> list[SlotChanged]:
        found = [codec.decode(record) for record in read(self.infra, SLOT_CHANGES)]
        return [event for event in found if isinstance(event, SlotChanged)]

    def cameras(self) -> dict[str, CameraStatusChanged]:
        """Return the last report of each camera."""
        found = [codec.decode(record) for record in read(self.infra, CAMERA_STATUS)]
        return {e.camera_id: e for e in found if isinstance(e, CameraStatusChanged)}

    def unknown(self) -> set[str]:
        """Return the slots that are now unknown."""
        states = {change.slot_id: change.to_state for change in self.changes()}
        return {slot for slot in self.named if states.get(slot, "unknown") == "unknown"}

    def lost(self) -> list[SlotChanged]:
        """Return the changes from known to unknown."""
        return [c for c in self.changes() if c.from_state != "unknown" and c.to_state == "unknown"]

    def judged(self, since_ms: int) -> list[tuple[str, str]]:
        """Return what the detector has reported since: slots and their states."""
        made = [codec.decode(record) for record in read(self.infra, DETECTIONS)]
        return [
            (seen.slot_id, seen.state)
            for event in made
            if isinstance(event, DetectionMade) and event.time_ms >= since_ms
            for seen in event.observations
        ]

    def seen_ms(self) -> int:
        """Return the time up to which every camera was seen, in Unix milliseconds."""
        seen = [camera.last_frame_at_ms or 0 for camera in self.cameras().values()]
        return min(seen) if len(seen) == 2 * PAIRS else 0

    def load_level(self) -> float:
        lines = httpx.get(self.infra.url("detector") + "/metrics").text.splitlines()
        (level,) = [line for line in lines if line.startswith("parking_load_level ")]
        return float(level.split()[1])


@pytest.fixture
def lot(tmp_path: Path) -> Iterator[Lot]:
    """Run six cameras and their services, except for the detector, on a busy computer."""
    (tmp_path / "footage").mkdir()
    paths = Paths(tmp_path / "state", ROOT / ".state" / "cache")
    with (
        two_cores(),
        Infra(paths, os.environ, parts=PARTS) as infra,
        playing(infra, footage(tmp_path / "footage"), tmp_path) as play,
    ):
        for service in ("ingest", "tracker"):
            infra.start_service(service, limit_s=90)
        play.publish_layouts(interval_ms=INTERVAL_MS)
        command = ParametersSet(silence_ms=SILENCE_MS)
        kafka = KafkaSettings(infra.bootstrap)
        asyncio.run(admin.command_site(kafka, play.footage.site_id, command, "test"))
        with busy_loops():
            yield Lot(play)


def test_slots_stay_known_on_a_busy_computer_and_not_without_the_controller(
    lot: Lot, record_property: Any
):
    """The negative control comes first: every picture is judged in its turn and nothing is left
    out, so reports grow older until they no longer count. The shipped detector then begins with
    that lag."""
    start_slow_detector(lot.infra, UNCONTROLLED)
    cameras = lot.play.simulator("--interval-ms", str(INTERVAL_MS))
    try:
        few = len(lot.named) / 4
        wait_until(lambda: len(lot.lost()) > few, 90, "slots lost without the controller")
        lot.infra.stop("detector")
        start_slow_detector(lot.infra, {})
        wait_until(lambda: not lot.unknown(), 90, "every slot known")
        begins_ms, before = lot.seen_ms(), len(lot.lost())
        levels: list[float] = []

        def watched() -> bool:
            levels.append(lot.load_level())
            return lot.seen_ms() >= begins_ms + WATCHED_MS

        wait_until(watched, 90, f"every camera seen for {WATCHED_MS} ms more")
        lost, statuses = lot.lost()[before:], lot.cameras().values()
    finally:
        cameras.kill()
        cameras.wait()
    record_property("load level", f"{max(levels):.0f}")
    record_property("analysed every", f"{sorted(c.analysed_every_ms or 0 for c in statuses)} ms")
    judged = lot.judged(since_ms=begins_ms - SILENCE_MS)
    # A slot that was judged and found unknown is not unknown for lack of time.
    doubts = [slot for slot, state in judged if state == "unknown"]
    record_property("judged unknown", f"{len(doubts)} of {len(judged)}")
    assert [change for change in lost if change.slot_id not in doubts] == []
    assert len(doubts) < len(judged) / 10  # or nothing would have been shown
    assert max(levels) > 0
    assert all(camera.load_level and camera.analysed_every_ms for camera in statuses)


# ------------------------------------------------------------ the story itself
KNOW_MS = 2 * 60_000
STORY_MS = 5 * 60_000


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    """Run `make run` in a new folder beside the busy loops, and return its address."""
    env = own_env(tmp_path / "state")
    with two_cores(), busy_loops():
        running = Running(env, tmp_path / "run.log")
        try:
            wait_until(
                lambda: running.said("everything is running"), LIMIT_S, "everything is running"
            )
            yield f"http://{HOST}:{env[port_setting('notifier')]}"
        finally:
            if running.process.poll() is None:
                running.interrupt()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_demo_stays_known_beside_busy_loops(demo: str, record_property: Any):
    """Every slot is known within two minutes of the first picture. In the five minutes after that,
    only the slots that the covered camera alone sees may turn unknown. The times are those of the
    pictures, and no clock is read."""
    with Listener(f"{demo}/api/events?site=demo") as listener:

        def pictured_ms() -> int:
            times_ms = [c["last_frame_at_ms"] or 0 for c in listener.of("camera-status")]
            return max(times_ms, default=0)

        wait_until(pictured_ms, 120, "a first picture")
        start_ms = pictured_ms()
        wait_until(lambda: pictured_ms() > start_ms + KNOW_MS, 200, "two minutes of pictures")
        slots = httpx.get(f"{demo}/api/slots", params={"site": "demo"}).json()
        assert len(slots) == 28
        assert [s["slot_id"] for s in slots if s["state"] == "unknown"] == []
        end_ms = pictured_ms() + STORY_MS
        wait_until(lambda: pictured_ms() > end_ms, 400, "five minutes more")
        changes = listener.of("slot-change")
    lost = [c for c in changes if c["from_state"] != "unknown" and c["to_state"] == "unknown"]
    both = seen_by_both()
    unknown = [(c["slot_id"], c["reason"], (c["time_ms"] - start_ms) // 1000) for c in lost]
    record_property("slots lost (reason, seconds)", unknown)
    # Two cameras may disagree about a slot on any computer.
    unknown = [one for one in unknown if one[1] != "disagree"]
    assert [one for one in unknown if one[0] in both or one[1] != "covered"] == []
    assert unknown, "the story covers a camera; it was not watched"


def seen_by_both() -> set[str]:
    """Return the slots of the demo that both of its cameras see."""
    demo = json.loads((ROOT / "demo" / "annotations.json").read_text("utf-8"))
    named: dict[str, set[str]] = {}
    for frame in demo["frames"]:
        named.setdefault(frame["camera"], set()).update(str(s["id"]) for s in frame["slots"])
    return set.intersection(*named.values())
