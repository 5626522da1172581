"""Kafka's topics as Strimzi KafkaTopic resources, out of the one list in parking/topics.py.

`python -m parking.stack.strimzi > deploy/kafka/topics.yaml`; a test holds the file to the list.
"""

import json
import sys

from parking.topics import TOPICS, Topic


def manifests() -> str:
    """Every topic, with three replicas of which two must have what is acknowledged."""
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
        f"  partitions: {topic.partitions}",
        "  replicas: 3",
        "  config:",
        *(f"    {key}: {json.dumps(value)}" for key, value in sorted(config.items())),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(manifests())
