"""The tracker's loop: partitions that are assigned, revoked and break, ticks, and what has
stalled."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import pytest

from parking.core.due import FRAMES_MS
from parking.core.errors import Fenced, Retryable
from parking.core.events import SlotChanged, TickElapsed
from parking.core.topics import DETECTIONS, LIVE, SLOT_CHANGES
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.runtime.ops import Health
from parking.runtime.stall import Stall
from parking.wire import codec
from parking.wire.ports import Record
from services.tracker.handler import SOURCES
from services.tracker.tracker import Kafka, Run, Tracker
from tests.support.tracker_memory import PARTITION, TOPICS, MemoryLog
from tests.support.tracking import SILENCE_MS, Teller

LIMIT_S = 30.0


class ScriptedGroup:
    """A tracker.Group over an in-memory broker, with the partitions that the test assigns."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.generation = 0
        self.mine: set[int] = set()
        self.positions: dict[tuple[str, int], int] | None = None
        self.up = True
        self.deaf = False
        self.confirmed = True
        self._broker = broker

    def deal(self, *partitions: int) -> None:
        self.generation += 1
        self.mine = set(partitions)
        self.positions = None

    def partitions(self) -> set[int]:
        return self.mine

    async def confirm(self) -> None:
        if not self.confirmed:
            raise Retryable("another has them")

    def read_from(self, offsets: Mapping[int, Mapping[str, int]]) -> None:
        self.positions = {
            (topic, number): offsets[number].get(topic, 0)
            for number in self.mine
            for topic in SOURCES
        }

    async def getmany(self, timeout_ms: int) -> list[Record]:
        del timeout_ms
        if not self.up:
            raise Retryable("away")
        if self.positions is None or self.deaf:
            return []
        found = []
        for place, first in self.positions.items():
            some = self._broker.read(place, first, 1_000)
            self.positions[place] += len(some)
            found += some
        return found

    async def behind(self) -> set[int] | None:
        if not self.up:
            raise Retryable("away")
        if not self.mine:
            return None
        at = self.positions or dict.fromkeys(
            [(topic, number) for topic in SOURCES for number in self.mine], 0
        )
        return {place[1] for place, first in at.items() if self._broker.read(place, first, 1)}


class Bench:
    def __init__(self, run: str = LIVE) -> None:
        self.now_s = 1_000.0
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.group = ScriptedGroup(self.broker)
        self.logs: list[MemoryLog] = []
        self.owners: dict[int, object] = {}
        self.health = Health()
        self.teller = Teller("lot")
        kafka = Kafka(self.group, self.open_log, MemoryProducer(self.broker))
        stall = Stall(LIMIT_S, lambda: self.now_s)
        self.tracker = Tracker(kafka, self.clock, self.health, stall, Run(run, 1_000))

    def open_log(self, partition: int) -> MemoryLog:
        self.logs.append(MemoryLog(self.broker, partition, self.owners))
        return self.logs[-1]

    def tell(self, *events) -> None:
        for event in events:
            topic = TOPICS[type(event)]
            self.broker.append(codec.outgoing(event, topic, event.site_id, "test"))

    def ticks(self) -> list[TickElapsed]:
        events = [codec.decode(r) for r in self.broker.records(DETECTIONS)]
        return [e for e in events if isinstance(e, TickElapsed)]

    async def turns(self, count: int, seconds: float = 1.0) -> None:
        for _ in range(count):
            await self.tracker.turn()
            await self.tracker.look()
            self.now_s += seconds
            self.clock.advance(round(seconds * 1000))


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.tell(bench.teller.adopt("a", "1"))
    return bench


async def test_nothing_is_done_before_partitions_are_taken_over(bench: Bench):
    await bench.turns(2)
    assert bench.broker.records(SLOT_CHANGES) == []
    assert bench.health.waiting["partitions"]
    bench.group.deal(PARTITION)
    await bench.turns(1)
    assert len(bench.broker.records(SLOT_CHANGES)) == 1
    assert bench.health.waiting == {}


async def test_a_partition_that_went_is_put_down_and_one_that_stays_is_kept(bench: Bench):
    other = (PARTITION + 1) % 12
    bench.group.deal(PARTITION, other)
    await bench.turns(1)
    kept = bench.tracker.owned[PARTITION]
    bench.group.deal(PARTITION)
    await bench.turns(1)
    assert bench.tracker.owned == {PARTITION: kept}
    assert other not in bench.owners


async def test_after_an_outage_in_a_write_the_partition_is_taken_over_again(bench: Bench):
    bench.group.deal(PARTITION)
    await bench.turns(1)
    bench.logs[-1].lost = "after"
    bench.tell(*(bench.teller.see("a", {"1": "o"}) for _ in range(2)))
    await bench.turns(1)
    assert bench.tracker.owned == {}
    await bench.turns(2)
    assert [
        (e.to_state, e.version)
        for e in map(codec.decode, bench.broker.records(SLOT_CHANGES))
        if isinstance(e, SlotChanged)
    ] == [("unknown", 1), ("occupied", 2)]


async def test_after_a_hundred_faults_what_is_committed_is_what_was_applied(bench: Bench):
    """After each fault, both continue with the end of the log."""
    chance = random.Random(9)  # noqa: S311 -- which fault comes next
    faults = Counter[str]()
    bench.group.deal(PARTITION)
    await bench.turns(1)
    for number in range(100):
        fault = chance.choice(("before", "after", "dealt", "away"))
        faults[fault] += 1
        if fault == "dealt":
            bench.group.deal(PARTITION)
        elif fault == "away":
            bench.group.up = False
        else:
            bench.logs[-1].lost = fault
        bench.tell(bench.teller.see("a", {"1": ("f", "o")[number // 3 % 2]}))
        end = len(bench.broker.records(DETECTIONS))
        await bench.turns(1)
        bench.group.up = True
        await bench.turns(2)
        assert bench.tracker.owned[PARTITION].next[DETECTIONS] >= end, f"{fault}: it goes on"
        committed = next((log.offsets for log in reversed(bench.logs) if log.offsets), {})
        assert bench.tracker.owned[PARTITION].next == committed, fault
    assert min(faults.values()) > 10
    changes = [codec.decode(record) for record in bench.broker.records(SLOT_CHANGES)]
    versions = [event.version for event in changes if isinstance(event, SlotChanged)]
    assert versions == list(range(1, len(versions) + 1)), "none lost, none twice"
    assert len(versions) > 10


async def test_one_that_was_replaced_ends(bench: Bench):
    bench.group.deal(PARTITION)
    await bench.turns(1)
    bench.owners[PARTITION] = "another"
    bench.tell(bench.teller.see("a", {"1": "o"}))
    with pytest.raises(Fenced):
        await bench.turns(1)


async def test_a_tracker_unaware_of_its_replacement_fences_nobody_off(bench: Bench):
    bench.group.deal(PARTITION)
    bench.group.confirmed = False
    await bench.turns(3)
    assert bench.owners == {}
    bench.group.confirmed = True
    await bench.turns(1)
    assert list(bench.owners) == [PARTITION]


async def test_partitions_that_move_during_the_takeover_are_left_to_their_new_owner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """A rebalance waits for the partitions in progress. The others are not touched any more."""
    rebalances: list[asyncio.Task[None]] = []

    async def rebalance() -> None:
        async with bench.tracker.at_work:
            bench.group.deal(0)

    def open_log(partition: int) -> MemoryLog:
        if not rebalances:
            rebalances.append(asyncio.create_task(rebalance()))
        return bench.open_log(partition)

    kafka = Kafka(bench.group, open_log, MemoryProducer(bench.broker))
    monkeypatch.setattr(bench.tracker, "_kafka", kafka)
    bench.group.deal(*range(8))
    await bench.turns(1)
    assert sorted(bench.owners) == [0, 1, 2, 3]
    await bench.turns(1)
    assert sorted(bench.tracker.owned) == [0]


# ---------------------------------------------------------------- ticks
async def test_a_site_gets_a_tick_when_it_changes_something_and_not_before(bench: Bench):
    bench.group.deal(PARTITION)
    await bench.turns(4)
    assert bench.ticks() == []  # no frame yet: time changes nothing
    bench.tell(*(bench.teller.see("a", {"1": "o"}) for _ in range(2)))
    await bench.turns(130, seconds=0.5)
    first, *more = bench.ticks()
    assert first.id == f"lot/tick/{first.time_ms}"
    assert [t.time_ms - first.time_ms for t in more] == [FRAMES_MS, SILENCE_MS - 1_500]
    changes = [codec.decode(r) for r in bench.broker.records(SLOT_CHANGES)]
    assert [c.to_state for c in changes if isinstance(c, SlotChanged)][-1] == "unknown"


async def test_a_replay_makes_no_ticks():
    bench = Bench(run="again")
    bench.tell(bench.teller.adopt("a", "1"))
    bench.group.deal(PARTITION)
    await bench.turns(4)
    assert bench.ticks() == []


# ---------------------------------------------------------------- standing still
async def test_records_that_wait_and_never_come_fail(bench: Bench):
    bench.group.deal(PARTITION)
    await bench.turns(1)
    bench.group.deaf = True
    bench.tell(bench.teller.see("a", {"1": "o"}))
    await bench.turns(30)
    assert bench.health.failing == {}
    await bench.turns(3)
    assert list(bench.health.failing) == ["partitions"]
    bench.group.deaf = False
    await bench.turns(1)
    assert bench.health.failing == {}


async def test_a_backlog_that_moves_does_not_fail(bench: Bench):
    bench.group.deal(PARTITION)
    for _ in range(100):
        bench.tell(bench.teller.see("a", {"1": "o"}))
        await bench.turns(1)
    assert bench.health.failing == {}


async def test_an_outage_of_any_length_does_not_fail(bench: Bench):
    bench.group.deal(PARTITION)
    await bench.turns(20)
    bench.group.up = False
    await bench.turns(100)
    assert bench.health.failing == {}
    assert bench.health.waiting
    bench.group.up = True
    await bench.turns(25)
    assert bench.health.failing == bench.health.waiting == {}


async def test_partitions_that_never_come_fail_while_kafka_answers(bench: Bench):
    await bench.turns(33)
    assert list(bench.health.failing) == ["partitions"]
    bench.group.deal(PARTITION)
    await bench.turns(2)
    assert bench.health.failing == bench.health.waiting == {}
