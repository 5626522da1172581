"""Records written as whole batches are each in their key's partition, in order, and readable
there."""

import asyncio
from collections import defaultdict
from typing import Any, NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from parking.core.topics import SLOT_CHANGES, SLOT_STATE
from parking.runtime.kafkalog import send_batches
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing

PARTITIONS = 3
FIRST = 100
"""The offset of each partition's first record."""


class Placed(NamedTuple):
    offset: int


class Broker:
    """The methods of aiokafka's producer that are used, with its own small batches."""

    def __init__(self, batch_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        self.batches = 0
        self.log: dict[tuple[str, int], list[tuple[Any, ...]]] = defaultdict(list)

    async def partitions_for(self, topic: str) -> set[int]:
        del topic
        return set(range(PARTITIONS))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self._batch_bytes, 0, is_transactional=1)

    async def send_batch(
        self, batch: BatchBuilder, topic: str, *, partition: int
    ) -> asyncio.Future[Placed]:
        log = self.log[topic, partition]
        placed: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        placed.set_result(Placed(FIRST + len(log)))
        read = DefaultRecordBatch(bytes(batch._build()))  # noqa: SLF001 -- as its producer does
        log += [(one.key, one.value, tuple(one.headers)) for one in read]
        self.batches += 1
        return placed


def messages(count: int) -> list[Outgoing]:
    """Return messages of several sites and two topics in turns, one in seven without a value."""
    return [
        Outgoing(
            SLOT_STATE if number % 2 else SLOT_CHANGES,
            f"site-{number % 5}".encode(),
            None if number % 7 == 6 else f"value {number}".encode(),
            (("ce_id", str(number).encode()),),
        )
        for number in range(count)
    ]


async def check(broker: Broker, count: int) -> None:
    sent = messages(count)
    places = await send_batches(broker, sent, "live")
    for message, (partition, offset) in zip(sent, places, strict=True):
        assert partition == partition_of(message.key or b"", PARTITIONS)
        found = broker.log[message.topic, partition][offset - FIRST]
        assert found == (message.key, message.value, message.headers)
    assert sum(map(len, broker.log.values())) == count
    for log in broker.log.values():
        numbers = [int(headers[0][1]) for _, _, headers in log]
        assert numbers == sorted(numbers)


async def test_each_record_lies_where_it_is_said_to_and_in_order():
    broker = Broker(1_000_000)
    await check(broker, 100)
    assert broker.batches == len(broker.log) < 7  # one each, though there are 100 records


async def test_what_is_too_much_for_a_batch_goes_into_the_next():
    broker = Broker(300)
    await check(broker, 100)
    assert broker.batches > len(broker.log)


async def test_a_record_larger_than_a_batch_goes_alone():
    broker = Broker(10)
    await check(broker, 20)
    assert broker.batches == 20


async def test_a_partition_that_is_given_counts():
    broker = Broker(1_000)
    key = b"site-1"
    other = (partition_of(key, PARTITIONS) + 1) % PARTITIONS
    places = await send_batches(broker, [Outgoing(SLOT_STATE, key, b"x", (), other)], "live")
    assert places == [(other, FIRST)]


async def test_nothing_is_nothing():
    assert await send_batches(Broker(1_000), [], "live") == []
