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


@pytest.fixture
async def kafka(infra: Infra) -> AsyncIterator[KafkaSettings]:
    """Its topic of sessions as an operator, or an older version, may have left it."""
    settings = KafkaSettings(infra.bootstrap)
    await configure(settings, TOPICS[SESSIONS].config() | OURS)
    yield settings
    await configure(settings, TOPICS[SESSIONS].config())


async def configure(settings: KafkaSettings, config: dict[str, str]) -> None:
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, SESSIONS, configs=config)
        (answer,) = await client.alter_configs([topic])
        assert [code for code, *_ in answer.resources] == [0]
    finally:
        await client.close()


async def configured(settings: KafkaSettings) -> dict[str, str]:
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, SESSIONS)
        (answer,) = await client.describe_configs([topic])
        return {key: value for key, value, *_ in answer.resources[0][4]}
    finally:
        await client.close()


async def test_limits_of_a_topic_that_is_there_are_brought_to_what_is_needed(kafka: KafkaSettings):
    assert await admin.apply_topics(kafka) == []
    config = await configured(kafka)
    wanted = TOPICS[SESSIONS].config()
    assert {key: config[key] for key in wanted} == wanted
    assert config["min.cleanable.dirty.ratio"] == "0.25"  # not ours to change


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
