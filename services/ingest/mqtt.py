"""MQTT as ingest needs it: a persistent session, acknowledged by hand, that cannot go deaf.

paho's own network thread is not used: an exception in a callback ends it, its reconnects have no
jitter, and an acknowledgement from another thread can slip into the next connection, where its mid
belongs to another message. Here asyncio watches paho's socket, every connection is a paho client of
its own, and what a lane settles for an earlier connection is counted and not sent.
"""

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from parking import metrics
from parking.ops import Health
from parking.ports import Clock
from parking.topics import MQTT_ROOT
from services.ingest.handover import AckOrder, Delivery
from services.ingest.messages import Message, Reply
from services.ingest.settings import MqttSettings

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 15
CONNECT_LIMIT_S: Final = 5.0
TICK_S: Final = 0.5
MAX_UNACKED: Final = 2_000
_PACKETS_A_TURN: Final = 32
_MAX_REPLIES: Final = 1_000
_STEADY_S: Final = 10.0
FIRST_DELAY_S: Final = 0.5
MAX_DELAY_S: Final = 30.0

OnMessage = Callable[[paho.MQTTMessage], None]


class Connection:
    """One connection: one paho client, its socket watched by asyncio. Of no use once closed."""

    def __init__(
        self, settings: MqttSettings, client_id: str, filters: Sequence[str], on_message: OnMessage
    ) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.subscribed = False
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._filters = filters
        self._on_message = on_message
        self._reading = False
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, manual_ack=True
        )
        client.connect_timeout = CONNECT_LIMIT_S
        client.max_queued_messages_set(_MAX_REPLIES)
        client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file or None))
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_socket_close = lambda _client, _data, closing: self._unwatch(closing)

    async def open(self) -> None:
        """Connect (at most CONNECT_LIMIT_S) and begin to read. Raises OSError."""
        connect = self._client.connect
        # Resolving, connecting and the TLS handshake block, so these alone leave the event loop.
        await asyncio.to_thread(connect, self._settings.host, self._settings.port, KEEPALIVE_S)
        opened = self._client.socket()
        if isinstance(opened, socket.socket):
            # paho leaves Nagle on: a PUBACK behind a reply would wait 40 ms for the broker's ACK.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read(True)

    def read(self, wanted: bool) -> None:
        """Read on, or let the broker wait (its window and the socket's buffers fill up)."""
        watched = self._client.socket()
        if watched is None or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._loop.add_reader(watched, self._readable)
        else:
            self._loop.remove_reader(watched)

    def acknowledge(self, mid: int) -> None:
        """Send a PUBACK."""
        self._client.ack(mid, 1)
        self._flush()

    def publish(self, reply: Reply) -> None:
        """Send at QoS 1; forgotten when the connection ends, its device will ask again."""
        self._client.publish(reply.topic, reply.payload, qos=1)
        self._flush()

    def tick(self) -> None:
        """Keep-alive: to be called every second or so."""
        self._client.loop_misc()
        self._flush()

    def close(self, reason: str) -> None:
        """End it; the session stays at the broker."""
        self._client.disconnect()
        watched = self._client.socket()
        if watched is not None:  # it did not take the DISCONNECT at once
            self._unwatch(watched)
            watched.close()
        self._end(reason)

    # ------------------------------------------------------------ called by asyncio and paho
    def _readable(self) -> None:
        try:
            for _ in range(_PACKETS_A_TURN):
                self._client.loop_read()
                watched = self._client.socket()
                # TLS may hold decrypted bytes that no selector tells of.
                if not (self._reading and isinstance(watched, ssl.SSLSocket) and watched.pending()):
                    break
        except Exception as error:  # any broken packet: a new connection, not the end
            log.warning("MQTT: a packet could not be read", exc_info=True)
            self.close(f"unreadable packet: {error!r}")
        self._flush()

    def _flush(self) -> None:
        watched = self._client.socket()
        if watched is None:
            return
        if self._client.want_write():
            self._loop.add_writer(watched, self._writable)
        else:
            self._loop.remove_writer(watched)

    def _writable(self) -> None:
        self._client.loop_write()
        self._flush()

    def _unwatch(self, watched: Any) -> None:
        self._reading = False
        self._loop.remove_reader(watched)
        self._loop.remove_writer(watched)

    def _connected(self, _c: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._end(f"the broker refused: {reason}")
            return
        metrics.MQTT_CONNECTIONS.labels("kept" if flags.session_present else "new").inc()
        self._client.subscribe([(topic, 1) for topic in self._filters])

    def _subscribed(self, _c: Any, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._end(f"the broker does not let us subscribe to {', '.join(self._filters)}")
        else:
            self.subscribed = True
            log.info("MQTT: subscribed to %s", ", ".join(self._filters))

    def _disconnected(self, _c: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self._end(str(reason))

    def _received(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self._on_message(message)

    def _end(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)


class MqttLink:
    """A lane's place at the broker: connects for ever, hands over what comes, acknowledges."""

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
        self._filters = [f"{MQTT_ROOT}/+/+/{suffix}" for suffix in filters]
        self._health = health
        self._lane = lane
        self._waits_as = f"mqtt-{lane}"
        self._clock = clock
        self._epoch = 0
        self._order = AckOrder(0)
        self._connection: Connection | None = None
        self._receive: Callable[[Message, Delivery], None]
        self._has_room: Callable[[], bool]

    async def run(
        self,
        receive: Callable[[Message, Delivery], None],
        has_room: Callable[[], bool],
        stop: asyncio.Event,
    ) -> None:
        """Until `stop` is set. `receive` must not block; nothing is read while `has_room()` is
        false."""
        self._receive, self._has_room = receive, has_room
        self._health.waiting[self._waits_as] = "connecting to the MQTT broker"
        failures = 0
        while not stop.is_set():
            lasted_s = await self._session(stop)
            failures = 0 if lasted_s >= _STEADY_S else failures + 1
            ceiling_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures, 10))
            # Full jitter: after a broker's restart nobody comes at the same time as the others.
            await _unless(stop, random.uniform(0, ceiling_s))  # noqa: S311 -- no secret

    def settle(self, delivery: Delivery) -> None:
        """The delivery's effects are durable: acknowledge it, and what waited behind it."""
        if delivery.epoch != self._epoch or self._connection is None:
            if delivery.mid is not None:
                metrics.STALE_ACKS.inc()
            return
        for mid in self._order.settle(delivery):
            self._connection.acknowledge(mid)
        self._regulate()

    def publish(self, reply: Reply) -> None:
        """Send to a device, if connected."""
        if self._connection is not None:
            self._connection.publish(reply)

    async def _session(self, stop: asyncio.Event) -> float:
        """One connection from its begin to its end; how long it was, in seconds."""
        while not self._may_read():  # held messages of an earlier connection
            self._health.waiting[self._waits_as] = "not connected: too much waits for Kafka"
            await _unless(stop, TICK_S)
            if stop.is_set():
                return 0.0
        where = f"{self._settings.host}:{self._settings.port}"
        self._health.waiting.setdefault(self._waits_as, f"connecting to {where}")
        self._epoch += 1
        self._order = AckOrder(self._epoch)
        connection = Connection(self._settings, self._client_id, self._filters, self._deliver)
        started_ms = self._clock.now_ms()
        try:
            await connection.open()
        except (OSError, ValueError) as error:  # ValueError: no host name at all
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
        return connection.closed.result() if connection.closed.done() else "told to stop"

    def _may_read(self) -> bool:
        return self._has_room() and len(self._order) < MAX_UNACKED

    def _regulate(self) -> None:
        if self._connection is not None:
            self._connection.read(self._may_read())

    def _deliver(self, packet: paho.MQTTMessage) -> None:
        try:
            topic = packet.topic
        except UnicodeDecodeError as error:  # paho hands such a message over all the same
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


async def _unless(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
