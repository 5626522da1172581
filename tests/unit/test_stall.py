"""Who stands still is told, who waits for others is not."""

from collections.abc import Sequence

import pytest

from parking.errors import Retryable
from parking.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.ops import Health
from parking.ports import Outgoing, Record
from parking.stall import Stall
from parking.topics import SITE_COMMANDS
from services.tracker import handler
from services.tracker.tracker import MemoryTable, Tracker
from services.tracker.watch import Timer
from tests.tracker_log import as_record
from tests.tracking import Teller

LIMIT_S = 30.0


class Seconds:
    """A clock in seconds that moves when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_expected_and_does_not_move_fails_until_it_does():
    clock, health = Seconds(), Health()
    stall = Stall(LIMIT_S, clock)
    stall.expect("a", "b")
    clock.now += LIMIT_S + 1
    stall.moved(["b"])
    stall.expect("a", "b")
    stall.report(health)
    assert health.failing == {"a": "nothing has moved for 31 s"}
    stall.moved(["a"])
    stall.expect("a", "b")
    stall.report(health)
    assert health.failing == {}


def test_what_is_no_longer_expected_is_forgotten():
    clock, health = Seconds(), Health()
    stall = Stall(LIMIT_S, clock)
    stall.expect("a")
    clock.now += LIMIT_S + 1
    stall.report(health)
    stall.expect()
    stall.report(health)
    assert health.failing == {}


class ScriptedGroup:
    """What faust and Kafka would say."""

    def __init__(self) -> None:
        self.partitions: set[int] | None = {handler.partition_of(b"lot")}
        self.left: int | None = None
        self.up = True

    def owned(self) -> set[int] | None:
        return self.partitions

    def restoring(self) -> int | None:
        return self.left

    async def answers(self) -> bool:
        return self.up


class SlowProducer(MemoryProducer):
    """Kafka that may be away: refuses, or answers after a long time."""

    def __init__(self, broker: MemoryBroker, clock: Seconds) -> None:
        super().__init__(broker)
        self._clock = clock
        self.away = False
        self.takes_s = 0.0

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        if self.away:
            raise Retryable("away")
        self._clock.now += self.takes_s
        return await super().send(messages)


class Bench:
    """A tracker with one site and its timer; records are applied only when the test does so."""

    def __init__(self) -> None:
        self.clock, self.health, self.group = Seconds(), Health(), ScriptedGroup()
        self.broker = MemoryBroker()
        self.producer = SlowProducer(self.broker, self.clock)
        self.tracker = Tracker(MemoryTable(), self.producer, ManualClock(), "live")
        stall = Stall(LIMIT_S, self.clock)
        self.timer = Timer(self.group, self.tracker, self.health, stall, self.clock)

    async def begin(self) -> None:
        adopt = as_record(Teller("lot").adopt("a", "1"), SITE_COMMANDS)
        partition, offset = self.broker.append(adopt)
        await self.apply(self.broker.read((SITE_COMMANDS, partition), offset, 1)[0])

    async def apply(self, record: Record) -> None:
        await self.tracker.apply(record)
        self.timer.applied(record.partition)

    async def turns(self, count: int, seconds: float = 1.0) -> None:
        for _ in range(count):
            await self.timer.turn()
            self.clock.now += seconds


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.begin()
    return bench


async def test_ticks_that_are_never_applied_fail(bench: Bench):
    await bench.turns(31)
    assert bench.health.failing == {}
    await bench.turns(2)
    assert list(bench.health.failing) == [f"partition {handler.partition_of(b'lot')}"]


async def test_applied_records_keep_it_alive(bench: Bench):
    for _ in range(8):
        await bench.turns(10)
        bench.timer.applied(handler.partition_of(b"lot"))
    assert bench.health.failing == {}


async def test_an_outage_of_any_length_does_not_fail(bench: Bench):
    await bench.turns(20)
    bench.producer.away = True
    await bench.turns(100)
    bench.producer.away = False
    await bench.turns(25)
    assert bench.health.failing == {}


async def test_an_outage_in_the_middle_of_a_tick_does_not_fail(bench: Bench):
    await bench.turns(20)
    bench.producer.takes_s = 500.0
    await bench.turns(1)
    bench.producer.takes_s = 0.0
    await bench.turns(25)
    assert bench.health.failing == {}


async def test_partitions_that_never_come_fail_while_kafka_answers(bench: Bench):
    bench.group.partitions = None
    await bench.turns(33)
    assert list(bench.health.failing) == ["assignment"]
    assert bench.health.waiting
    bench.group.partitions = {0}
    await bench.turns(1)
    assert bench.health.failing == bench.health.waiting == {}


async def test_partitions_that_do_not_come_while_kafka_is_away_do_not_fail(bench: Bench):
    bench.group.partitions, bench.group.up = None, False
    await bench.turns(100)
    assert bench.health.failing == {}


async def test_a_long_restore_that_moves_does_not_fail_and_one_that_stands_does(bench: Bench):
    bench.group.partitions = None
    for left in range(100, 50, -1):
        bench.group.left = left
        await bench.turns(2)
    assert bench.health.failing == {}
    await bench.turns(33)
    assert list(bench.health.failing) == ["assignment"]


async def test_a_worker_without_a_partition_is_well(bench: Bench):
    bench.group.partitions = set()
    await bench.turns(100)
    assert bench.health.failing == {}
