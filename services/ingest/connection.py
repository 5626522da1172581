"""One MQTT connection: paho without its thread; asyncio watches the socket.

paho's own network thread is not used, because an exception in a callback ends it, its reconnects
have no jitter, and an acknowledgement from another thread can slip into the next connection, where
its message id (mid) belongs to another message.
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

from parking.runtime import metrics
from services.ingest.messages import Reply
from services.ingest.settings import MqttSettings

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 15
CONNECT_LIMIT_S: Final = 5.0
_PACKETS_A_TURN: Final = 32
_MAX_REPLIES: Final = 1_000


class Connection:
    """One connection: one paho client whose socket asyncio watches. It can't be used again once
    closed. The constructor reads the certificate file, so it may raise OSError."""

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
        # By default paho sends 20 messages and then waits for the broker to acknowledge one, so the
        # PUBACK of a gate event would overtake its device's ack. 0 sends all at once (with any
        # other number paho scans all of them at each acknowledgement).
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
        """Connect (at most CONNECT_LIMIT_S) and start reading. Raises OSError."""
        connect = self._client.connect
        # Resolving, connecting and the TLS handshake block, so they run outside the event loop.
        await asyncio.to_thread(connect, self._settings.host, self._settings.port, KEEPALIVE_S)
        opened = self._client.socket()
        if isinstance(opened, socket.socket):
            # paho leaves Nagle on, so a PUBACK behind a reply would wait 40 ms for the broker's
            # ACK.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # From here on the event loop does the writing, and writes everything from one turn
        # together. It can't start earlier, because another thread sends the CONNECT.
        self._client.on_socket_register_write = lambda *_: self._write(True)
        self._client.on_socket_unregister_write = lambda *_: self._write(False)
        self._write(self._client.want_write())
        self.read(True)

    def read(self, wanted: bool) -> None:
        """Continue reading, or stop reading so that the broker has to wait once its window and the
        socket's buffers are full."""
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
        """Send at QoS 1. The message is dropped when the connection ends, because its device will
        send again."""
        code = self._client.publish(reply.topic, reply.payload, qos=1).rc
        if code == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:  # the broker doesn't acknowledge
            metrics.REPLIES_DROPPED.labels("queue-full").inc()
        elif code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            metrics.REPLIES_DROPPED.labels("not-connected").inc()

    def tick(self) -> None:
        """Handle keep-alive; call it about once a second."""
        self._client.loop_misc()

    def close(self, reason: str) -> None:
        """End the connection; may be called repeatedly. The session remains at the broker."""
        self._end(reason)
        self._client.on_socket_register_write = None  # pending data is written here and now
        self._client.disconnect()
        watched = self._client.socket()
        if isinstance(watched, socket.socket):  # the DISCONNECT was not sent at once
            with contextlib.suppress(OSError):  # the peer may have closed first
                watched.shutdown(socket.SHUT_RDWR)
            # paho then finds the socket unusable and closes it itself. If it were closed without
            # paho's knowledge, later writes would still use it.
            self._client.loop_write()

    # ------------------------------------------------------------ called by asyncio and paho
    def _readable(self) -> None:
        try:
            for _ in range(_PACKETS_A_TURN):
                before = self._messages
                self._client.loop_read()  # one packet, or the part of it that has arrived
                watched = self._client.socket()
                # TLS may hold decrypted bytes that no selector reports.
                more = isinstance(watched, ssl.SSLSocket) and watched.pending()
                if not self._reading or (self._messages == before and not more):
                    break
            self._read_on()
        except Exception as error:  # after any broken packet: reconnect, don't exit
            log.warning("MQTT: a packet could not be read", exc_info=True)
            self.close(f"unreadable packet: {error!r}")

    def _read_on(self) -> None:
        """Read bytes that TLS has already decrypted, because they wake no selector."""
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
            self._end(f"the broker does not allow us to subscribe to {', '.join(self._filters)}")
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
    """Send what is written inside in full segments. paho writes each PUBACK separately, and sending
    and receiving it costs more than the rest of its handling."""
    if watched is None or not hasattr(socket, "TCP_CORK"):
        yield
        return
    watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    try:
        yield
    finally:
        if watched.fileno() >= 0:  # what was written may have closed it
            watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
