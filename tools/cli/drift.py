"""Compare the existing topics with the ones that this version needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from parking.core.errors import Invalid, Retryable
from parking.core.rights import RIGHTS
from parking.core.topics import LIVE, TOPICS
from parking.runtime.kafka import KafkaSettings

_OURS: Final = "parking."
_OWN: Final = tuple(rights.own for rights in RIGHTS.values() if rights.own)

# A topic's partition count and its settings.
Shape = tuple[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `detail` states the actual and the required value."""

    topic: str
    kind: Literal["missing", "partitions", "setting", "unknown"]
    detail: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.kind}: {self.detail}"


def compare(wanted: Mapping[str, Shape], there: Mapping[str, Shape]) -> list[Drift]:
    """Return every difference, by topic. A setting that only Kafka has is not a difference.
    `unknown` is a topic with our prefix that is not in the list."""
    found = []
    for name, (partitions, config) in sorted(wanted.items()):
        if name not in there:
            found.append(Drift(name, "missing", f"needs {partitions} partitions"))
            continue
        has_partitions, has = there[name]
        if has_partitions != partitions:
            detail = f"{has_partitions}, this version needs {partitions}: a migration"
            found.append(Drift(name, "partitions", detail))
        for key, value in sorted(config.items()):
            if has.get(key) != value:
                detail = f"{key} is {has.get(key, 'not set')}, this version needs {value}"
                found.append(Drift(name, "setting", detail))
    unknown = sorted(there.keys() - wanted.keys())
    return found + [
        Drift(name, "unknown", "not a topic of this version; nothing reads it")
        for name in unknown
        if name.startswith(_OURS) and not name.startswith(_OWN)
    ]


def wanted_topics(settings: KafkaSettings) -> dict[str, Shape]:
    """Return the topics of the settings' run, keyed by their names in Kafka."""
    return {
        settings.named(name): (
            topic.partitions,
            topic.config(settings.frame_max_bytes, settings.run),
        )
        for name, topic in TOPICS.items()
    }


async def drift(settings: KafkaSettings) -> list[Drift]:
    """Compare the topics of the settings' run with the list. Changes nothing. Raises Retryable if
    Kafka does not answer and Invalid if it does not allow it."""
    wanted = wanted_topics(settings)
    admin = AIOKafkaAdminClient(**settings.client())
    try:
        await admin.start()
        names = await admin.list_topics()
        # A replay has no topics before it starts, so only those with its prefix matter.
        mine = [n for n in names if n in wanted or (settings.run == LIVE and n.startswith(_OURS))]
        there = await _shapes(admin, mine) if mine else {}
    except KafkaError as error:
        raise Retryable(f"the topics could not be read: {error!r}") from error
    finally:
        await admin.close()
    return compare(wanted, there)


async def _shapes(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Shape]:
    partitions = {
        one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(list(names))
    }
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, Shape] = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise Invalid("topic-refused", f"{name}: {for_code(code).__name__} {message}")
            found[name] = (partitions[name], {key: value for key, value, *_ in entries})
    return found
