"""Heartbeats go the whole way, change nothing, and show within ten seconds where they stop."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from parking.core.errors import Retryable
from parking.core.events import HeartbeatPassed
from parking.core.freshness import EVERY_S, FORGOTTEN_MS, SILENT_MS, Freshness
from parking.core.topics import CAMERA_STATUS, DEAD_LETTERS, DETECTIONS, FRAMES, TOPICS
from parking.runtime.heartbeats import LOOK_EVERY_S, Heartbeats
from parking.runtime.memory import ManualClock, MemoryProducer
from parking.runtime.metrics import HEARTBEAT_SECONDS, STILL_SECONDS
from parking.runtime.ops import Health
from parking.wire import codec, heartbeats
from parking.wire.heartbeats import new_heartbeats
from parking.wire.ports import Outgoing, Record
from services.detector.handler import handle_frames
from services.ingest.heartbeats import HeartbeatWriter
from services.notifier import handler as notifier
from services.notifier.stages import EVERY_S as STAGES_EVERY_S
from services.notifier.stages import UNWRITTEN_MS
from services.notifier.state import LiveState
from services.persister.handler import plan
from services.tracker.partition import Partition
from tests.support import persisting
from tests.support.detector_tools import EMPTY, frame, layout, tools
from tests.support.scripted_mqtt import count
from tests.support.tracker_memory import PARTITION, Bench

BEAT_MS = round(EVERY_S * 1000)


def place(topic: str, partition: int = 0) -> tuple[str, int]:
    return topic, partition


def as_record(message: Outgoing, offset: int = 0, timestamp_ms: int = 0) -> Record:
    return Record(
        message.topic,
        message.partition or 0,
        offset,
        message.key,
        message.value,
        message.headers,
        timestamp_ms,
    )


def damaged(message: Outgoing) -> Outgoing:
    return replace(message, value=b'{"id": 7}')


# ---------------------------------------------------------------- the way
async def test_a_heartbeat_goes_the_whole_way_in_its_partition_with_the_time_of_each_stage():
    bench = await Bench().begin()
    clock = bench.clock
    begin_ms = clock.now_ms()
    written = new_heartbeats(12, begin_ms)
    assert [one.partition for one in written] == list(range(12))
    first = bench.logged(written[PARTITION])
    assert first.topic == FRAMES

    clock.advance(100)
    at_detector = replace(tools(), clock=clock)
    (to_tracker,) = await handle_frames([first], at_detector)
    clock.advance(50)
    await bench.apply(bench.logged(to_tracker))

    (last,) = bench.broker.records(CAMERA_STATUS)
    assert (last.partition, last.key) == (PARTITION, heartbeats.KEY)
    assert heartbeats.read(last) == HeartbeatPassed(
        id=f"heartbeat/{PARTITION}/{begin_ms}",
        time_ms=begin_ms,
        partitions=12,
        detector_at_ms=begin_ms + 100,
        tracker_at_ms=begin_ms + 150,
    )
    assert bench.broker.records(DEAD_LETTERS) == []
    assert notifier.fold(LiveState(), last) is None


def test_it_ends_in_a_compacted_topic_so_that_one_is_kept():
    assert TOPICS[CAMERA_STATUS].compacted


async def test_the_detector_passes_it_on_after_the_frames_before_it():
    (beat,) = new_heartbeats(1, 0)
    records = [as_record(beat, 0), as_record(frame(EMPTY, 1), 1)]
    messages = await handle_frames(records, tools(layout()))
    types = [dict(one.headers)["ce_type"] for one in messages]
    assert types == [b"parking.detection-made.v1", b"parking.heartbeat-passed.v1"]


async def test_a_damaged_one_is_dropped_by_the_detector_and_the_tracker():
    bench = await Bench().begin()
    (beat,) = new_heartbeats(1, 0)
    assert await handle_frames([as_record(damaged(beat))], tools()) == []
    to_tracker = replace(beat, topic=DETECTIONS, partition=PARTITION)
    await bench.apply(bench.logged(damaged(to_tracker)))
    assert bench.broker.records(CAMERA_STATUS) == bench.broker.records(DEAD_LETTERS) == []
    await bench.apply(bench.logged(to_tracker))
    assert len(bench.broker.records(CAMERA_STATUS)) == 1


@pytest.mark.parametrize("topic", [FRAMES, DETECTIONS, CAMERA_STATUS])
def test_the_persister_stores_nothing_of_it(topic: str):
    (beat,) = new_heartbeats(1, 0)
    planned = plan(as_record(replace(beat, topic=topic)), persisting.CLAIM)
    assert (planned.rows, planned.error) == ([], None)
    assert plan(as_record(damaged(replace(beat, topic=topic))), persisting.CLAIM).error is not None


# ---------------------------------------------------------------- replays
async def test_states_are_the_same_with_and_without_heartbeats_and_after_a_restart():
    plain, beaten = await Bench().begin(), await Bench().begin()
    (beat,) = new_heartbeats(1, beaten.clock.now_ms())
    await plain.apply(*plain.story())
    t = beaten.teller
    story = [t.adopt("a", "1", "2"), *(t.see("a", {"1": "f", "2": "o"}) for _ in range(2))]
    for event in story:
        await beaten.apply(
            beaten.logged(replace(beat, topic=DETECTIONS, partition=PARTITION)),
            beaten.record(event),
        )
    assert beaten.changes() == plain.changes() != []
    sites = beaten.partition.sites
    assert set(sites) == set(plain.partition.sites)
    await beaten.begin()
    assert beaten.partition.sites == sites


async def test_a_replay_passes_none_on():
    bench = await Bench().begin()
    bench.partition = Partition(PARTITION, bench.log, bench.clock, "other-settings")
    await bench.partition.restore()
    (beat,) = new_heartbeats(1, 0)
    await bench.apply(bench.logged(replace(beat, topic=DETECTIONS, partition=PARTITION)))
    assert bench.broker.records(CAMERA_STATUS) == []


# ---------------------------------------------------------------- ingest
class Away(MemoryProducer):
    away = False

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        if self.away:
            raise Retryable("Kafka is away")
        return await super().send(messages)


async def test_ingest_writes_to_its_partitions_and_drops_what_it_cannot_write():
    bench = Bench()
    producer, health = Away(bench.broker), Health()
    known = Heartbeats(health, bench.clock)
    writer = HeartbeatWriter(3, producer, known, bench.clock)
    await writer.write()
    assert [r.partition for r in bench.broker.records(FRAMES)] == [0, 1, 2]
    producer.away = True
    for _ in range(3):
        bench.clock.advance(BEAT_MS)
        await writer.write()
    known.look()
    assert "ingest" in health.still["heartbeat"]
    producer.away = False
    await writer.write()
    known.look()
    assert health.still == {}
    assert len(bench.broker.records(FRAMES)) == 6


async def test_with_no_partitions_there_are_none():
    bench = Bench()
    await HeartbeatWriter(
        0, Away(bench.broker), Heartbeats(Health(), bench.clock), bench.clock
    ).write()
    assert bench.broker.records(FRAMES) == []


# ---------------------------------------------------------------- what stands still
class Service:
    """A service that finishes heartbeats of some topics."""

    def __init__(self) -> None:
        self.health, self.clock = Health(), ManualClock()
        self.known = Heartbeats(self.health, self.clock)

    def hear(self, *topics: str) -> None:
        now_ms = self.clock.now_ms()
        (beat,) = new_heartbeats(1, now_ms - 400)
        self.known.passed([as_record(replace(beat, topic=t), 0, now_ms) for t in topics])

    def after(self, seconds: float) -> str:
        self.clock.advance(round(seconds * 1000))
        self.known.look()
        return self.health.still.get("heartbeat", "")


@pytest.mark.parametrize(
    ("still", "named"),
    [
        ((FRAMES, DETECTIONS, CAMERA_STATUS), "from ingest since"),
        ((DETECTIONS, CAMERA_STATUS), "from the detector since"),
        ((CAMERA_STATUS,), "from the tracker since"),
    ],
)
def test_the_first_stage_without_one_is_named_with_since_when(still: tuple[str, ...], named: str):
    service = Service()
    every = (FRAMES, DETECTIONS, CAMERA_STATUS)
    service.hear(*every)
    alive = [topic for topic in every if topic not in still]
    for _ in range(3):
        assert service.after(2) == ""
        service.hear(*alive)
    words = service.after(1)
    assert named in words
    assert "2023-11-14 22:13:20 UTC" in words
    assert count(STILL_SECONDS, "heartbeat") == 7
    assert (service.health.waiting, service.health.failing) == ({}, {})  # it stays ready

    service.hear(*every)
    assert service.after(0) == ""
    assert count(STILL_SECONDS, "heartbeat") == 0


def test_while_kafka_is_away_no_service_is_blamed_and_time_does_not_count():
    service = Service()
    service.hear(FRAMES)
    service.health.waiting["pulse"] = "Kafka has not answered"
    for _ in range(5):
        assert service.after(6) == ""
    del service.health.waiting["pulse"]
    assert service.after(6) == ""
    assert service.after(1) != ""


def test_how_long_it_took_is_measured():
    service = Service()
    service.hear(CAMERA_STATUS)
    assert count(HEARTBEAT_SECONDS, CAMERA_STATUS) == 0.4


def test_nothing_is_claimed_before_the_first_or_after_one_from_long_ago():
    service = Service()
    assert service.after(3_600) == ""
    assert not service.known.has_any()
    (old,) = new_heartbeats(1, 0)
    now_ms = service.clock.now_ms()
    service.known.passed([as_record(old, 0, now_ms - FORGOTTEN_MS - 1)])
    assert service.after(3_600) == ""
    now_ms = service.clock.now_ms()
    service.known.passed([as_record(old, 0, now_ms - FORGOTTEN_MS)])
    assert service.after(7) != ""
    assert service.known.has_any()


def test_other_records_are_no_heartbeats():
    service = Service()
    service.known.passed([as_record(frame(EMPTY, 1))])
    (beat,) = new_heartbeats(1, service.clock.now_ms())
    service.known.passed([as_record(damaged(beat))])
    assert service.after(60) == ""


async def test_a_record_counts_when_the_handler_has_finished_it():
    service = Service()
    service.hear(FRAMES)
    failing = True

    async def handle(_: Sequence[Record]) -> list[Outgoing]:
        if failing:
            raise Retryable("away")
        return []

    watched = service.known.watching(handle)
    assert service.after(7) != ""
    (beat,) = new_heartbeats(1, service.clock.now_ms())
    with pytest.raises(Retryable):
        await watched([as_record(beat)])
    assert service.after(0) != ""
    failing = False
    await watched([as_record(beat)])
    assert service.after(0) == ""


def test_one_silent_partition_is_named_while_others_go_on():
    service = Service()
    for second in range(0, 9, 3):
        beats = new_heartbeats(3, service.clock.now_ms())
        ours = [one for one in beats if second == 0 or one.partition != 1]
        service.known.passed([as_record(one) for one in ours])
        words = service.after(3)
    assert f"({FRAMES}, partition 1)" in words


def test_partitions_that_moved_away_or_have_none_any_more_are_forgotten():
    freshness = Freshness()
    for number in range(4):
        freshness.heard(0, place("t", number), 0, 4)
    assert set(freshness.silent(SILENT_MS)) == {place("t", number) for number in range(4)}
    freshness.keep({0, 1, 3})
    assert set(freshness.silent(SILENT_MS)) == {place("t", number) for number in (0, 1, 3)}
    freshness.heard(SILENT_MS, place("t"), SILENT_MS, 2)
    assert set(freshness.silent(SILENT_MS)) == {place("t", 1)}


def test_it_is_named_within_ten_seconds_but_not_when_one_is_late():
    assert SILENT_MS / 1000 + LOOK_EVERY_S < 10
    assert UNWRITTEN_MS / 1000 + 2 * STAGES_EVERY_S < 10
    assert min(SILENT_MS, UNWRITTEN_MS) > 2 * BEAT_MS


def test_a_reader_that_does_not_know_the_type_passes_it_over():
    """This version treats the next type as decision 27 promises for older readers."""
    (beat,) = new_heartbeats(1, 0)
    headers = tuple(
        (name, value.replace(b".v1", b".v2") if name == "ce_type" else value)
        for name, value in beat.headers
    )
    planned = plan(as_record(replace(beat, headers=headers)), persisting.CLAIM)
    assert (planned.rows, planned.error) == ([], None)
    assert codec.header(as_record(beat), "ce_type") == b"parking.heartbeat-passed.v1"
