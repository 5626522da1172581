"""TLS, SCRAM and the rights of each service, on a Kafka that runs with
deploy/kafka/server.properties."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from parking.core.errors import Retryable
from parking.core.rights import RIGHTS, acls
from parking.core.topics import TOPICS, TRACKER_GROUP
from parking.runtime.kafka import KafkaSettings, new_consumer, new_producer
from services.detector.handler import SERVICE
from tests.support.secure_kafka import SecureKafka, secure_kafka
from tests.support.waiting import wait_until
from tools.cli import access, admin
from tools.cli.drift import drift
from tools.stack import jars
from tools.stack.settings import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """Run Kafka with all topics and rights, set up as the operator does it."""
    archives = jars.fetch(ROOT / ".state" / "cache" / "maven", lambda *_: nullcontext(print))
    class_path = [path for jar, path in archives.items() if not jar.is_s3proxy]
    folder: Path = tmp_path_factory.mktemp("kafka")
    with secure_kafka(folder, class_path, [*RIGHTS, "stranger"]) as running:
        asyncio.run(_prepare(running.settings("operator")))
        # Brokers learn of new rights a moment after the controller has stored them, in its order.
        last = list(RIGHTS)[-1]
        theirs, writes = running.settings(last), RIGHTS[last].writes
        wait_until(lambda: asyncio.run(writable(theirs)) == writes, 60, "rights in force")
        yield running


async def _prepare(operator: KafkaSettings) -> None:
    before = await drift(operator)
    assert {one.topic for one in before if one.kind == "missing"} == TOPICS.keys()
    assert len(await admin.apply_topics(operator)) == len(TOPICS)
    every = [one for service in RIGHTS for one in acls(service)]
    await access.allow(operator, every, {})
    await access.allow(operator, every, {})  # again: nothing changes
    assert await drift(operator) == []


async def writable(settings: KafkaSettings) -> set[str]:
    """Return the topics that a user can write to."""
    able = set()
    producer: AIOKafkaProducer = new_producer(settings, request_timeout_ms=20_000)
    await producer.start()
    try:
        for topic in TOPICS:
            try:
                await producer.send_and_wait(topic, b"value", key=b"key")
            except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError):
                continue  # Kafka says the former to who may write to no topic at all
            able.add(topic)
    finally:
        await producer.stop()
    return able


async def reads(settings: KafkaSettings, topic: str, group: str | None) -> bool:
    consumer: AIOKafkaConsumer = new_consumer(settings, topic, group=group)
    try:
        await consumer.start()
        await consumer.getmany(timeout_ms=300)
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
        return False
    finally:
        await consumer.stop()
    return True


@pytest.mark.parametrize("service", RIGHTS)
async def test_a_service_writes_what_it_may_and_nothing_else(kafka: SecureKafka, service: str):
    settings = kafka.settings(service)
    able = await writable(settings)
    assert able == RIGHTS[service].writes


async def test_the_detector_reads_what_it_may_and_nothing_else(kafka: SecureKafka):
    service = "detector"
    group = SERVICE  # as the detector joins it, not as the rights name it
    settings = kafka.settings(service)
    able = {topic for topic in TOPICS if await reads(settings, topic, group)}
    # To describe a topic that one may write is allowed, to fetch from it is not.
    assert able - RIGHTS[service].writes == RIGHTS[service].reads - RIGHTS[service].writes


async def test_the_detector_may_not_take_the_trackers_group(kafka: SecureKafka):
    topic = next(iter(RIGHTS["detector"].reads))
    assert not await reads(kafka.settings("detector"), topic, TRACKER_GROUP)


@pytest.mark.parametrize(("service", "may"), [("tracker", True), ("detector", False)])
async def test_only_the_tracker_writes_in_transactions(kafka: SecureKafka, service: str, may: bool):
    name = f"{TRACKER_GROUP}-live-0"
    producer = new_producer(kafka.settings(service), transactional_id=name)
    try:
        await producer.start()
        able = True
    except TransactionalIdAuthorizationFailed:
        able = False
    finally:
        await producer.stop()
    assert able is may


async def test_a_stranger_with_a_password_may_read_nothing(kafka: SecureKafka):
    settings = kafka.settings("stranger")
    assert not {topic for topic in TOPICS if await reads(settings, topic, None)}


async def test_a_wrong_password_is_refused(kafka: SecureKafka):
    with pytest.raises(Retryable):
        await drift(kafka.settings("operator", "wrong"))
