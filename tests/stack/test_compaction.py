"""Compacted topics on a real Kafka shrink to about one record per key and are still complete."""

import asyncio
import time
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from parking.core.topics import CAMERA_STATUS, TOPICS, Topic
from parking.runtime.kafka import KafkaProducer, KafkaSettings, new_producer
from parking.wire.ports import Outgoing, Record
from services.notifier.adapters import KafkaLog
from tools.stack.infra import Infra

KEYS = 4
RECORDS = 2_000
OURS = ("segment.ms", "segment.bytes", "min.cleanable.dirty.ratio")
# The cleaner looks every 15 s. A segment ends with the first record after its time: not waited for.
LIMIT_S = 90.0
HASTE = 600


class Statuses:
    """A topic configured like camera-status, except where a test says otherwise."""

    def __init__(self, kafka: KafkaSettings, name: str, config: dict[str, str]) -> None:
        self.name = name
        self.log = KafkaLog(kafka)
        self._kafka = kafka
        self._config = config

    async def make(self) -> None:
        admin = AIOKafkaAdminClient(**self._kafka.client())
        await admin.start()
        try:
            topic = NewTopic(self.name, 1, 1, topic_configs=self._config)
            answer = await admin.create_topics([topic])
            assert [code for _, code, *_ in answer.topic_errors] == [0]
        finally:
            await admin.close()

    async def write(self, count: int, size: int = 500) -> None:
        producer = new_producer(self._kafka)
        await producer.start()
        try:
            messages = [
                Outgoing(self.name, b"camera-%d" % (n % KEYS), b"%d" % n + bytes(size))
                for n in range(count)
            ]
            await KafkaProducer(producer).send(messages)
        finally:
            await producer.stop()

    async def whole(self) -> list[Record]:
        bounds = await self.log.bounds(self.name)
        starts = {place: first for place, (first, _) in bounds.items()}
        ends = {place: end for place, (_, end) in bounds.items()}
        return [record async for batch in self.log.scan(starts, ends) for record in batch]


async def shrunk(topic: Statuses, below: int) -> float:
    """Return the seconds until fewer records are left. Each check writes one, as a running camera
    does."""
    began = time.monotonic()
    while len(await topic.whole()) >= below:
        assert time.monotonic() - began < LIMIT_S, f"{len(await topic.whole())} records are left"
        await topic.write(1)
        await asyncio.sleep(1)
    return time.monotonic() - began


async def test_a_topic_of_few_keys_shrinks_to_them_and_with_kafkas_defaults_it_does_not(
    infra: Infra, unique: Callable[[str], str], record_property: Callable[[str, object], None]
):
    kafka = KafkaSettings(infra.bootstrap)
    config = TOPICS[CAMERA_STATUS].config()
    sooner = {"segment.ms": str(int(config["segment.ms"]) // HASTE)}
    ours = Statuses(kafka, unique("ours"), config | sooner)
    # The control, as it was: a segment of a week, and half of it new.
    before = {key: value for key, value in config.items() if key not in OURS}
    theirs = Statuses(kafka, unique("theirs"), before)
    try:
        for topic in (ours, theirs):
            await topic.make()
            await topic.write(RECORDS)
        seconds = await shrunk(ours, RECORDS // 10)
        left, kept = await ours.whole(), await theirs.whole()
        assert len(kept) >= RECORDS
        # What counts is there: the newest record of each key.
        newest = {record.key or b"": record.offset for record in left}
        assert sorted(newest) == [b"camera-%d" % n for n in range(KEYS)]
        assert min(newest.values()) >= RECORDS - KEYS
    finally:
        await ours.log.close()
        await theirs.log.close()
    record_property("ours", f"{RECORDS} records of {KEYS} keys, {len(left)} after {seconds:.0f} s")
    record_property("as it was", f"{len(kept)} of {RECORDS} then")


@pytest.mark.parametrize("topic", [t for t in TOPICS.values() if t.compacted], ids=lambda t: t.name)
async def test_the_largest_record_there_can_be_is_taken_with_these_segments(
    infra: Infra, unique: Callable[[str], str], topic: Topic
):
    """Kafka refuses a record that is larger than a segment."""
    config = topic.config()
    made = Statuses(KafkaSettings(infra.bootstrap), unique("large"), config)
    await made.make()
    largest = int(config["max.message.bytes"]) - 1_000  # the record's own head
    kafka = KafkaSettings(infra.bootstrap, frame_max_bytes=largest)
    producer = new_producer(kafka)
    await producer.start()
    try:
        await KafkaProducer(producer).send([Outgoing(made.name, b"camera-0", bytes(largest))])
    finally:
        await producer.stop()
        await made.log.close()
