"""Makes Kafka's topics out of `parking.topics.TOPICS`, and Strimzi manifests from the same list.

python -m parking.stack topics --bootstrap HOST:PORT   create, and correct configurations
python -m parking.stack manifests                      print deploy/kafka/topics.yaml
"""

import json
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from parking.stack.checks import NotReady
from parking.stack.errors import StackError
from parking.topics import TOPICS, Topic


async def apply(bootstrap: str, topics: Mapping[str, Topic] = TOPICS, replication: int = 1) -> None:
    """Create what is missing and set every configuration; safe to repeat.

    Raises NotReady while Kafka does not answer; StackError when a topic's partition count differs,
    because changing it moves keys: that is a migration, not a setting.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await admin.start()
        present = set(await admin.list_topics())
        missing = [t for t in topics.values() if t.name not in present]
        if missing:
            await _create(admin, missing, replication)
        await _check_partitions(admin, [t for t in topics.values() if t.name in present])
        await admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=topic.config())
                for topic in topics.values()
                if topic.name in present
            ]
        )
    except (KafkaError, OSError) as error:
        raise NotReady(f"Kafka at {bootstrap}: {error}") from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, missing: list[Topic], replication: int) -> None:
    wanted = [
        NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.config())
        for topic in missing
    ]
    response = await admin.create_topics(wanted, timeout_ms=30_000)
    for name, code, *words in response.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise NotReady(f"topic {name}: error {code} {words}")


async def _check_partitions(admin: AIOKafkaAdminClient, present: list[Topic]) -> None:
    if not present:
        return
    counts = {
        found["topic"]: len(found["partitions"])
        for found in await admin.describe_topics([topic.name for topic in present])
    }
    for topic in present:
        if counts[topic.name] != topic.partitions:
            raise StackError(
                f"topic {topic.name} has {counts[topic.name]} partitions, not {topic.partitions}: "
                "a migration is due (or, for a trial, `make clean`)"
            )


def manifests() -> str:
    """The topics as Strimzi KafkaTopic resources: three replicas, two in sync."""
    return "---\n".join(map(_manifest, TOPICS.values()))


def _manifest(topic: Topic) -> str:
    config = topic.config() | {"min.insync.replicas": "2"}
    lines = [
        "apiVersion: kafka.strimzi.io/v1",
        "kind: KafkaTopic",
        "metadata:",
        f"  name: {topic.name}",
        "  labels:",
        "    strimzi.io/cluster: parking",
        "spec:",
        f"  topicName: {topic.name}",
        f"  partitions: {topic.partitions}",
        "  replicas: 3",
        "  config:",
        *(f"    {key}: {json.dumps(value)}" for key, value in sorted(config.items())),
    ]
    return "\n".join(lines) + "\n"
