"""An MQTT 3.1.1 connection over asyncio streams: TLS, QoS 0 and 1, last will, keepalive.

One object is one connection, so it cannot confuse the packet ids, acknowledgements or messages of
an earlier connection with its own. It never reconnects. Its owner opens a new one after a pause.
"""

import asyncio
import gc

from app import packets
from app.closing import closed

MAX_PACKET = 16_384  # acks and commands are small; anything larger is not for us
_CHUNK = 4096


class Lost(Exception):
    """The connection is unusable. The message says why."""


class Connection:
    """`on_message(topic, payload)` is called for each message and must not block."""

    def __init__(self, on_message, keepalive_s=30, answer_s=20):
        self._on_message = on_message
        self._keepalive_s, self._answer_s = keepalive_s, answer_s
        self._reader = self._writer = None
        self._lock = asyncio.Lock()
        self._packet_id = 0
        self._waiting = {}
        self._heard = self._sent = False
        self.why = None

    async def open(self, address, login, will):
        """Connect. `address` is (host, port, ssl context or None), `login` is (client id, user,
        password) and `will` is (topic, payload). Raises Lost."""
        host, port, ssl = address
        try:
            self._reader, self._writer = await asyncio.wait_for(
                asyncio.open_connection(host, port, ssl, host if ssl else None), self._answer_s
            )
            await self._write(packets.connect(*login, self._keepalive_s, will))
            kind, _, body = await asyncio.wait_for(self._read(), self._answer_s)
        except (OSError, asyncio.TimeoutError, ValueError) as error:
            await self._fail(error)
        if kind != packets.CONNACK or len(body) != 2:
            await self._fail(Lost("no MQTT broker answers there"))
        if body[1]:
            await self._fail(Lost(packets.REFUSALS.get(body[1], "refused")))

    async def run(self):
        """Read, acknowledge and ping until the connection is lost. Always ends by raising Lost."""
        pinger = asyncio.create_task(self.guard(self._ping()))
        try:
            while True:
                kind, flags, body = await self._read()
                self._heard = True
                await self._take(kind, flags, body)
        except Exception as error:  # noqa: BLE001 -- raised again: whatever it is, nobody reads on
            await self._fail(self.why or error)
        finally:
            pinger.cancel()

    async def guard(self, work):
        """Await a task that this connection needs. If the task fails, so does the connection, with
        the reason in `why`."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 -- in `why`, where the owner looks
            try:
                await self._fail(error)
            except Lost:
                pass

    async def subscribe(self, topics):
        """Subscribe with QoS 1. Raises Lost, also if the broker refuses."""
        packet_id, event = self._new_id()
        await self._write(packets.subscribe(packet_id, topics))
        if 0x80 in await self._answer(packet_id, event):
            await self._fail(Lost("the broker refuses our own topics"))

    async def publish(self, topic, payload, qos=1, retain=False):
        """Send a message. With QoS 1, wait for the broker's acknowledgement. Raises Lost."""
        packet_id, event = self._new_id() if qos else (0, None)
        view = memoryview(payload)
        async with self._lock:
            writer = self._writer  # it may have been lost while this waited for the lock
            if self.why or writer is None:
                await self._fail(self.why or Lost("the connection has ended"))
            try:
                head = packets.publish_head(topic, len(payload), qos, retain, packet_id)
                writer.write(head)
                for at in range(0, len(payload), _CHUNK):
                    writer.write(view[at : at + _CHUNK])
                    await asyncio.wait_for(writer.drain(), self._answer_s)
                await asyncio.wait_for(writer.drain(), self._answer_s)
            except Exception as error:  # noqa: BLE001 -- raised again; half a packet may be out
                await self._fail(error)
        self._sent = True
        if qos:
            await self._answer(packet_id, event)

    async def close(self):
        """Disconnect cleanly, so that the broker does not publish the last will."""
        try:
            await self._write(packets.DISCONNECT)
        except Lost:
            return
        await self._end()

    async def _take(self, kind, flags, body):
        if kind == packets.PUBLISH:
            topic, payload, packet_id = packets.parse_publish(flags, body)
            if packet_id is not None:
                await self._write(packets.puback(packet_id))
            if not flags & 1:  # a retained message is old and would arrive at every connection
                self._on_message(topic, payload)
        elif kind in (packets.PUBACK, packets.SUBACK):
            waiting = self._waiting.pop(int.from_bytes(body[:2], "big"), None)
            if waiting:
                waiting[1] = bytes(body[2:])
                waiting[0].set()

    async def _ping(self):
        """Ping when nothing else was sent for half the keepalive. If the broker is silent for one
        and a half keepalives, the connection is dead, even if TCP has not noticed."""
        silent = 0
        while True:
            await asyncio.sleep(self._keepalive_s / 2)
            silent = 0 if self._heard else silent + 1
            self._heard = False
            if silent >= 3:
                self.why = Lost("the broker is silent")
                return await self._end()
            # The broker answers pings, so silence means that the connection is dead.
            await self._write(packets.PING)

    def _new_id(self):
        self._packet_id = self._packet_id % 65535 + 1
        event = asyncio.Event()
        self._waiting[self._packet_id] = [event, b""]
        return self._packet_id, event

    async def _answer(self, packet_id, event):
        waiting = self._waiting.get(packet_id, [event, b""])
        try:
            await asyncio.wait_for(event.wait(), self._answer_s)
        except asyncio.TimeoutError:
            await self._fail(Lost("the broker does not acknowledge"))
        if self.why:
            raise self.why
        return waiting[1]

    async def _write(self, data):
        async with self._lock:
            try:
                if self.why or self._writer is None:
                    raise Lost(self.why or "not connected")
                self._writer.write(data)
                await asyncio.wait_for(self._writer.drain(), self._answer_s)
            except Exception as error:  # noqa: BLE001 -- raised again; half a packet may be out
                await self._fail(error)

    async def _read(self):
        first = (await self._exactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self._exactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if shift > 21:
                raise ValueError("malformed length")
        if size > MAX_PACKET:
            raise ValueError("packet too large")
        return first >> 4, first & 15, await self._exactly(size) if size else b""

    async def _exactly(self, count):
        try:
            return await self._reader.readexactly(count)
        except EOFError:
            raise OSError("the broker ended the connection")

    async def _fail(self, error):
        if isinstance(error, MemoryError):
            gc.collect()
        if self.why is None:
            self.why = error if isinstance(error, Lost) else Lost(str(error) or repr(error))
        await self._end()
        raise self.why

    async def _end(self):
        self.why = self.why or Lost("closed")
        for waiting in self._waiting.values():
            waiting[0].set()
        writer, self._writer = self._writer, None
        if writer is not None:
            await closed(writer)
