"""The tracker on a real Kafka of its own: crash points, outages, and its state recomputed.

What it wrote must equal `step` folded over the source topics. The order in which it took records of
different topics is its own; the changelog shows it, for every entry holds the positions after it.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest

from parking import codec
from parking.events import CameraStatusChanged, Event, SessionChanged, SlotChanged, SlotStateUpdated
from parking.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.occupancy import step
from parking.ports import Outgoing, Record
from parking.site import Site
from parking.stack.infra import Infra
from parking.stack.settings import ROOT, Paths
from parking.topics import (
    CAMERA_STATUS,
    DEAD_LETTERS,
    DETECTIONS,
    DEVICE_EVENTS,
    GATE_EVENTS,
    SESSIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    SLOT_STATE,
    TRACKER_CHANGELOG,
)
from services.tracker import handler
from tests.playing import wait_until
from tests.tracking import Teller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SOURCES = (DETECTIONS, GATE_EVENTS, DEVICE_EVENTS, SITE_COMMANDS)
OUTPUTS = (SLOT_CHANGES, SLOT_STATE, CAMERA_STATUS, SESSIONS)
SETTINGS = {"TRACKER_SESSION_S": "6", "TRACKER_TICK_S": "0.5"}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Kafka alone: the tracker reads whole topics, so it must not share them with other tests."""
    paths = Paths(tmp_path_factory.mktemp("tracker") / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka",)) as running:
        yield running


@pytest.fixture
def tracker(kafka: Infra) -> Iterator[Infra]:
    """With a running tracker, stopped at the end."""
    kafka.start_service("tracker", SETTINGS)
    yield kafka
    kafka.stop("tracker")


@pytest.fixture
def teller(unique) -> Teller:
    teller = Teller(unique("site"))
    teller.now_ms = time.time_ns() // 1_000_000
    return teller


def send(infra: Infra, messages: Iterable[Outgoing]) -> list[tuple[int, int]]:
    async def work() -> list[tuple[int, int]]:
        producer = new_producer(KafkaSettings(infra.bootstrap))
        await producer.start()
        try:
            return await KafkaProducer(producer).send(list(messages))
        finally:
            await producer.stop()

    return asyncio.run(work())


def read(infra: Infra, *topics: str) -> list[Record]:
    async def work() -> list[Record]:
        consumer = new_consumer(KafkaSettings(infra.bootstrap))
        await consumer.start()
        try:
            return await read_to_end(consumer, await assign_all(consumer, *topics))
        finally:
            await consumer.stop()

    return asyncio.run(work())


def as_record(event: Event, topic: str) -> Outgoing:
    return codec.outgoing(event, topic, event.site_id, "test")


def story(t: Teller, rounds: int) -> list[Outgoing]:
    """A layout, and rounds in which cars come, go and pass the gate; some records doubled."""
    records = [as_record(t.adopt(camera, "1", "2", "3"), SITE_COMMANDS) for camera in "ab"]
    for turn in range(rounds):
        seen = {slot: "of"[(turn // 4 + int(slot)) % 2] for slot in "123"}
        t.now_ms = max(t.now_ms - 900, time.time_ns() // 1_000_000)
        frames = [as_record(t.see(camera, seen), DETECTIONS) for camera in "ab"]
        gate = as_record(t.gate("entry" if turn % 3 else "exit", turn), GATE_EVENTS)
        records += [*frames, gate, frames[0], gate]
    return records


@dataclass
class Story:
    """What Kafka holds of one site after a test."""

    infra: Infra
    site_id: str
    sources: dict[tuple[str, int], Record] = field(default_factory=dict)
    outputs: list[Event] = field(default_factory=list)
    entries: list[handler.Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        key = self.site_id.encode()
        self.sources = {(r.topic, r.offset): r for r in read(self.infra, *SOURCES) if r.key == key}
        events = (codec.decode(r) for r in read(self.infra, *OUTPUTS))
        self.outputs = [e for e in events if isinstance(e, Event) and e.site_id == self.site_id]
        changelog = read(self.infra, TRACKER_CHANGELOG)
        self.entries = [handler.decode(r.value or b"") for r in changelog if r.key == key]

    def applied(self) -> list[Event]:
        """The records that changed the site, in the tracker's order. Every entry must take exactly
        one record further, none twice."""
        before: dict[str, int] = {}
        events = []
        for entry in self.entries:
            moved = {t: p for t, p in entry.positions.items() if before.get(t) != p}
            ((topic, position),) = moved.items()
            assert position > before.get(topic, 0)
            event = codec.decode(self.sources[topic, position - 1])
            assert isinstance(event, Event)
            events.append(event)
            before = entry.positions
        return events

    def check(self) -> list[SlotChanged]:
        """Recompute and compare; returns the changes."""
        site, made = Site(site_id=self.site_id), []
        for event in self.applied():
            site, outputs = step(site, event)
            made += outputs
        assert msgspec.json.encode(site) == msgspec.json.encode(self.entries[-1].site)
        for cls in (SlotChanged, SessionChanged, SlotStateUpdated, CameraStatusChanged):
            expected = [codec.to_json(e) for e in made if isinstance(e, cls)]
            found = [codec.to_json(e) for e in self.outputs if isinstance(e, cls)]
            # A sink keeps the first of an id; what came again came exactly as before.
            assert sorted(set(found)) == sorted(expected), cls
            if cls in (SlotChanged, SessionChanged):
                assert list(dict.fromkeys(found)) == expected
        # Compaction keeps the last of a key: it must be the newest version.
        last = {e.slot_id: e.version for e in self.outputs if isinstance(e, SlotStateUpdated)}
        assert last == {slot_id: slot.version for slot_id, slot in site.slots.items()}
        return [e for e in made if isinstance(e, SlotChanged)]


def drained(infra: Infra, site_id: str, last_frame: int, limit_s: float = 60) -> Story:
    """Wait until the story's last frame was applied, and end the tracker (it finishes the record it
    is at), for its own ticks would go on under the comparison."""

    def done() -> bool:
        key = site_id.encode()
        values = [r.value for r in read(infra, TRACKER_CHANGELOG) if r.key == key]
        if not values:
            return False
        site = handler.decode(values[-1] or b"").site
        refs = [camera.frame_ref for camera in site.cameras.values()]
        return max((ref.offset for ref in refs if ref), default=0) >= last_frame

    wait_until(done, limit_s, f"frame {last_frame} of {site_id} applied")
    infra.stop("tracker")
    return Story(infra, site_id)


def test_what_it_wrote_is_what_step_recomputes(tracker: Infra, teller: Teller):
    send(tracker, story(teller, 30))
    changes = drained(tracker, teller.site_id, 60).check()
    assert len(changes) >= 20


def last_change(infra: Infra, site_id: str) -> tuple[str, str] | None:
    """State and reason of the site's latest change."""
    events = [codec.decode(r) for r in read(infra, SLOT_CHANGES)]
    ours = [e for e in events if isinstance(e, SlotChanged) and e.site_id == site_id]
    return (ours[-1].to_state, ours[-1].reason) if ours else None


def test_silence_becomes_unknown_by_its_own_ticks(tracker: Infra, teller: Teller):
    t = teller
    send(tracker, [as_record(t.adopt("a", "1"), SITE_COMMANDS)])
    wait_until(lambda: last_change(tracker, t.site_id) is not None, 20, "an adopted slot")
    send(tracker, [as_record(t.see("a", {"1": "f"}), DETECTIONS) for _ in range(2)])
    unknown = ("unknown", "silent")
    wait_until(lambda: last_change(tracker, t.site_id) == unknown, 20, "an unknown slot")
    changes = drained(tracker, t.site_id, 2).check()
    assert [change.to_state for change in changes] == ["unknown", "free", "unknown"]


def test_poison_goes_to_the_dead_letters_and_stops_nothing(tracker: Infra, teller: Teller):
    key = teller.site_id.encode()
    good = story(teller, 6)
    bad = [
        Outgoing(DETECTIONS, key, b"{", good[2].headers),
        Outgoing(SITE_COMMANDS, key, None, good[0].headers),
        Outgoing(GATE_EVENTS, key, b"\x00\xff", ()),
    ]
    send(tracker, [*good[:7], *bad, *good[7:]])
    drained(tracker, teller.site_id, 12).check()
    letters = [r for r in read(tracker, DEAD_LETTERS) if r.key == key]
    found = sorted((codec.decode(r).reason, r.value or b"") for r in letters)
    assert found == [("bad-json", b"{"), ("empty", b""), ("no-type", b"\x00\xff")]


# ---------------------------------------------------------------- crashes
def dies_at(infra: Infra, point: str) -> None:
    """Run a tracker that kills itself at a point; returns once it has."""
    env = infra.env_for("tracker") | SETTINGS | {"FAULT": f"{point}:kill", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "services.tracker"], env=env, cwd=ROOT)
    try:
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()


@pytest.mark.parametrize(
    "point", ["tracker.before-changelog", "tracker.after-changelog", "tracker.after-outputs"]
)
def test_a_crash_between_two_effects_leaves_no_trace(kafka: Infra, teller: Teller, point: str):
    send(kafka, story(teller, 10))
    for _ in range(2):
        dies_at(kafka, point)
    kafka.start_service("tracker", SETTINGS)
    try:
        assert drained(kafka, teller.site_id, 20).check()
    finally:
        kafka.stop("tracker")


def test_kills_in_mid_flight(tracker: Infra, teller: Teller):
    messages = story(teller, 40)
    for start in range(0, len(messages), 51):
        starts = tracker.starts("tracker")
        send(tracker, messages[start : start + 51])
        tracker.kill("tracker")
        tracker.wait_restarted("tracker", starts + 1)
    assert drained(tracker, teller.site_id, 80).check()


def test_kafka_stopped_for_longer_than_any_flush_and_a_kill_on_top(tracker: Infra, teller: Teller):
    messages = story(teller, 20)
    send(tracker, messages[:60])
    starts = tracker.starts("tracker")
    tracker.kill("kafka", signal.SIGSTOP)
    time.sleep(8)
    tracker.kill("kafka", signal.SIGCONT)
    tracker.kill("tracker")
    tracker.wait_restarted("tracker", starts + 1)
    send(tracker, messages[60:])
    assert drained(tracker, teller.site_id, 40).check()


# ---------------------------------------------------------------- the end
@pytest.mark.parametrize("kafka_stopped", [False, True])
def test_sigterm_ends_it_in_bounded_time_with_or_without_kafka(kafka: Infra, kafka_stopped: bool):
    env = kafka.env_for("tracker") | SETTINGS | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "services.tracker"], env=env, cwd=ROOT)
    try:
        wait_until(lambda: _ready(kafka), 60, "a ready tracker")
        if kafka_stopped:
            kafka.kill("kafka", signal.SIGSTOP)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - started < 10
    finally:
        if kafka_stopped:
            kafka.kill("kafka", signal.SIGCONT)
        process.kill()


def _ready(infra: Infra) -> bool:
    try:
        return httpx.get(infra.url("tracker") + "/readyz").status_code == 200
    except httpx.HTTPError:
        return False
