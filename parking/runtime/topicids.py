"""Read Kafka's own ids of topics, which differ between a topic and a later one with the same name.

aiokafka supports Metadata up to version 5, but the ids are in version 10 (Kafka 2.8 and later).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from parking.core.errors import Retryable


class _Uuid(AbstractType):  # type: ignore[misc] # aiokafka has no types
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_NO_ID: Final = UUID(int=0)


class _MetadataResponse(Response):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, struct: type[_MetadataRequestStruct]) -> _MetadataRequestStruct:
        return struct([(_NO_ID, topic, {}) for topic in self._topics], False, False, False, {})


@dataclass(frozen=True, slots=True)
class LogIds:
    """The cluster's id, and the id of each requested topic."""

    cluster_id: str
    topic_ids: Mapping[str, str]


async def log_ids(consumer: AIOKafkaConsumer, topics: Collection[str]) -> LogIds:
    """Ask Kafka through a started consumer. Raises Retryable on an outage, and while a topic does
    not exist."""
    client = consumer._client  # noqa: SLF001 -- aiokafka has no public way to send a request
    try:
        node_id = client.get_random_node()
        if node_id is None:
            raise Retryable("no Kafka broker is available")
        answer: Any = await client.send(node_id, _MetadataRequest(topics))
    except KafkaError as error:
        raise Retryable(f"Kafka's topic ids could not be read: {error!r}") from error
    found = {topic[1]: str(topic[2]) for topic in answer.topics if topic[0] == 0}
    if missing := sorted(set(topics) - set(found)):
        raise Retryable(f"Kafka has no topic {', '.join(missing)} yet")
    return LogIds(answer.cluster_id, found)
