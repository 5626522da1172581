"""The Kafka adapters for the ports in parking/wire/ports.py, using aiokafka with safe settings.

aiokafka's defaults are unsafe and slow here: acks=1 and auto-commit lose records, `latest` skips
records written before the first start, and a 16 kB batch makes each frame a separate request. Every
Kafka client of the project is created here (or in kafkalog.py).
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors as failures
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from parking.core.errors import Invalid, Refused, Retryable
from parking.core.topics import (
    BATCH_BYTES,
    ENVELOPE_BYTES,
    FRAME_MAX_BYTES,
    LIVE,
    of_run,
    record_max_bytes,
)
from parking.runtime.settings import Reader, frame_max_bytes, read_run, require_loopback
from parking.wire.ports import Outgoing, Place, Record

_TOO_LARGE: Final = (failures.MessageSizeTooLargeError, failures.RecordListTooLargeError)
# This producer cannot write any more, because its numbering has a gap (aiokafka#1017) or another
# owner took over.
_PRODUCER_ENDED: Final = (
    failures.InvalidProducerEpoch,
    failures.OutOfOrderSequenceNumber,
    failures.ProducerClosed,
    failures.ProducerFenced,
    failures.UnknownProducerId,
)
_GATHER_BYTES: Final = 4_000_000
_MUST_BE_MENDED: Final[dict[type[KafkaError], str]] = {
    failures.ClusterAuthorizationFailedError: "Kafka does not allow this user to write",
    failures.InvalidTopicError: "Kafka does not allow this topic to be written",
    failures.TopicAuthorizationFailedError: "Kafka does not allow this user to write there",
    failures.UnknownTopicOrPartitionError: ("the topic does not exist: run `parking topics apply`"),
}


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach Kafka. `frame_max_bytes` determines the size of requests. `run` is `live` or a
    replay's name."""

    bootstrap: str
    security: str = "PLAINTEXT"
    username: str = ""
    password: str = ""
    mechanism: str = "SCRAM-SHA-512"
    ca_file: str = ""
    frame_max_bytes: int = FRAME_MAX_BYTES
    run: str = LIVE

    @classmethod
    def read(cls, env: Reader, *, replays: bool = False) -> "KafkaSettings":
        """Read KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE], ... A
        service that can serve a replay (`replays`) reads RUN. Any other refuses a replay, so that
        it does not mix with live."""
        security = env.choice(
            "KAFKA_SECURITY", ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "PLAINTEXT"
        )
        sasl = security.startswith("SASL")
        bootstrap = env.text("KAFKA_BOOTSTRAP")
        if not (security.endswith("SSL") or env.flag("KAFKA_ALLOW_PLAINTEXT", False)):
            require_loopback(env, bootstrap, security)
        return cls(
            bootstrap=bootstrap,
            security=security,
            username=env.text("KAFKA_USERNAME") if sasl else "",
            password=env.secret("KAFKA_PASSWORD") if sasl else "",
            mechanism=env.text("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
            ca_file=env.text("KAFKA_CA_FILE", ""),
            frame_max_bytes=frame_max_bytes(env),
            run=read_run(env, replays),
        )

    def named(self, name: str) -> str:
        """The run's name for a topic, group or application."""
        return of_run(name, self.run)

    def client(self) -> dict[str, Any]:
        """Arguments for every aiokafka client."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security,
        }
        if self.security.endswith("SSL"):
            arguments["ssl_context"] = ssl.create_default_context(cafile=self.ca_file or None)
        if self.security.startswith("SASL"):
            arguments["sasl_mechanism"] = self.mechanism
            arguments["sasl_plain_username"] = self.username
            arguments["sasl_plain_password"] = self.password
        return arguments


def new_producer(settings: KafkaSettings, **more: Any) -> AIOKafkaProducer:
    """An idempotent acks=all producer that accepts whole frames. Not started. A record does not
    wait for others, and records that arrive during a request share the next one."""
    return AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=record_max_bytes(settings.frame_max_bytes),
        **settings.client(),
        **more,
    )


def new_consumer(
    settings: KafkaSettings,
    *topics: str,
    group: str | None = None,
    max_poll_interval_ms: int = 300_000,
    gather_ms: int = 0,
    **more: Any,
) -> AIOKafkaConsumer:
    """A consumer that starts at the earliest record and commits offsets only manually. Not started.
    Kafka answers after `gather_ms` or with 4 MB. If `gather_ms` is 0, it answers as soon as there
    is a record."""
    gather = {"fetch_min_bytes": _GATHER_BYTES, "fetch_max_wait_ms": gather_ms} if gather_ms else {}
    return AIOKafkaConsumer(
        *topics,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_interval_ms=max_poll_interval_ms,
        max_partition_fetch_bytes=settings.frame_max_bytes + ENVELOPE_BYTES,
        isolation_level="read_committed",
        **gather,
        **settings.client(),
        **more,
    )


def to_record(message: Any) -> Record:
    """Convert aiokafka's record to ours."""
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
        timestamp_ms=message.timestamp,
    )


class KafkaProducer:
    """ports.Producer over a started AIOKafkaProducer; writes to the topics of `run`."""

    def __init__(self, producer: AIOKafkaProducer, run: str = LIVE) -> None:
        self._producer = producer
        self._run = run

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        """See ports.Producer. A KafkaError passed on means that a new producer is needed; a caller
        that cannot create one must end."""
        pending = [await self._begun(message) for message in messages]
        outcomes: list[Any] = await asyncio.gather(*pending, return_exceptions=True)
        refused: dict[int, Invalid] = {}
        for index, (message, outcome) in enumerate(zip(messages, outcomes, strict=True)):
            if isinstance(outcome, _TOO_LARGE):
                detail = f"{len(message.value or b'')} bytes for {message.topic}: {outcome}"
                refused[index] = Invalid("too-large-for-kafka", detail)
            elif isinstance(outcome, _PRODUCER_ENDED):
                raise outcome
            elif isinstance(outcome, KafkaError):
                raise _outage(message.topic, outcome) from outcome
            elif isinstance(outcome, BaseException):
                raise outcome
        if refused:
            raise Refused(refused)
        return [(placed.partition, placed.offset) for placed in outcomes]

    async def _begun(self, message: Outgoing) -> asyncio.Future[Any]:
        try:
            begun: asyncio.Future[Any] = await self._producer.send(
                of_run(message.topic, self._run),
                message.value,
                key=message.key,
                partition=message.partition,
                headers=list(message.headers),
            )
        except _TOO_LARGE as error:  # raised before it was sent, so the others continue
            begun = asyncio.get_running_loop().create_future()
            begun.set_exception(error)
        except _PRODUCER_ENDED:
            raise
        except KafkaError as error:
            raise _outage(message.topic, error) from error
        return begun


def _outage(topic: str, error: KafkaError) -> Retryable:
    """Explain an error that waiting alone will not fix. Sending continues once somebody has fixed
    it."""
    words = _MUST_BE_MENDED.get(type(error), "Kafka did not accept a record")
    return Retryable(f"{topic}: {words}: {error!r}")


class KafkaConsumer:
    """ports.Consumer over a started AIOKafkaConsumer."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        except KafkaError as error:
            raise Retryable(f"Kafka could not be read: {error!r}") from error
        return [to_record(message) for batch in batches.values() for message in batch]

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        assigned = self._consumer.assignment()
        ours = {TopicPartition(*place): offset for place, offset in offsets.items()}
        ours = {place: offset for place, offset in ours.items() if place in assigned}
        if not ours:
            return
        try:
            await self._consumer.commit(ours)
        except (CommitFailedError, IllegalStateError):
            return  # a rebalance took the partitions, so the new owner reads these records again
        except KafkaError as error:
            raise Retryable(f"Kafka did not accept the commit: {error!r}") from error

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        for (topic, partition), offset in offsets.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)


class OnAssigned(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Calls `assigned(places)` after each rebalance, before the first record of it is read."""

    def __init__(self, assigned: Callable[[set[Place]], Any]) -> None:
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Do nothing, because the failed commit drops unfinished work."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Report the new places to the service."""
        result = self._assigned({(place.topic, place.partition) for place in assigned})
        if asyncio.iscoroutine(result):
            await result


async def assign_all(consumer: AIOKafkaConsumer, *topics: str) -> list[TopicPartition]:
    """Assign every partition of the topics to a started consumer without a group. Raises Retryable
    if a topic does not exist yet."""
    places: list[TopicPartition] = []
    for topic in topics:
        partitions = await _partitions(consumer, topic)
        places += [TopicPartition(topic, partition) for partition in sorted(partitions)]
    consumer.assign(places)
    return places


async def read_to_end(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> list[Record]:
    """Return everything from the consumer's position up to the end offsets seen now. The consumer
    continues from there. It is used to read a whole compacted topic before its first use."""
    ends = await consumer.end_offsets(list(places))
    records: list[Record] = []
    while any([await consumer.position(place) < ends[place] for place in places]):
        for batch in (await consumer.getmany(*places, timeout_ms=50)).values():
            records += [to_record(message) for message in batch]
    return records


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    try:
        await consumer._client.force_metadata_update()  # noqa: SLF001 -- no public refresh exists
        metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001
    except KafkaError as error:
        raise Retryable(f"Kafka's topics could not be read: {error!r}") from error
    found: set[int] | None = metadata.partitions_for_topic(topic)
    if not found:
        raise Retryable(f"topic {topic} does not exist yet: run `parking topics apply`")
    return found
