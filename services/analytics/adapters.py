"""faust adapters: the app, the table over its changelog, the topics required at the start, and the
layouts."""

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import EventT
from faust.types.auth import CredentialsT

from parking.core.errors import Retryable
from parking.core.topics import (
    ANALYTICS_APP,
    ANALYTICS_CHANGELOG,
    ANALYTICS_CLOCK,
    ANALYTICS_TABLE,
    ENVELOPE_BYTES,
    LAYOUTS,
    OCCUPANCY,
    SITE_PARTITIONS,
)
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.runtime.kafka import to_record as from_kafka
from parking.runtime.ops import Loop, SystemClock
from parking.runtime.retry import Backoff, retry
from parking.wire.ports import Record
from services.analytics import handler
from services.analytics.consumer import SOURCES, CountingApp
from services.analytics.kinds import Kinds

log = logging.getLogger(__name__)

_WAITS: Final = Backoff(max_s=5.0)
_ANSWER_LIMIT_S: Final = 5.0
# Small, so that a stop or a rebalance does not wait long.
_BUFFERED_RECORDS: Final = 256


class StateTable(faust.Table[bytes, bytes]):
    """analytics.Table over a faust table. A write is done when it is in the changelog."""

    _sent: asyncio.Future[Any]

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """Keep the future of the record, because faust itself only logs its failure."""
        self._sent = super().send_changelog(*args, **kwargs)
        return self._sent

    def read(self, key: bytes) -> bytes | None:
        """See handler.State."""
        return self.get(key)

    def entries(self) -> list[tuple[bytes, bytes]]:
        """See handler.State."""
        return list(self.items())

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Restore values, except those that a replaced worker wrote after newer ones, because faust
        cannot fence it off."""
        entries: dict[bytes, bytes | None] = {}
        kept = []
        for event in batch:
            key, value = cast("tuple[bytes, bytes | None]", (event.key, event.value))
            before = entries[key] if key in entries else self.data.get(key)
            if before and value and handler.older(key, value, before):
                log.warning("skipped a stale value of %r in the changelog", key)
                continue
            entries[key] = value
            kept.append(event)
        super().apply_changelog_batch(kept)

    async def write(self, key: bytes, value: bytes) -> None:
        """See analytics.Table. Call this only within the agent, because faust writes to the
        record's partition."""
        self[key] = value
        await self._sent


def new_app(kafka: KafkaSettings, session_s: float) -> tuple[faust.App, StateTable]:
    """The app, without an agent yet and without faust's web server, and its table."""
    scratch = (
        Path(tempfile.gettempdir()) / "parking-analytics"
    )  # faust creates it but writes nothing
    app = CountingApp(
        ANALYTICS_APP,
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 4,
        broker_rebalance_timeout=session_s,
        # Commits only reduce what is read again after a crash.
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=kafka.frame_max_bytes + ENVELOPE_BYTES,
        producer_acks=-1,
        producer_linger_ms=0,
        producer_request_timeout=60.0,
        stream_buffer_maxsize=_BUFFERED_RECORDS,
        stream_ack_exceptions=False,
        stream_ack_cancelled_tasks=False,
        stream_wait_empty=True,
        store="memory://",
        datadir=scratch,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=SITE_PARTITIONS,
        web_enabled=False,
        autodiscover=False,
    )
    table = StateTable(
        app, name=ANALYTICS_TABLE, key_type=bytes, value_type=bytes, partitions=SITE_PARTITIONS
    )
    return app, cast(StateTable, app.tables.add(table))


def consume(
    app: faust.App,
    apply: Callable[[Record], Coroutine[Any, Any, None]],
    failed: Callable[[Exception], None],
) -> None:
    """One agent over all sources, one record at a time, acknowledged when `apply` returns.
    Exceptions go to `failed`: faust alone would acknowledge the record and continue without an
    agent."""
    # Both raw: faust would decode JSON even for bytes, and fail before we can dead-letter
    # the record.
    topic = app.topic(*SOURCES, key_serializer="raw", value_serializer="raw")

    async def agent(stream: Any) -> None:
        try:
            async for event in stream.events():
                await apply(to_record(event))
        except Exception as error:
            failed(error)
            raise

    app.agent(topic, name=ANALYTICS_APP, concurrency=1)(agent)


def to_record(event: EventT[Any]) -> Record:
    """Convert faust's event to our record."""
    message = event.message
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        # aiokafka returns pairs, unlike faust's types.
        headers=tuple(cast("Iterable[tuple[str, bytes]]", message.headers or ())),
        timestamp_ms=round(message.timestamp * 1000),
    )


class FaustGroup:
    """watch.Group."""

    def __init__(self, app: faust.App, producer: AIOKafkaProducer) -> None:
        self._app = app
        self._producer = producer

    def owned(self) -> set[int] | None:
        """See watch.Group."""
        app = self._app
        if app.rebalancing or app.in_recovery or not app.flow_control.is_active():
            return None
        places = app.consumer.assignment()
        return {place.partition for place in places if place.topic == ANALYTICS_CLOCK}

    def restoring(self) -> int | None:
        """See watch.Group."""
        app = self._app
        tables: Any = app.tables
        return int(tables.recovery.active_remaining_total()) if app.in_recovery else None

    async def answers(self) -> bool:
        """See watch.Group."""
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError):
            return False
        return True


def follow_layouts(kafka: KafkaSettings, kinds: Kinds, known: asyncio.Event) -> Loop:
    """A loop that keeps `kinds` up to date with the layouts in force. `known` is set once all
    existing ones have been read. A failure of Kafka ends the process."""

    async def follow(stop: asyncio.Event) -> None:
        await wait_for_topics(kafka, stop)
        consumer = new_consumer(kafka)
        try:
            await consumer.start()
            places = await assign_all(consumer, LAYOUTS)
            kinds.apply(*await read_to_end(consumer, places))
            known.set()
            while not stop.is_set():
                batches = await consumer.getmany(timeout_ms=500)
                kinds.apply(*(from_kafka(m) for batch in batches.values() for m in batch))
        finally:
            await consumer.stop()

    return follow


async def wait_for_topics(kafka: KafkaSettings, stop: asyncio.Event) -> None:
    """Wait until Kafka has every topic, because faust never notices one that is created later."""
    await retry(partial(_require_topics, kafka), SystemClock(), stop, _WAITS)


async def _require_topics(kafka: KafkaSettings) -> None:
    consumer = new_consumer(kafka)
    try:
        await consumer.start()
        await assign_all(consumer, *SOURCES, OCCUPANCY, LAYOUTS, ANALYTICS_CHANGELOG)
    except (KafkaError, OSError) as error:
        raise Retryable(f"Kafka: {error!r}") from error
    finally:
        await consumer.stop()


def _credentials(kafka: KafkaSettings) -> CredentialsT | None:
    context: ssl.SSLContext | None = kafka.client().get("ssl_context")
    if kafka.security.startswith("SASL"):
        return faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password,
            mechanism=kafka.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None
