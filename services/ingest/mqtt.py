"""MQTT for ingest: a persistent session with manual acknowledgement that always reconnects.

Every connection (connection.py) has its own paho client. An acknowledgement that belongs to an
earlier connection is counted but not sent, because its mid now belongs to another message.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

import paho.mqtt.client as paho

from parking.core.topics import mqtt_filter
from parking.runtime import metrics
from parking.runtime.ops import Health
from parking.runtime.retry import pause
from parking.wire.ports import Clock
from services.ingest.connection import Connection
from services.ingest.handover import AckOrder, Delivery
from services.ingest.messages import Message, Reply
from services.ingest.settings import MqttSettings

log = logging.getLogger(__name__)

TICK_S: Final = 0.5
MAX_UNACKED: Final = 2_000
_STEADY_S: Final = 10.0
FIRST_DELAY_S: Final = 0.5
MAX_DELAY_S: Final = 30.0


class MqttLink:
    """A lane's connection to the broker: it always reconnects, passes messages on and acknowledges
    them."""

    def __init__(
        self,
        settings: MqttSettings,
        lane: str,
        filters: Sequence[str],
        health: Health,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._client_id = f"{settings.client_id}-{lane}"
        self._filters = [mqtt_filter(suffix, settings.share_group) for suffix in filters]
        self._health = health
        self._lane = lane
        self._waits_as = f"mqtt-{lane}"
        self._clock = clock
        self._epoch = 0
        self._order = AckOrder(0)
        metrics.MQTT_UNACKED.labels(lane).set_function(lambda: len(self._order))
        self._connection: Connection | None = None
        self._receive: Callable[[Message, Delivery], object]
        self._has_room: Callable[[], bool]

    async def run(
        self,
        receive: Callable[[Message, Delivery], object],
        has_room: Callable[[], bool],
        stop: asyncio.Event,
    ) -> None:
        """Run until `stop` is set. `receive` must not block. Nothing is read while `has_room()` is
        false."""
        self._receive, self._has_room = receive, has_room
        self._health.waiting[self._waits_as] = "connecting to the MQTT broker"
        failures = 0
        while not stop.is_set():
            lasted_s = await self._session(stop)
            failures = 0 if lasted_s >= _STEADY_S else failures + 1
            ceiling_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures, 10))
            # Full jitter, so that clients do not all reconnect at the same moment after a broker
            # restart.
            await pause(stop, random.uniform(0, ceiling_s))  # noqa: S311 -- no secret

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge a delivery whose effects are durable, and any deliveries that were waiting
        for it."""
        if delivery.epoch != self._epoch or self._connection is None:
            if delivery.mid is not None:
                metrics.STALE_ACKS.inc()
            return
        for mid in self._order.settle(delivery):
            self._connection.acknowledge(mid)
        self._regulate()

    def publish(self, reply: Reply) -> None:
        """Send a reply to a device, if connected."""
        if self._connection is None:
            metrics.REPLIES_DROPPED.labels("not-connected").inc()
        else:
            self._connection.publish(reply)

    async def _session(self, stop: asyncio.Event) -> float:
        """Run one connection from start to end; return its duration in seconds."""
        while not self._may_read():  # messages held from an earlier connection
            self._health.waiting[self._waits_as] = "not connected: too many messages wait for Kafka"
            await pause(stop, TICK_S)
            if stop.is_set():
                return 0.0
        where = f"{self._settings.host}:{self._settings.port}"
        self._health.waiting.setdefault(self._waits_as, f"connecting to {where}")
        self._epoch += 1
        self._order = AckOrder(self._epoch)
        started_ms = self._clock.now_ms()
        try:
            connection = Connection(self._settings, self._client_id, self._filters, self._deliver)
            await connection.open()
        except (OSError, ValueError) as error:  # ValueError: the host name is empty
            self._health.waiting[self._waits_as] = f"no connection to {where}: {error}"
            return 0.0
        self._connection = connection
        try:
            reason = await self._watch(connection, stop)
        finally:
            self._connection = None
            metrics.MQTT_CONNECTED.labels(self._lane).set(0)
            connection.close("done")
        if not stop.is_set():
            log.warning("MQTT %s: connection %d ended: %s", self._client_id, self._epoch, reason)
            self._health.waiting[self._waits_as] = f"connection to {where} ended: {reason}"
        return (self._clock.now_ms() - started_ms) / 1000

    async def _watch(self, connection: Connection, stop: asyncio.Event) -> str:
        while not (stop.is_set() or connection.closed.done()):
            connection.tick()
            self._regulate()
            if connection.subscribed:
                metrics.MQTT_CONNECTED.labels(self._lane).set(1)
                self._health.waiting.pop(self._waits_as, None)
            await asyncio.wait({connection.closed}, timeout=TICK_S)
        return connection.closed.result() if connection.closed.done() else "stopping"

    def _may_read(self) -> bool:
        return self._has_room() and len(self._order) < MAX_UNACKED

    def _regulate(self) -> None:
        if self._connection is not None:
            self._connection.read(self._may_read())

    def _deliver(self, packet: paho.MQTTMessage) -> None:
        try:
            topic = packet.topic
        except UnicodeDecodeError as error:  # paho passes such a message on anyway
            topic = error.object.decode("utf-8", "replace")
        message = Message(
            topic=topic,
            payload=bytes(packet.payload),
            received_at_ms=self._clock.now_ms(),
            retained=packet.retain,
            redelivered=packet.dup,
        )
        self._receive(message, self._order.received(packet.mid if packet.qos else None))
        self._regulate()
