"""ports.Consumer and ports.Producer: the in-memory broker and real Kafka pass the same tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer

from parking.core.errors import Refused
from parking.core.topics import FRAME_MAX_BYTES, GATE_EVENTS, record_max_bytes
from parking.runtime.kafka import (
    KafkaConsumer,
    KafkaProducer,
    KafkaSettings,
    new_consumer,
    new_producer,
)
from parking.runtime.memory import MemoryBroker, MemoryConsumer, MemoryProducer
from parking.runtime.runner import next_offsets
from parking.wire.ports import Consumer, Outgoing, Producer, Record

NewConsumer = Callable[[str], Awaitable[Consumer]]


@dataclass
class Broker:
    producer: Producer
    consumer: NewConsumer
    leave: Callable[[], Awaitable[None]]
    """Close the newest consumer, as a restart would."""


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            memory = MemoryBroker()

            async def in_memory(group: str) -> Consumer:
                return MemoryConsumer(memory, group, GATE_EVENTS)

            async def nothing() -> None:
                pass

            yield Broker(MemoryProducer(memory), in_memory, nothing)
            return
        settings = KafkaSettings(request.getfixturevalue("infra").bootstrap)
        producer = new_producer(settings)
        await producer.start()
        stack.push_async_callback(producer.stop)

        started: list[AIOKafkaConsumer] = []

        async def real(group: str) -> Consumer:
            consumer = new_consumer(settings, GATE_EVENTS, group=group)
            await consumer.start()
            stack.push_async_callback(consumer.stop)
            started.append(consumer)
            return KafkaConsumer(consumer)

        yield Broker(KafkaProducer(producer), real, lambda: started[-1].stop())


async def read(consumer: Consumer, key: bytes, count: int) -> list[Record]:
    """Return the records with this key once there are `count`, because other tests share the
    topic."""
    found: list[Record] = []
    for _ in range(200):
        found += [r for r in await consumer.getmany(250, 100) if r.key == key]
        if len(found) >= count:
            break
    return found


def messages(key: bytes, count: int) -> list[Outgoing]:
    return [
        Outgoing(GATE_EVENTS, key, b"%d" % n, (("ce_id", b"%d" % n), ("x", b"\xff")))
        for n in range(count)
    ]


async def test_records_come_back_whole_and_in_order(broker, unique):
    key = unique("site").encode()
    sent = messages(key, 5)
    placed = await broker.producer.send(sent)
    got = await read(await broker.consumer(unique("group")), key, 5)
    assert [r.value for r in got] == [m.value for m in sent]
    assert [r.headers for r in got] == [m.headers for m in sent]
    assert [(r.partition, r.offset) for r in got] == placed
    assert all(r.timestamp_ms > 0 for r in got)


async def test_one_key_lands_in_one_partition_which_can_be_named_too(broker, unique):
    key = unique("site").encode()
    placed = await broker.producer.send(messages(key, 3))
    (partition,) = {partition for partition, _ in placed}
    named = Outgoing(GATE_EVENTS, b"other", b"x", partition=(partition + 1) % 12)
    assert (await broker.producer.send([named]))[0][0] == (partition + 1) % 12


async def test_a_group_goes_on_from_its_commit_and_not_from_what_it_read(broker, unique):
    key, group = unique("site").encode(), unique("group")
    await broker.producer.send(messages(key, 4))
    first = await broker.consumer(group)
    records = await read(first, key, 4)
    await first.commit(next_offsets(records[:2]))
    await broker.leave()
    again = await read(await broker.consumer(group), key, 2)
    assert [r.value for r in again] == [b"2", b"3"]


async def test_seek_reads_again(broker, unique):
    key = unique("site").encode()
    await broker.producer.send(messages(key, 3))
    consumer = await broker.consumer(unique("group"))
    records = await read(consumer, key, 3)
    await consumer.seek({(GATE_EVENTS, records[1].partition): records[1].offset})
    assert [r.value for r in await read(consumer, key, 2)] == [b"1", b"2"]


async def test_a_record_too_large_is_refused_alone(broker, unique):
    key = unique("site").encode()
    first, last = messages(key, 2)
    large = Outgoing(GATE_EVENTS, key, bytes(record_max_bytes(FRAME_MAX_BYTES) + 1))
    with pytest.raises(Refused, match="too-large-for-kafka") as caught:
        await broker.producer.send([first, large, last])
    assert list(caught.value.records) == [1]
    assert (await broker.producer.send(messages(key, 1)))[0][1] > 0  # and it continues
    got = await read(await broker.consumer(unique("group")), key, 3)
    assert [r.value for r in got] == [b"0", b"1", b"0"]


async def test_nothing_to_send_is_nothing(broker):
    assert await broker.producer.send([]) == []
