"""The tracker's effects and their order, on in-memory Kafka and table."""

import dataclasses
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from parking import codec
from parking.errors import Retryable, SettingsError
from parking.events import (
    TIME_END_MS,
    DeadLettered,
    DetectionMade,
    Event,
    SlotChanged,
    SlotClosed,
    TickElapsed,
)
from parking.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.occupancy import step
from parking.ports import Outgoing, Record
from parking.topics import (
    DEAD_LETTERS,
    DETECTIONS,
    DEVICE_EVENTS,
    SITE_COMMANDS,
    SITE_PARTITIONS,
    SLOT_CHANGES,
    SLOT_STATE,
)
from services.tracker import handler
from services.tracker.settings import Settings
from services.tracker.tracker import MemoryTable, Tracker
from tests.tracking import Teller

SITE = "lot"


class Bench:
    """A tracker on an in-memory broker."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.producer = MemoryProducer(self.broker)
        self.table = MemoryTable()
        self.teller = Teller(SITE)
        self.tracker = self.restarted()

    def restarted(self, producer=None) -> Tracker:
        producer = producer or self.producer
        self.tracker = Tracker(self.table, producer, ManualClock(), "live")
        return self.tracker

    def logged(self, message: Outgoing) -> Record:
        """The message as a record of the log."""
        partition, offset = self.broker.append(message)
        return self.broker.read((message.topic, partition), offset, 1)[0]

    def record(self, event: Event, topic: str = DETECTIONS, key: str = SITE) -> Record:
        return self.logged(codec.outgoing(event, topic, key, "test"))

    def story(self) -> list[Record]:
        t = self.teller
        return [
            self.record(t.adopt("a", "1", "2"), SITE_COMMANDS),
            *(self.record(t.see("a", {"1": "f", "2": "o"})) for _ in range(2)),
        ]

    async def apply(self, *records: Record) -> None:
        for record in records:
            await self.tracker.apply(record)

    def changes(self) -> list[tuple[str, str, int]]:
        events = [codec.decode(r) for r in self.broker.records(SLOT_CHANGES)]
        return [(e.slot_id, e.to_state, e.version) for e in events if isinstance(e, SlotChanged)]


STORY = [
    ("1", "unknown", 1),
    ("2", "unknown", 1),
    ("1", "free", 2),
    ("2", "occupied", 2),
]


async def test_changes_and_states_are_keyed_for_their_readers():
    bench = Bench()
    await bench.apply(*bench.story())
    assert bench.changes() == STORY
    assert {r.key for r in bench.broker.records(SLOT_CHANGES)} == {b"lot"}
    assert {r.key for r in bench.broker.records(SLOT_STATE)} == {b"lot/1", b"lot/2"}


async def test_records_delivered_again_add_nothing_also_after_a_restart():
    bench = Bench()
    records = bench.story()
    await bench.apply(*records, *records)
    assert bench.changes() == STORY
    bench.restarted()
    written = bench.broker.records(SLOT_CHANGES)
    await bench.apply(*records)
    again = bench.broker.records(SLOT_CHANGES)[len(written) :]
    # Only the last entry's outputs, as they were: a sink that knows their ids ignores them.
    assert [r.value for r in again] == [r.value for r in written[-2:]]


class NoKafka:
    """A producer whose Kafka goes away after some calls."""

    def __init__(self, producer: MemoryProducer, calls: int = 0) -> None:
        self._producer = producer
        self._left = calls

    async def send(self, messages: list[Outgoing]) -> list[tuple[int, int]]:
        if not self._left:
            raise Retryable("away")
        self._left -= 1
        return await self._producer.send(messages)


async def test_ticks_delivered_again_are_no_clock_that_was_set_back():
    bench = Bench()
    t = bench.teller
    later = [bench.record(event) for event in (t.tick(), t.tick(1), t.tick(600_000), t.tick(1))]
    await bench.apply(*bench.story(), *later)
    entry = bench.table.read(b"lot")
    bench.restarted()
    await bench.apply(*later[:2], *later)
    assert bench.table.read(b"lot") == entry
    below = [replace(tick, time_ms=tick.time_ms - 300_000) for tick in (t.tick(1), t.tick(1))]
    await bench.apply(*map(bench.record, below))
    assert bench.table.read(b"lot") != entry  # the control: new ones are


async def test_outputs_that_were_never_written_are_written_before_anything_else_of_the_site():
    bench = Bench()
    adopt, first, second = bench.story()
    bench.restarted(NoKafka(bench.producer, calls=2))
    await bench.apply(adopt, first)
    with pytest.raises(Retryable):
        await bench.apply(second)
    assert bench.changes() == STORY[:2]
    bench.restarted()
    t = bench.teller
    # Another topic's record comes first now; the versions already counted stay as they are.
    move = bench.record(t.adopt("a", "1", version=2), SITE_COMMANDS)
    await bench.apply(move, second)
    assert bench.changes() == [*STORY, ("2", "unknown", 3)]


async def test_nothing_is_written_before_the_entry_is_durable():
    class FailingTable(MemoryTable):
        async def write(self, key: bytes, value: bytes) -> None:
            raise OSError("no changelog")

    bench = Bench()
    bench.table = FailingTable()
    bench.restarted()
    with pytest.raises(OSError, match="no changelog"):
        await bench.apply(*bench.story())
    assert bench.changes() == []


def poison(bench: Bench) -> dict[str, Record]:
    """A record for each reason why one cannot be applied."""
    t = bench.teller
    good = codec.outgoing(t.tick(1), DETECTIONS, SITE, "test")
    elsewhere = (handler.partition_of(SITE.encode()) + 1) % SITE_PARTITIONS
    change = codec.decode(bench.broker.records(SLOT_CHANGES)[0])
    assert isinstance(change, SlotChanged)
    bad: dict[str, dict[str, Any]] = {
        "bad-json": {"value": b"{"},
        "bad-schema": {"value": b'{"id": 1}'},
        "empty": {"value": None},
        "no-type": {"headers": ()},
        "unknown-type": {"headers": (("ce_type", b"parking.new.v9"),)},
        "wrong-key": {"key": b'"lot"'},
        "wrong-partition": {"partition": elsewhere},
    }
    records = {
        reason: bench.logged(dataclasses.replace(good, **fault)) for reason, fault in bad.items()
    }
    foreign = replace(t.see("a", {}), camera_id="other/a")
    records["wrong-site"] = bench.record(foreign)
    records["not-for-tracker"] = bench.record(change)
    records["unknown-slot"] = bench.record(t.command(SlotClosed(slot_id="9")), SITE_COMMANDS)
    return records


def dead(record: Record) -> DeadLettered:
    letter = codec.decode(record)
    assert isinstance(letter, DeadLettered)
    return letter


async def test_poison_is_set_aside_with_its_reason_and_the_rest_goes_on():
    bench = Bench()
    adopt, *frames = bench.story()
    await bench.apply(adopt)
    records = poison(bench)
    for bad in records.values():
        await bench.apply(bad)
    await bench.apply(*frames)
    letters = [(dead(r), r) for r in bench.broker.records(DEAD_LETTERS)]
    assert [letter.reason for letter, _ in letters] == list(records)
    for (letter, record), bad in zip(letters, records.values(), strict=True):
        assert (letter.topic, letter.partition, letter.offset) == (
            bad.topic,
            bad.partition,
            bad.offset,
        )
        assert (record.key, record.value) == (bad.key, bad.value or b"")
    assert bench.changes() == STORY


async def test_a_time_beyond_the_year_9999_is_poison_like_any_other():
    bench = Bench()
    adopt = bench.record(bench.teller.adopt("a", "1", "2"), SITE_COMMANDS)
    good = bench.record(bench.teller.see("a", {}))
    first, second = (bench.record(bench.teller.see("a", {"1": "f", "2": "o"})) for _ in range(2))
    event = msgspec.json.decode(good.value or b"") | {"time_ms": TIME_END_MS}
    await bench.apply(adopt, dataclasses.replace(good, value=msgspec.json.encode(event)))
    (letter,) = bench.broker.records(DEAD_LETTERS)
    assert dead(letter).reason == "bad-schema"
    told = len(bench.changes())
    bench.restarted()
    await bench.apply(first, second)
    assert bench.changes()[-2:] == STORY[-2:]
    assert told == 2


async def test_an_output_that_nobody_could_write_never_gets_into_the_entry(monkeypatch):
    bench = Bench()
    records = bench.story()
    await bench.apply(*records)
    before = bench.table.read(b"lot")

    def broken(site, event):
        after, made = step(site, event)
        return after, [replace(output, time_ms=TIME_END_MS) for output in made]

    monkeypatch.setattr(handler, "step", broken)
    await bench.apply(bench.record(bench.teller.adopt("a", "1", version=2), SITE_COMMANDS))
    (letter,) = bench.broker.records(DEAD_LETTERS)
    assert dead(letter).reason == "bad-schema"
    assert bench.table.read(b"lot") == before


@pytest.mark.parametrize("name", ["abc/2", "2/abc", "/", "²/2", "-1/2"])
async def test_a_frame_of_another_producers_naming_is_a_frame_like_any_other(name):
    bench = Bench()
    await bench.apply(*bench.story())
    for frame_id in (f"lot/a/{name}", f"lot/a/{name}+", "lot/a/1/9"):
        made = renamed(bench.teller.see("a", {"1": "o"}), frame_id)
        await bench.apply(bench.record(made))
    assert bench.changes() == [*STORY, ("1", "occupied", 3)]
    assert bench.broker.records(DEAD_LETTERS) == []


def renamed(made: DetectionMade, frame_id: str) -> DetectionMade:
    ref = replace(made.frame_ref, frame_id=frame_id)
    return replace(made, id=frame_id, frame_ref=ref)


async def test_ticks_go_to_the_partition_of_each_owned_site():
    bench = Bench()
    await bench.apply(*bench.story())
    partition = handler.partition_of(b"lot")
    before = len(bench.broker.records(DETECTIONS))
    await bench.tracker.tick(set(range(SITE_PARTITIONS)) - {partition})
    assert len(bench.broker.records(DETECTIONS)) == before
    await bench.tracker.tick({partition})
    record = bench.broker.records(DETECTIONS)[-1]
    tick = codec.decode(record)
    assert isinstance(tick, TickElapsed)
    assert (record.partition, record.key) == (partition, b"lot")
    assert tick.id == f"lot/tick/{tick.time_ms}"


async def test_an_outage_costs_ticks_and_nothing_else():
    bench = Bench()
    await bench.apply(*bench.story())
    await bench.restarted(NoKafka(bench.producer)).tick(set(range(SITE_PARTITIONS)))


async def test_a_site_begins_with_the_first_record_that_changes_something():
    bench = Bench()
    telemetry = bench.record(bench.teller.device("a", "telemetry"), DEVICE_EVENTS)
    await bench.apply(telemetry)
    assert bench.table.sites() == []


def test_settings_report_every_problem_together():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"TRACKER_TICK_S": "0", "TRACKER_SESSION_S": "soon"})
    assert len(caught.value.problems) == 3
