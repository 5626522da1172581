"""One MQTT connection: paho without its thread, its socket watched by asyncio.

paho's own network thread is not used: an exception in a callback ends it, its reconnects have no
jitter, and an acknowledgement from another thread can slip into the next connection, where its mid
belongs to another message.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from parking import metrics
from services.ingest.messages import Reply
from services.ingest.settings import MqttSettings

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 15
CONNECT_LIMIT_S: Final = 5.0
_PACKETS_A_TURN: Final = 32
_MAX_REPLIES: Final = 1_000


class Connection:
    """One connection: one paho client, its socket watched by asyncio. Of no use once closed. To
    make one reads the file of certificates: raises OSError."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        filters: Sequence[str],
        on_message: Callable[[paho.MQTTMessage], None],
    ) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.subscribed = False
        self._loop = self.closed.get_loop()
        self._settings = settings
        self._filters = filters
        self._on_message = on_message
        self._reading = self._writing = False
        self._messages = 0
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, manual_ack=True
        )
        client.connect_timeout = CONNECT_LIMIT_S
        client.max_queued_messages_set(_MAX_REPLIES)
        # By default 20 go out until the broker has acknowledged one, and the PUBACK of a gate event
        # would overtake what its device is told. 0: all at once (with any other number paho walks
        # through all of them at each acknowledgement).
        client.max_inflight_messages_set(0)
        client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            client.tls_set_context(settings.context())
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_socket_close = lambda _client, _data, closing: self._unwatch(closing)

    async def open(self) -> None:
        """Connect (at most CONNECT_LIMIT_S) and begin to read. Raises OSError."""
        connect = self._client.connect
        # Resolving, connecting and the TLS handshake block: these alone leave the event loop.
        await asyncio.to_thread(connect, self._settings.host, self._settings.port, KEEPALIVE_S)
        opened = self._client.socket()
        if isinstance(opened, socket.socket):
            # paho leaves Nagle on: a PUBACK behind a reply would wait 40 ms for the broker's ACK.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # From here on the event loop writes, all that one turn has to say together. Not before: the
        # CONNECT is sent by another thread.
        self._client.on_socket_register_write = lambda *_: self._write(True)
        self._client.on_socket_unregister_write = lambda *_: self._write(False)
        self._write(self._client.want_write())
        self.read(True)

    def read(self, wanted: bool) -> None:
        """Read on, or let the broker wait (its window and the socket's buffers fill up)."""
        watched = self._client.socket()
        if watched is None or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._loop.add_reader(watched, self._readable)
            self._read_on()
        else:
            self._loop.remove_reader(watched)

    def acknowledge(self, mid: int) -> None:
        """Send a PUBACK."""
        self._client.ack(mid, 1)

    def publish(self, reply: Reply) -> None:
        """Send at QoS 1; forgotten when the connection ends, its device will ask again."""
        code = self._client.publish(reply.topic, reply.payload, qos=1).rc
        if code == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:  # the broker acknowledges none
            metrics.REPLIES_DROPPED.labels("queue-full").inc()
        elif code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            metrics.REPLIES_DROPPED.labels("not-connected").inc()

    def tick(self) -> None:
        """Keep-alive: to be called every second or so."""
        self._client.loop_misc()

    def close(self, reason: str) -> None:
        """End it, however often it is told to; the session stays at the broker."""
        self._end(reason)
        self._client.on_socket_register_write = None  # what waits is written here and now
        self._client.disconnect()
        watched = self._client.socket()
        if isinstance(watched, socket.socket):  # it did not take the DISCONNECT at once
            with contextlib.suppress(OSError):  # the other side may have been quicker
                watched.shutdown(socket.SHUT_RDWR)
            # paho finds the socket of no use and closes it itself. Closed behind its back it would
            # still be written to, by whatever comes later.
            self._client.loop_write()

    # ------------------------------------------------------------ called by asyncio and paho
    def _readable(self) -> None:
        try:
            for _ in range(_PACKETS_A_TURN):
                before = self._messages
                self._client.loop_read()  # one packet, or what is there of it
                watched = self._client.socket()
                # TLS may hold decrypted bytes that no selector tells of.
                more = isinstance(watched, ssl.SSLSocket) and watched.pending()
                if not self._reading or (self._messages == before and not more):
                    break
            self._read_on()
        except Exception as error:  # any broken packet: a new connection, not the end
            log.warning("MQTT: a packet could not be read", exc_info=True)
            self.close(f"unreadable packet: {error!r}")

    def _read_on(self) -> None:
        """Bytes that TLS has decrypted already wake no selector."""
        watched = self._client.socket()
        if self._reading and isinstance(watched, ssl.SSLSocket) and watched.pending():
            self._loop.call_soon(self._readable)

    def _write(self, wanted: bool) -> None:
        watched = self._client.socket()
        if watched is None or wanted == self._writing:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(watched, self._writable)
        else:
            self._loop.remove_writer(watched)

    def _writable(self) -> None:
        with _corked(self._client.socket()):
            self._client.loop_write()

    def _unwatch(self, watched: Any) -> None:
        self._reading = self._writing = False
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
        self._messages += 1
        self._on_message(message)

    def _end(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)


@contextlib.contextmanager
def _corked(watched: Any) -> Iterator[None]:
    """What is written meanwhile leaves in full segments. paho writes each PUBACK by itself, and to
    send one, and for the broker to take it, costs more than all else about it."""
    if watched is None or not hasattr(socket, "TCP_CORK"):
        yield
        return
    watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    try:
        yield
    finally:
        if watched.fileno() >= 0:  # it may have been closed by what was written, or not
            watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
