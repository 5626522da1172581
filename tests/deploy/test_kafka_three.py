"""Three brokers with min.insync.replicas=2: any of them may die, and nothing is lost or doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from parking.core.topics import FRAMES, SESSIONS, SLOT_CHANGES, TOPICS
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, new_producer, read_to_end
from tests.support.kafka_cluster import NODES, Cluster, kafka_cluster
from tests.support.waiting import until
from tools.cli import __main__ as cli
from tools.stack import jars
from tools.stack.settings import ROOT

pytestmark = [
    pytest.mark.stack,
    pytest.mark.alone,
    pytest.mark.nightly,  # each node is killed and has to catch up again
    pytest.mark.timeout(900),
]
WHILE_ONE_IS_DOWN = 200
AT_ONCE = 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    archives = jars.fetch(ROOT / ".state" / "cache" / "maven", lambda *_: nullcontext(print))
    class_path = [path for jar, path in archives.items() if not jar.is_s3proxy]
    with kafka_cluster(tmp_path_factory.mktemp("kafka"), class_path) as running:
        asyncio.run(_all_in(running.settings))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KAFKA_BOOTSTRAP", running.settings.bootstrap)
            cli.main(["topics", "apply", "--replication", "3"])
            cli.main(["topics", "diff"])
        yield running


@asynccontextmanager
async def admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def _all_in(settings: KafkaSettings) -> None:
    """Wait until each node has registered, and has every copy of every partition."""

    async def count() -> int:
        with suppress(KafkaError, OSError):
            async with admin(settings) as client:
                nodes = len((await client.describe_cluster())["brokers"])
                topics = await client.describe_topics(sorted(set(TOPICS) & await names(client)))
                copies = [len(p["isr"]) for topic in topics for p in topic["partitions"]]
                return min([nodes, *copies])
        return 0

    async with asyncio.timeout(300):
        while await count() < len(NODES):  # noqa: ASYNC110 -- Kafka has no event for it
            await asyncio.sleep(0.5)


async def names(client: AIOKafkaAdminClient) -> set[str]:
    return set(await client.list_topics())


async def leader(settings: KafkaSettings, topic: str, partition: int) -> int:
    async with admin(settings) as client:
        [found] = await client.describe_topics([topic])
    return next(int(p["leader"]) for p in found["partitions"] if p["partition"] == partition)


async def numbers(settings: KafkaSettings, topic: str) -> Counter[int]:
    """Return how often each number is in the topic."""
    consumer = new_consumer(settings)
    await consumer.start()
    try:
        records = await read_to_end(consumer, await assign_all(consumer, topic))
    finally:
        await consumer.stop()
    return Counter(int(record.value or b"-1") for record in records)


class Writer:
    """Writes 0, 1, 2, ... to all partitions of a topic, until it is stopped."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self.acknowledged: list[int] = []
        self._producer, self._topic = producer, topic
        self._stop = False

    def stop(self) -> None:
        self._stop = True

    async def run(self) -> None:
        number = 0
        while not self._stop:
            block = range(number, number + AT_ONCE)
            await asyncio.gather(*(self._write(one) for one in block))
            number = block.stop

    async def _write(self, number: int) -> None:
        key = b"%d" % (number % 97)
        await self._producer.send_and_wait(self._topic, b"%d" % number, key=key)
        self.acknowledged.append(number)


async def _more(writer: Writer, writing: "asyncio.Task[None]", count: int) -> None:
    """Wait until `count` more records are acknowledged, or the writer has failed."""
    enough = len(writer.acknowledged) + count
    await until(lambda: writing.done() or len(writer.acknowledged) >= enough, 60)


async def test_topics_have_three_copies_of_which_two_must_be_written(cluster: Cluster):
    async with admin(cluster.settings) as client:
        described = await client.describe_topics(list(TOPICS))
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in TOPICS]
        answers = await client.describe_configs(resources)
    copies = {len(p["replicas"]) for topic in described for p in topic["partitions"]}
    assert copies == {3}
    effective = {
        value
        for answer in answers
        for resource in answer.resources
        for name, value, *_ in resource[4]
        if name == "min.insync.replicas"
    }
    assert effective == {"2"}


async def test_each_broker_is_killed_in_turn_and_nothing_is_lost_or_doubled(
    cluster: Cluster, record_property
):
    settings = cluster.settings
    producer = new_producer(settings)
    await producer.start()
    writer = Writer(producer, FRAMES)
    writing = asyncio.create_task(writer.run())
    try:
        for node in NODES:
            await _more(writer, writing, 1)
            cluster.kill(node)
            await _more(writer, writing, WHILE_ONE_IS_DOWN)
            assert not writing.done(), writing.exception()
            cluster.start(node)
            await _all_in(settings)
    finally:
        writer.stop()
        await writing
        await producer.stop()
    found = await numbers(settings, FRAMES)
    assert len(writer.acknowledged) > len(NODES) * WHILE_ONE_IS_DOWN
    assert found == Counter(writer.acknowledged)
    record_property("records through three kills", len(found))


async def _leader_dies_before_its_followers_copy(
    cluster: Cluster, producer: AIOKafkaProducer, topic: str
) -> set[int]:
    """Write while the followers are frozen, kill the leader, and let a follower take over. Return
    what was acknowledged."""
    settings = cluster.settings
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"0", partition=0)
        first = await leader(settings, topic, 0)
        with cluster.frozen(*(node for node in NODES if node != first)):
            sent = [await producer.send(topic, b"%d" % n, partition=0) for n in range(1, 11)]
            await asyncio.wait(sent, timeout=2)
            cluster.kill(first)
        cluster.start(first)
        await asyncio.wait(sent, timeout=60)
        await _all_in(settings)
    finally:
        await producer.stop()
    return {0} | {n for n, one in enumerate(sent, 1) if one.done() and not one.exception()}


async def test_a_leader_that_dies_alone_with_records_loses_none(cluster: Cluster):
    producer = new_producer(cluster.settings)
    acknowledged = await _leader_dies_before_its_followers_copy(cluster, producer, SLOT_CHANGES)
    assert acknowledged == set(range(11))
    assert await numbers(cluster.settings, SLOT_CHANGES) == Counter(range(11))


async def test_negative_control_with_acks_1_the_same_death_loses_records(cluster: Cluster):
    careless = AIOKafkaProducer(acks=1, **cluster.settings.client())
    acknowledged = await _leader_dies_before_its_followers_copy(cluster, careless, SESSIONS)
    assert acknowledged - set(await numbers(cluster.settings, SESSIONS))
