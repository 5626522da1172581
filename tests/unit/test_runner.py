import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from parking.core.errors import Invalid, Retryable
from parking.core.events import DeadLettered, TickElapsed
from parking.core.topics import DEAD_LETTERS, GATE_EVENTS, SESSIONS
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryConsumer, MemoryProducer
from parking.runtime.runner import Polling, next_offsets, run
from parking.wire import codec
from parking.wire.ports import Outgoing, Record

GROUP = "test"
POLLING = Polling(max_records=4, timeout_ms=1)


def broker_with(count: int) -> MemoryBroker:
    broker = MemoryBroker()
    for number in range(count):
        broker.append(Outgoing(GATE_EVENTS, b"demo", b"%d" % number))
    return broker


class Handler:
    """Copies each record to another topic. It can fail first, and stops when it has seen all
    records."""

    def __init__(
        self, stop: asyncio.Event, expect: int, failures: Sequence[Exception] = ()
    ) -> None:
        self.stop, self.expect, self.failures = stop, expect, list(failures)
        self.seen: list[bytes] = []

    async def __call__(self, records: Sequence[Record]) -> list[Outgoing]:
        if self.failures:
            raise self.failures.pop(0)
        self.seen += [record.value or b"" for record in records]
        if len(self.seen) >= self.expect:
            self.stop.set()
        return [Outgoing(SESSIONS, record.key, record.value) for record in records]


async def play(broker: MemoryBroker, handler: Handler, clock: ManualClock | None = None) -> None:
    consumer = MemoryConsumer(broker, GROUP, GATE_EVENTS)
    clock = clock or ManualClock()
    await run(consumer, handler, MemoryProducer(broker), clock, handler.stop, POLLING)


def partition_of(broker: MemoryBroker) -> int:
    return broker.records(GATE_EVENTS)[0].partition


async def test_everything_is_handled_in_order():
    broker = broker_with(10)
    handler = Handler(asyncio.Event(), 10)
    await play(broker, handler)
    assert handler.seen == [b"%d" % number for number in range(10)]


async def test_an_outage_is_waited_out_with_growing_delays_and_nothing_is_lost():
    broker = broker_with(4)
    clock = ManualClock()
    handler = Handler(asyncio.Event(), 4, [Retryable("away")] * 3)
    await play(broker, handler, clock)
    assert handler.seen == [b"0", b"1", b"2", b"3"]
    assert clock.slept_s == [0.25, 0.5, 1.0]


async def test_nothing_is_committed_before_the_effects_are_durable():
    broker = broker_with(4)
    handler = Handler(asyncio.Event(), 4, [ValueError("a bug")])
    with pytest.raises(ValueError, match="a bug"):
        await play(broker, handler)
    assert broker.committed(GROUP, GATE_EVENTS, partition_of(broker)) == 0
    assert broker.records(SESSIONS) == []


async def test_an_invalid_that_a_handler_lets_through_ends_the_process():
    handler = Handler(asyncio.Event(), 4, [Invalid("bad-json")])
    with pytest.raises(Invalid):
        await play(broker_with(4), handler)


async def test_a_record_that_kafka_refuses_is_a_dead_letter_and_stops_nothing():
    broker = broker_with(2)
    stop = asyncio.Event()
    large = TickElapsed(id="x" * 300, site_id="demo", time_ms=1)
    record = codec.outgoing(large, SESSIONS, "demo", "detector")

    async def handle(_: Sequence[Record]) -> list[Outgoing]:
        stop.set()
        return [record, replace(record, value=bytes(2_000_000)), record]

    consumer = MemoryConsumer(broker, GROUP, GATE_EVENTS)
    await run(consumer, handle, MemoryProducer(broker), ManualClock(), stop, POLLING)
    assert len(broker.records(SESSIONS)) == 2
    (letter,) = (codec.decode(r) for r in broker.records(DEAD_LETTERS))
    assert isinstance(letter, DeadLettered)
    assert (letter.reason, letter.topic) == ("too-large-for-kafka", SESSIONS)
    assert (letter.service, letter.length, letter.truncated) == ("detector", 2_000_000, True)


async def test_a_second_run_goes_on_from_the_commit():
    broker = broker_with(4)
    first = Handler(asyncio.Event(), 99)
    consumer = MemoryConsumer(broker, GROUP, GATE_EVENTS)
    records = await consumer.getmany(0, 4)
    await consumer.commit(next_offsets(records[:3]))
    second = Handler(asyncio.Event(), 1)
    await play(broker, second)
    assert first.seen == []
    assert second.seen == [b"3"]


async def test_a_stop_during_an_outage_ends_it_without_a_commit():
    broker = broker_with(2)
    stop = asyncio.Event()

    async def handle(_: Sequence[Record]) -> list[Outgoing]:
        stop.set()
        raise Retryable("away")

    consumer = MemoryConsumer(broker, GROUP, GATE_EVENTS)
    await run(consumer, handle, MemoryProducer(broker), ManualClock(), stop, POLLING)
    assert broker.committed(GROUP, GATE_EVENTS, partition_of(broker)) == 0


def test_next_offsets_are_one_past_the_last_of_each_partition():
    records = [Record("t", 0, 5, None, None), Record("t", 1, 2, None, None)]
    records.append(Record("t", 0, 6, None, None))
    assert next_offsets(records) == {("t", 0): 7, ("t", 1): 3}
