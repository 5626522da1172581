"""The tracker's effects and their order, on an in-memory Kafka."""

import dataclasses
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from parking.core.errors import Fenced, Retryable, SettingsError
from parking.core.events import (
    TIME_END_MS,
    DeadLettered,
    DetectionMade,
    Event,
    SlotChanged,
    SlotClosed,
)
from parking.core.occupancy import step
from parking.core.topics import (
    DEAD_LETTERS,
    DETECTIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    SLOT_STATE,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
)
from parking.wire import codec, sitejson
from parking.wire.partitioning import partition_of
from parking.wire.ports import Record
from services.tracker import checkpoints, handler, partition
from services.tracker.settings import Settings
from tests.support.tracker_memory import PARTITION, SITE, Bench
from tests.support.tracking import Teller, fold

STORY = [
    ("1", "unknown", 1),
    ("2", "unknown", 1),
    ("1", "free", 2),
    ("2", "occupied", 2),
]


@pytest.fixture
async def bench() -> Bench:
    return await Bench().begin()


async def test_changes_and_states_are_keyed_for_their_readers(bench: Bench):
    await bench.apply(*bench.story())
    assert bench.changes() == STORY
    assert {r.key for r in bench.broker.records(SLOT_CHANGES)} == {b"lot"}
    assert {r.key for r in bench.broker.records(SLOT_STATE)} == {b"lot/1", b"lot/2"}


async def test_outputs_and_how_far_was_read_are_written_together(bench: Bench):
    adopt, first, second = bench.story()
    await bench.partition.apply([adopt, first])
    bench.log.lost = "before"
    with pytest.raises(Retryable):
        await bench.partition.apply([second])
    assert bench.changes() == STORY[:2]
    assert bench.log.offsets == {SITE_COMMANDS: 1, DETECTIONS: 1}
    await bench.begin()
    assert bench.partition.next == {SITE_COMMANDS: 1, DETECTIONS: 1}
    await bench.apply(second)
    assert bench.changes() == STORY


async def test_what_was_written_before_kafka_went_away_is_not_written_again(bench: Bench):
    adopt, first, second = bench.story()
    await bench.apply(adopt, first)
    bench.log.lost = "after"
    with pytest.raises(Retryable):
        await bench.apply(second)
    site = bench.site
    await bench.begin()
    assert bench.partition.next == {SITE_COMMANDS: 1, DETECTIONS: 2}
    assert bench.changes() == STORY
    assert bench.site != site  # the one in progress had not been acknowledged
    assert bench.site.slots["2"].state == "occupied"


async def test_one_that_was_replaced_writes_nothing(bench: Bench):
    """It froze, another tracker took over the partition, and it wakes up."""
    adopt, first, second = bench.story()
    await bench.apply(adopt, first)
    frozen = bench.partition
    await bench.begin()
    before = {topic: len(bench.broker.records(topic)) for topic in (SLOT_CHANGES, TRACKER_BATCHES)}
    with pytest.raises(Fenced):
        await frozen.apply([second])
    after = {topic: len(bench.broker.records(topic)) for topic in (SLOT_CHANGES, TRACKER_BATCHES)}
    assert before == after
    await bench.apply(second)
    assert bench.changes() == STORY


async def test_without_the_fence_it_would_write_everything_twice(bench: Bench):
    """This is the negative control."""
    adopt, first, second = bench.story()
    await bench.apply(adopt, first)
    frozen, log = bench.partition, bench.log
    await bench.begin()
    await bench.apply(second)
    bench.owners[PARTITION] = log
    await frozen.apply([second])
    assert bench.changes() == [*STORY, *STORY[2:]]


# ---------------------------------------------------------------- taking over
def story() -> list[Event]:
    """Return two cameras of which one falls silent and comes back, cars, a gate, an overstay and
    commands."""
    t = Teller()
    records: list[Event] = [
        t.adopt("a", "1", "2", interval_ms=3_000),
        t.adopt("b", "2", "3", interval_ms=3_000),
        t.parameters(overstay_ms=60_000, silence_ms=15_000),
        t.gate("entry", 1, plate="x"),
    ]
    for turn in range(16):
        seen = "oofffoofffffoooo"[turn]
        records.append(t.see("a", {"1": seen, "2": seen}))
        t.now_ms -= 900
        if not 4 <= turn < 11:
            records.append(t.see("b", {"2": seen, "3": "o"}))
        records += [t.tick(1_000) for _ in range(3)]
        if turn == 7:
            records.append(t.gate("entry", 2))
        if turn == 10:
            records += [records[-1], t.gate("exit", 3)]  # doubled
    return [*records, *(t.tick(1_000) for _ in range(10))]


@pytest.mark.parametrize("every_ms", [0, 5_000, 3_600_000], ids=["always", "some", "no checkpoint"])
async def test_a_kill_after_whatever_batch_changes_nothing(monkeypatch, every_ms: int):
    monkeypatch.setattr(partition, "CHECKPOINT_EVERY_MS", every_ms)
    events = story()
    final, made = fold(events, SITE)
    assert len(made) > 25
    assert "silent" in {event.reason for event in made if isinstance(event, SlotChanged)}
    for killed in range(1, len(events), 3):
        bench = await Bench().begin()
        records = []
        for event in events:
            bench.clock.advance(500)
            records.append(bench.record(event))
        await bench.apply(*records[:killed])
        before = bench.partition.sites
        await bench.begin()
        assert sitejson.to_json(bench.partition.sites) == sitejson.to_json(before)
        await bench.apply(*records[killed:])
        assert sitejson.to_json(bench.site) == sitejson.to_json(final)
        found = [value for values in bench.reports_of().values() for value in values]
        assert sorted(found) == sorted(codec.to_json(event) for event in made)


async def test_a_batch_of_several_topics_is_folded_in_one_order_by_every_reader(bench: Bench):
    t = bench.teller
    adopt = bench.record(t.adopt("a", "1"))
    frames = [bench.record(t.see("a", {"1": "o"})) for _ in range(2)]
    bench.clock.advance(1)
    close = bench.record(t.command(SlotClosed(slot_id="1")))
    await bench.partition.apply([close, *frames[::-1], adopt][::-1])
    assert bench.changes() == [("1", "unknown", 1), ("1", "occupied", 2), ("1", "closed", 3)]
    mixed = handler.in_order([close, adopt, *frames])
    assert [r.timestamp_ms for r in mixed] == sorted(r.timestamp_ms for r in mixed)


async def test_a_checkpoint_holds_the_sites_that_changed_and_bounds_what_is_folded_again(
    bench: Bench, monkeypatch
):
    await bench.apply(*bench.story())
    assert bench.broker.records(TRACKER_CHECKPOINTS) == []
    bench.clock.advance(partition.CHECKPOINT_EVERY_MS)
    await bench.partition.keep()
    mark, sites = checkpoints.read(bench.broker.records(TRACKER_CHECKPOINTS))
    assert mark.next == {SITE_COMMANDS: 1, DETECTIONS: 2}
    assert sites == {SITE: bench.site}
    bench.clock.advance(partition.CHECKPOINT_EVERY_MS)
    await bench.partition.keep()  # nothing changed
    assert len(bench.broker.records(TRACKER_CHECKPOINTS)) == 2
    read: list[Record] = []

    def counted(records, ends):
        found = list(records)
        read.extend(found)
        return []

    monkeypatch.setattr(handler, "batches", counted)
    site = bench.site
    await bench.begin()
    assert read == []
    assert bench.site == site


async def test_a_checkpoint_of_a_newer_version_is_refused_in_plain_words(bench: Bench, monkeypatch):
    monkeypatch.setattr(partition, "CHECKPOINT_EVERY_MS", 0)
    await bench.apply(*bench.story())
    monkeypatch.setattr(checkpoints, "FORMAT", 0)
    with pytest.raises(checkpoints.NewerFormat, match="a newer version has written it"):
        await bench.begin()


async def test_a_recreated_topic_is_read_from_its_beginning(bench: Bench, monkeypatch):
    monkeypatch.setattr(partition, "CHECKPOINT_EVERY_MS", 0)
    await bench.apply(*bench.story())
    await bench.begin()
    bench.log.ids = bench.log.ids | {DETECTIONS: "2"}
    await bench.partition.restore()
    assert bench.partition.next == {SITE_COMMANDS: 1}
    assert bench.site.slots["2"].state == "occupied"


async def test_a_record_that_comes_again_means_that_its_topic_is_another(bench: Bench):
    records = bench.story()
    await bench.apply(*records)
    with pytest.raises(Retryable, match="recreated"):
        await bench.apply(records[1])


# ---------------------------------------------------------------- records
def poison(bench: Bench) -> dict[str, Record]:
    """Return one record for each reason why a record cannot be applied."""
    t = bench.teller
    good = codec.outgoing(t.tick(1), DETECTIONS, SITE, "test")
    other = next(n for n in "abcdef" if partition_of(n.encode()) != PARTITION)
    astray = codec.outgoing(Teller(other).tick(1), DETECTIONS, other, "test")
    change = codec.decode(bench.broker.records(SLOT_CHANGES)[0])
    assert isinstance(change, SlotChanged)
    bad: dict[str, dict[str, Any]] = {
        "bad-json": {"value": b"{"},
        "bad-schema": {"value": b'{"id": 1}'},
        "empty": {"value": None},
        "no-type": {"headers": ()},
        "unknown-type": {"headers": (("ce_type", b"com.example.new.v9"),)},
        "wrong-key": {"key": b'"lot"', "partition": PARTITION},
    }
    records = {
        reason: bench.logged(dataclasses.replace(good, **fault)) for reason, fault in bad.items()
    }
    records["wrong-partition"] = bench.logged(dataclasses.replace(astray, partition=PARTITION))
    foreign = replace(t.see("a", {}), camera_id="other/a")
    records["wrong-site"] = bench.record(foreign)
    records["not-for-tracker"] = bench.record(change, DETECTIONS)
    records["unknown-slot"] = bench.record(t.command(SlotClosed(slot_id="9")))
    return records


def dead(record: Record) -> DeadLettered:
    letter = codec.decode(record)
    assert isinstance(letter, DeadLettered)
    return letter


async def test_poison_is_set_aside_with_its_reason_and_the_rest_goes_on(bench: Bench):
    await bench.apply(*bench.story())
    records = poison(bench)
    for bad in records.values():
        await bench.apply(bad)
    await bench.apply(*(bench.record(bench.teller.see("a", {"1": "o"})) for _ in range(2)))
    letters = [(dead(r), r) for r in bench.broker.records(DEAD_LETTERS)]
    assert [letter.reason for letter, _ in letters] == list(records)
    for (letter, record), bad in zip(letters, records.values(), strict=True):
        assert (letter.topic, letter.partition, letter.offset) == (
            bad.topic,
            bad.partition,
            bad.offset,
        )
        assert (record.key, record.value) == (bad.key, bad.value or b"")
    assert bench.changes() == [*STORY, ("1", "occupied", 3)]


async def test_a_time_beyond_the_year_9999_is_poison_like_any_other(bench: Bench):
    adopt = bench.record(bench.teller.adopt("a", "1", "2"))
    good = bench.record(bench.teller.see("a", {}))
    first, second = (bench.record(bench.teller.see("a", {"1": "f", "2": "o"})) for _ in range(2))
    event = msgspec.json.decode(good.value or b"") | {"time_ms": TIME_END_MS}
    await bench.apply(adopt, dataclasses.replace(good, value=msgspec.json.encode(event)))
    (letter,) = bench.broker.records(DEAD_LETTERS)
    assert dead(letter).reason == "bad-schema"
    count = len(bench.changes())
    await bench.begin()
    await bench.apply(first, second)
    assert bench.changes()[-2:] == STORY[-2:]
    assert count == 2


async def test_an_output_that_nobody_could_write_never_changes_the_site(bench: Bench, monkeypatch):
    records = bench.story()
    await bench.apply(*records)
    before = bench.site

    def broken(site, event):
        after, made = step(site, event)
        return after, [replace(output, time_ms=TIME_END_MS) for output in made]

    monkeypatch.setattr(handler, "step", broken)
    await bench.apply(bench.record(bench.teller.adopt("a", "1", version=2)))
    (letter,) = bench.broker.records(DEAD_LETTERS)
    assert dead(letter).reason == "bad-schema"
    assert bench.site == before


@pytest.mark.parametrize("name", ["abc/2", "2/abc", "/", "²/2", "-1/2"])
async def test_a_frame_of_another_producers_naming_is_a_frame_like_any_other(bench: Bench, name):
    await bench.apply(*bench.story())
    for frame_id in (f"lot/a/{name}", f"lot/a/{name}+", "lot/a/1/9"):
        made = renamed(bench.teller.see("a", {"1": "o"}), frame_id)
        await bench.apply(bench.record(made))
    assert bench.changes() == [*STORY, ("1", "occupied", 3)]
    assert bench.broker.records(DEAD_LETTERS) == []


def renamed(made: DetectionMade, frame_id: str) -> DetectionMade:
    ref = replace(made.frame_ref, frame_id=frame_id)
    return replace(made, id=frame_id, frame_ref=ref)


async def test_a_site_begins_with_the_first_record_that_changes_something(bench: Bench):
    await bench.apply(bench.record(bench.teller.device("a", "telemetry")))
    assert bench.partition.sites == {}


def test_settings_report_every_problem_together():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"TRACKER_TICK_S": "0", "TRACKER_SESSION_S": "soon"})
    assert len(caught.value.problems) == 3
