"""The Kafka rights of each service, defined only here.

`deploy/kafka/acls.yaml` and `users.yaml` are generated from `RIGHTS`; `parking acls apply` sets
them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from parking.core import topics
from parking.core.stages import STAGES

Operation = Literal["Read", "Write", "Create", "Describe", "IdempotentWrite"]
Resource = Literal["topic", "group", "transactionalId", "cluster"]


CLUSTER: Final = "kafka-cluster"  # Kafka's name for the cluster resource


@dataclass(frozen=True, slots=True)
class Rights:
    """The topics that a service reads and writes, its consumer groups, and the prefixes of its
    transactional ids and of the topics that its library creates for itself. `watches` tells whether
    it measures the progress of the stages."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    transactions: str = ""
    own: str = ""
    watches: bool = False


@dataclass(frozen=True, slots=True)
class Acl:
    """One right of a service. With `prefix`, it covers all resources whose names begin with
    `name`."""

    service: str
    resource: Resource
    name: str
    operation: Operation
    prefix: bool = False


_DEAD: Final = frozenset({topics.DEAD_LETTERS, topics.DEAD_LETTERS_FRAMES})

RIGHTS: Final[dict[str, Rights]] = {
    "ingest": Rights(
        reads=frozenset({topics.CAMERAS}),
        writes=_DEAD
        | {
            topics.CAMERAS,
            topics.DEVICE_EVENTS,
            topics.FRAMES,
            topics.GATE_EVENTS,
            topics.PLATES,
        },
    ),
    "detector": Rights(
        reads=frozenset({topics.FRAMES, topics.LAYOUTS, topics.LOOKS}),
        writes=_DEAD | {topics.DETECTIONS, topics.LOOKS},
        groups=frozenset({"detector"}),
    ),
    "tracker": Rights(
        reads=frozenset(
            {
                topics.DETECTIONS,
                topics.DEVICE_EVENTS,
                topics.GATE_EVENTS,
                topics.SITE_COMMANDS,
                topics.TRACKER_BATCHES,
                topics.TRACKER_CHECKPOINTS,
            }
        ),
        # The tracker writes ticks into detections, too.
        writes=frozenset(
            {
                topics.CAMERA_STATUS,
                topics.DEAD_LETTERS,
                topics.DETECTIONS,
                topics.SESSIONS,
                topics.SLOT_CHANGES,
                topics.SLOT_STATE,
                topics.TRACKER_BATCHES,
                topics.TRACKER_CHECKPOINTS,
            }
        ),
        groups=frozenset({topics.TRACKER_GROUP}),
        transactions=f"{topics.TRACKER_GROUP}-",
    ),
    "persister": Rights(
        reads=frozenset(
            {
                topics.CAMERA_STATUS,
                topics.DETECTIONS,
                topics.DEVICE_EVENTS,
                topics.FRAMES,
                topics.GATE_EVENTS,
                topics.LAYOUTS,
                topics.PLATES,
                topics.SESSIONS,
                topics.SLOT_CHANGES,
            }
        ),
        writes=_DEAD,
        groups=frozenset({"parking.persister"}),
    ),
    "notifier": Rights(
        reads=frozenset(
            {
                topics.CAMERA_STATUS,
                topics.FRAMES,
                topics.LAYOUTS,
                topics.SESSIONS,
                topics.SLOT_CHANGES,
                topics.SLOT_STATE,
            }
        ),
        writes=frozenset({topics.GATE_EVENTS, topics.LAYOUTS, topics.PLATES, topics.SITE_COMMANDS}),
        watches=True,
    ),
    "analytics": Rights(
        reads=frozenset(
            {
                topics.ANALYTICS_CHANGELOG,
                topics.ANALYTICS_CLOCK,
                topics.CAMERA_STATUS,
                topics.LAYOUTS,
                topics.OCCUPANCY,
                topics.SESSIONS,
                topics.SLOT_CHANGES,
            }
        ),
        writes=frozenset(
            {
                topics.ANALYTICS_CHANGELOG,
                topics.ANALYTICS_CLOCK,
                topics.DEAD_LETTERS,
                topics.OCCUPANCY,
            }
        ),
        groups=frozenset({topics.ANALYTICS_APP}),
        own=f"{topics.ANALYTICS_APP}-__",  # faust's topic for electing its leader
    ),
}


def acls(service: str) -> Iterator[Acl]:
    """The rights of one service, sorted. Read and Write include Describe."""
    rights = RIGHTS[service]
    yield Acl(service, "cluster", CLUSTER, "IdempotentWrite")  # every producer here is idempotent
    for name in sorted(rights.reads | rights.writes):
        if name in rights.reads:
            yield Acl(service, "topic", name, "Read")
        if name in rights.writes:
            yield Acl(service, "topic", name, "Write")
    for name in sorted(rights.groups):
        yield Acl(service, "group", name, "Read")
    if rights.watches:
        watched = {topic for stage in STAGES for topic in stage.topics}
        for name in sorted(watched - rights.reads - rights.writes):
            yield Acl(service, "topic", name, "Describe")
        for stage in STAGES:
            yield Acl(service, "group", stage.group, "Describe")
    if rights.transactions:
        yield Acl(service, "transactionalId", rights.transactions, "Write", prefix=True)
    if rights.own:
        yield Acl(service, "topic", rights.own, "Create", prefix=True)
        yield Acl(service, "topic", rights.own, "Read", prefix=True)
        yield Acl(service, "topic", rights.own, "Write", prefix=True)
