"""faust: the app, the table over its changelog, and the topics it must find before it starts."""

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import EventT
from faust.types.auth import CredentialsT
from mode.utils.queues import FlowControlEvent

from parking.errors import Retryable
from parking.kafka import KafkaSettings, assign_all, new_consumer
from parking.ports import Record
from parking.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    ENVELOPE_BYTES,
    GATE_EVENTS,
    SITE_COMMANDS,
    SITE_MAX_BYTES,
    SITE_PARTITIONS,
    TRACKER_APP,
    TRACKER_CHANGELOG,
    TRACKER_TABLE,
)

log = logging.getLogger(__name__)

SOURCES: Final = (DETECTIONS, GATE_EVENTS, DEVICE_EVENTS, SITE_COMMANDS)
_MAX_DELAY_S: Final = 5.0
_ANSWER_LIMIT_S: Final = 5.0
# Small, so that a stop or a rebalance has little to wait for.
_BUFFERED_RECORDS: Final = 256


class SiteTable(faust.Table[bytes, bytes]):
    """tracker.Table over a faust table: a write is done when the changelog has it."""

    _sent: asyncio.Future[Any]

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """Keeps the future of the record: faust itself only logs when it fails."""
        self._sent = super().send_changelog(*args, **kwargs)
        return self._sent

    def read(self, key: bytes) -> bytes | None:
        """See tracker.Table."""
        return self.get(key)

    def sites(self) -> list[bytes]:
        """See tracker.Table."""
        return list(self.keys())

    async def write(self, key: bytes, value: bytes) -> None:
        """See tracker.Table. Only within the agent: faust wants to know the record's partition."""
        self[key] = value
        await self._sent


class Valve(FlowControlEvent):
    """faust's valve before the agent's buffer. faust opens it a second time when a table is
    restored, and opening empties the buffer: records that had come in since were dropped (seen)."""

    def resume(self) -> None:
        """Open, and empty the buffer of what an earlier assignment left; open already: nothing."""
        if not self.is_active():
            super().resume()


class _App(faust.App):
    @cached_property
    def flow_control(self) -> FlowControlEvent:
        return Valve(loop=self.loop)


class Order:
    """Sees that no record is passed over: our topics' offsets have no holes."""

    def __init__(self) -> None:
        self._generation: int | None = None
        self._next: dict[tuple[str, int], int] = {}

    def check(self, record: Record, generation: int) -> None:
        """Raises RuntimeError when records before this one were not delivered."""
        if generation != self._generation:  # partitions were dealt out anew
            self._generation, self._next = generation, {}
        place = (record.topic, record.partition)
        expected = self._next.get(place, record.offset)
        if record.offset > expected:
            raise RuntimeError(f"{place}: offset {record.offset} came where {expected} was due")
        self._next[place] = record.offset + 1


def new_app(kafka: KafkaSettings, session_s: float) -> tuple[faust.App, SiteTable]:
    """The app, without an agent yet and without faust's web server, and its table."""
    scratch = Path(tempfile.gettempdir()) / "parking-tracker"  # faust makes it; nothing goes in
    app = _App(
        kafka.named(TRACKER_APP),
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 4,
        broker_rebalance_timeout=session_s,
        # Commits only shorten what is read again after a crash.
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=SITE_MAX_BYTES + ENVELOPE_BYTES,
        producer_acks=-1,
        producer_linger_ms=0,
        producer_max_request_size=SITE_MAX_BYTES + ENVELOPE_BYTES,
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
    table = SiteTable(
        app, name=TRACKER_TABLE, key_type=bytes, value_type=bytes, partitions=SITE_PARTITIONS
    )
    return app, cast(SiteTable, app.tables.add(table))


def consume(
    app: faust.App,
    kafka: KafkaSettings,
    apply: Callable[[Record], Coroutine[Any, Any, None]],
    failed: Callable[[Exception], None],
) -> None:
    """One agent over all sources, one record at a time, acknowledged when `apply` returns. What it
    raises goes to `failed`: faust alone would acknowledge the record and go on without an agent."""
    # Raw both ways: faust would decode JSON even for bytes, and fail past our dead letters.
    sources = map(kafka.named, SOURCES)
    topic = app.topic(*sources, key_serializer="raw", value_serializer="raw")

    order = Order()

    async def agent(stream: Any) -> None:
        try:
            async for event in stream.events():
                record = to_record(event)
                order.check(record, event.message.generation_id)
                await apply(record)
        except Exception as error:
            failed(error)
            raise

    app.agent(topic, name=kafka.named(TRACKER_APP), concurrency=1)(agent)


def to_record(event: EventT[Any]) -> Record:
    """faust's event as ours."""
    message = event.message
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        # aiokafka gives pairs, whatever faust's types say.
        headers=tuple(cast("Iterable[tuple[str, bytes]]", message.headers or ())),
        timestamp_ms=round(message.timestamp * 1000),
    )


class FaustGroup:
    """watch.Group."""

    def __init__(self, app: faust.App, producer: AIOKafkaProducer, detections: str) -> None:
        """`detections`: the topic, as this run calls it."""
        self._app = app
        self._producer = producer
        self._detections = detections

    def owned(self) -> set[int] | None:
        """See watch.Group."""
        app = self._app
        if app.rebalancing or app.in_recovery or not app.flow_control.is_active():
            return None
        places = app.consumer.assignment()
        return {place.partition for place in places if place.topic == self._detections}

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


async def wait_for_topics(kafka: KafkaSettings, stop: asyncio.Event) -> None:
    """Until Kafka has every topic: faust ignores for good one that comes later."""
    delay_s = 0.25
    while not stop.is_set():
        consumer = new_consumer(kafka)
        try:
            await consumer.start()
            await assign_all(consumer, *map(kafka.named, (*SOURCES, TRACKER_CHANGELOG)))
        except (KafkaError, Retryable, OSError) as error:
            log.warning("waiting for Kafka: %s", error)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _MAX_DELAY_S)
        else:
            return
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
