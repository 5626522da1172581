"""Topics on a real Kafka: limits brought up to date, refusals told in words."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from parking import admin
from parking.errors import Refused, Retryable
from parking.kafka import KafkaProducer, KafkaSettings
from parking.ports import Outgoing
from parking.stack.infra import Infra
from parking.topics import SESSIONS, TOPICS
from services.ingest.adapters import SteadyProducer

OURS = {"max.message.bytes": "1000", "retention.ms": "5000", "min.cleanable.dirty.ratio": "0.25"}
COMPACTED = [name for name, topic in TOPICS.items() if topic.compacted]
SEGMENTS = ("segment.ms", "segment.bytes", "min.cleanable.dirty.ratio", "min.compaction.lag.ms")


@pytest.fixture
async def kafka(infra: Infra) -> AsyncIterator[KafkaSettings]:
    """Its topic of sessions, and its compacted ones, as an operator, or an older version, may have
    left them."""
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
        (answer,) = await client.describe_configs([topic])
        return {key: value for key, value, *_ in answer.resources[0][4]}
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


async def test_a_topic_that_is_not_there_is_told_in_words(infra: Infra, unique):
    settings = KafkaSettings(infra.bootstrap)
    producer = AIOKafkaProducer(**settings.client(), acks="all", request_timeout_ms=2_000)
    await producer.start()
    try:
        with pytest.raises(Retryable, match="does not exist: run `python -m parking topics apply`"):
            await KafkaProducer(producer).send([Outgoing(unique("none"), b"k", b"v")])
    finally:
        await producer.stop()


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
