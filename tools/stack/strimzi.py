"""Generate Kafka's topics and users for Strimzi, and the rights as a table, from the lists in
parking/core/topics.py and parking/core/rights.py.

`python -m tools.stack.strimzi [topics|users|acls] > deploy/kafka/FILE.yaml`; `make schemas` writes
the files, and tests compare them.
"""

import json
import sys

from parking.core.rights import RIGHTS, acls
from parking.core.topics import TOPICS, Topic


def manifests() -> str:
    """Return every topic with three replicas, of which two must have a record before it is
    acknowledged."""
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


def users() -> str:
    """Return a KafkaUser for each service, with SCRAM and its rights."""
    return "---\n".join(map(_user, RIGHTS))


def _user(service: str) -> str:
    lines = [
        "apiVersion: kafka.strimzi.io/v1",
        "kind: KafkaUser",
        "metadata:",
        f"  name: {service}",
        "  labels:",
        "    strimzi.io/cluster: parking",
        "spec:",
        "  authentication:",
        "    type: scram-sha-512",
        "  authorization:",
        "    type: simple",
        "    acls:",
    ]
    for one in acls(service):
        lines += ["      - resource:", f"          type: {one.resource}"]
        if one.resource != "cluster":  # there is only one
            pattern = "prefix" if one.prefix else "literal"
            lines += [f"          name: {one.name}", f"          patternType: {pattern}"]
        lines.append(f"        operations: [{one.operation}]")
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return every right as one line: service, resource, name (a prefix ends in *), operation."""
    lines = ["# Written by `make schemas` from parking/core/rights.py."]
    for service in RIGHTS:
        lines.append(f"{service}:")
        for one in acls(service):
            name = f"{one.name}*" if one.prefix else one.name
            lines.append(f'  - [{one.resource}, "{name}", {one.operation}]')
    return "\n".join(lines) + "\n"


WRITERS = {"topics": manifests, "users": users, "acls": table}

if __name__ == "__main__":
    sys.stdout.write(WRITERS[(sys.argv[1:] or ["topics"])[0]]())
