"""Topics on a real Kafka: limits are updated, and refusals are reported in words."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from parking.core.errors import Invalid, Refused, Retryable
from parking.core.topics import SESSIONS, TOPICS
from parking.runtime.kafka import KafkaProducer, KafkaSettings
from parking.wire.ports import Outgoing
from services.ingest.adapters import SteadyProducer
from tools.cli import admin
from tools.cli.drift import drift
from tools.stack.infra import Infra

OURS = {"max.message.bytes": "1000", "retention.ms": "5000", "min.cleanable.dirty.ratio": "0.25"}
COMPACTED = [name for name, topic in TOPICS.items() if topic.compacted]
SEGMENTS = ("segment.ms", "segment.bytes", "min.cleanable.dirty.ratio", "min.compaction.lag.ms")


@pytest.fixture
async def kafka(infra: Infra) -> AsyncIterator[KafkaSettings]:
    """Return Kafka with a topic of sessions and compacted topics as an operator, or an older
    version, may have left them."""
    settings = KafkaSettings(infra.bootstrap)
    await configure(settings, SESSIONS, TOPICS[SESSIONS].config() | OURS)
    for name in COMPACTED:
        config = TOPICS[name].config()
        before = {key: value for key, value in config.items() if key not in SEGMENTS}
        await configure(settings, name, before)
    yield settings
    for name in (SESSIONS, *COMPACTED):
        await configure(settings, name, TOPICS[name].config())


async def configure(settings: KafkaSettings, name: str, config: dict[str, str]) -> None:
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, name, configs=config)
        (answer,) = await client.alter_configs([topic])
        assert [code for code, *_ in answer.resources] == [0]
    finally:
        await client.close()


async def configured(settings: KafkaSettings, name: str) -> dict[str, str]:
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, name)
        # A new topic reaches the broker's own view a moment after the answer.
        for _ in range(100):
            (answer,) = await client.describe_configs([topic])
            code, *_, entries = answer.resources[0]
            if code == 0:
                return {key: value for key, value, *_ in entries}
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{name}: error {code}")
    finally:
        await client.close()


async def test_limits_of_a_topic_that_is_there_are_brought_to_what_is_needed(kafka: KafkaSettings):
    week = str(7 * 24 * 3_600_000)
    before = [await configured(kafka, name) for name in COMPACTED]
    assert {config["segment.ms"] for config in before} == {week}
    assert await admin.apply_topics(kafka) == []
    config = await configured(kafka, SESSIONS)
    wanted = TOPICS[SESSIONS].config()
    assert {key: config[key] for key in wanted} == wanted
    assert config["min.cleanable.dirty.ratio"] == "0.25"  # not ours to change
    for name in COMPACTED:
        config = await configured(kafka, name)
        wanted = TOPICS[name].config()
        assert {key: config[key] for key in wanted} == wanted
        assert int(config["segment.ms"]) <= 600_000


async def test_a_topic_that_takes_less_than_we_send_refuses_that_record_and_no_later_one(
    kafka: KafkaSettings, unique
):
    key = unique("site").encode()
    producer = SteadyProducer(kafka, (SESSIONS,), 20.0)
    try:
        with pytest.raises(Refused, match="too-large-for-kafka") as caught:
            await producer.send([Outgoing(SESSIONS, key, bytes(2_000))])
        assert SESSIONS in caught.value.detail
        for _ in range(2):
            assert len(await producer.send([Outgoing(SESSIONS, key, b"small")])) == 1
    finally:
        await producer.close()


async def test_a_missing_topic_is_reported_in_words(infra: Infra, unique):
    settings = KafkaSettings(infra.bootstrap)
    producer = AIOKafkaProducer(**settings.client(), acks="all", request_timeout_ms=2_000)
    await producer.start()
    try:
        with pytest.raises(Retryable, match=r"does not exist: run `parking topics apply`"):
            await KafkaProducer(producer).send([Outgoing(unique("none"), b"k", b"v")])
    finally:
        await producer.stop()


async def test_another_number_of_partitions_is_refused_before_any_change(infra: Infra, unique):
    settings = KafkaSettings(infra.bootstrap, run=unique("run"))
    name = settings.named(SESSIONS)
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        await client.create_topics([NewTopic(name, TOPICS[SESSIONS].partitions + 1, 1)])
        with pytest.raises(Invalid, match=name) as caught:
            await admin.apply_topics(settings)
        assert caught.value.reason == "partitions-differ"
        assert name in {one.topic for one in await drift(settings) if one.kind == "partitions"}
        assert [n for n in await client.list_topics() if settings.run in n] == [name]
    finally:
        await client.delete_topics([name])
        await client.close()


# The last: the broker takes a while to delete topics, and other changes wait for it.
async def test_a_replays_topics_keep_what_was_replaced_until_it_is_read(infra: Infra, unique):
    settings = KafkaSettings(infra.bootstrap, run=unique("run"))
    try:
        await admin.apply_topics(settings)
        for name in COMPACTED:
            config = await configured(settings, settings.named(name))
            assert int(config["min.compaction.lag.ms"]) >= 7 * 24 * 3_600_000
    finally:
        await admin.delete_run(settings)
