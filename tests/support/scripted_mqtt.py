"""A lane of ingest between a scripted MQTT broker and a Kafka that accepts only what the test
allows.

The broker is a socket that does what no real broker would. It reuses message numbers, sends broken
topics and packets, and counts every PUBACK by connection.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from parking.core.errors import Invalid, Refused, Retryable
from parking.core.events import DeadLettered
from parking.runtime.memory import MemoryBroker, MemoryProducer
from parking.runtime.ops import Health, SystemClock
from parking.wire.codec import decode
from parking.wire.ports import Outgoing, Record
from services.ingest.bridge import Lane
from services.ingest.handover import Room
from services.ingest.messages import Limits
from services.ingest.mqtt import MqttLink
from services.ingest.settings import MqttSettings
from services.ingest.shares import Shares
from tests.support.waiting import until

LIMIT_S = 10.0
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


@dataclass
class Peer:
    """One connection of the bridge, as the broker sees it."""

    writer: asyncio.StreamWriter
    acked: list[int] = field(default_factory=list)
    got: list[tuple[str, object]] = field(default_factory=list)  # ("publish", topic), ("puback", n)
    subscribed: bool = False

    async def publish(  # a PUBLISH packet, regardless of the subscription
        self, topic: str | bytes, payload: bytes, mid: int = 0, *, flags: int = 0
    ) -> None:
        name = topic.encode() if isinstance(topic, str) else topic
        number = struct.pack(">H", mid) if mid else b""
        body = struct.pack(">H", len(name)) + name + number + payload
        self.writer.write(packet(0x30 | flags | (0x02 if mid else 0), body))
        await self.writer.drain()

    def drop(self) -> None:
        self.writer.transport.abort()


class ScriptedBroker:
    """Answers CONNECT, SUBSCRIBE and PINGREQ. The test does the rest."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.connack_code = 0
        self.suback_code = 1
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(
        self, context: ssl.SSLContext | None = None
    ) -> AsyncIterator["ScriptedBroker"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for peer in self.peers:
                peer.writer.transport.abort()

    async def peer(self, number: int = 1) -> Peer:
        """Return the number-th connection, once it has subscribed."""
        await until(lambda: len(self.peers) >= number and self.peers[number - 1].subscribed)
        return self.peers[number - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(writer)
        self.peers.append(peer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, body = await read_packet(reader)
                self.answer(peer, kind, body)

    def answer(self, peer: Peer, kind: int, body: bytes) -> None:
        if kind == 1:  # CONNECT
            peer.writer.write(packet(0x20, bytes((0, self.connack_code))))
        elif kind == 8:  # SUBSCRIBE: one code for each filter
            count, rest = 0, body[2:]
            while rest:
                rest = rest[2 + int.from_bytes(rest[:2]) + 1 :]
                count += 1
            peer.writer.write(packet(0x90, body[:2] + bytes([self.suback_code]) * count))
            peer.subscribed = True
        elif kind == 4:  # PUBACK
            mid = int.from_bytes(body[:2])
            peer.acked.append(mid)
            peer.got.append(("puback", mid))
        elif kind == 3:  # PUBLISH, QoS 1
            length = int.from_bytes(body[:2])
            peer.got.append(("publish", body[2 : 2 + length].decode()))
            peer.writer.write(packet(0x40, body[2 + length : 4 + length]))
        elif kind == 12:
            peer.writer.write(packet(0xD0, b""))


def packet(first: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([first]) + bytes(digits) + body


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if not digit & 128:
            return first >> 4, await reader.readexactly(length)


def as_record(message: Outgoing) -> Record:
    return Record(message.topic, 0, 0, message.key, message.value, message.headers)


class SlowKafka:
    """Takes a batch only when allowed to, and can fail first. It is built on the in-memory
    broker."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.allowed = asyncio.Semaphore(0)
        self.failures = 0
        self.waiting = 0
        self.refuses: set[str] = set()  # ids of events
        self._producer = MemoryProducer(self.broker)

    def open(self) -> None:
        for _ in range(100_000):
            self.allowed.release()

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        if not messages:
            return []
        self.waiting = len(messages)
        await self.allowed.acquire()
        refused = {
            index: Invalid("too-large-for-kafka", "says the test")
            for index, message in enumerate(messages)
            if decode(as_record(message)).id in self.refuses
        }
        if refused:
            await self._producer.send([m for i, m in enumerate(messages) if i not in refused])
            raise Refused(refused)
        if self.failures:
            self.failures -= 1
            raise Retryable("away, says the test")
        return await self._producer.send(messages)

    def ids(self, topic: str) -> list[str]:
        return [decode(record).id for record in self.broker.records(topic)]

    def reasons(self, topic: str) -> list[str]:
        letters = map(decode, self.broker.records(topic))
        return [letter.reason for letter in letters if isinstance(letter, DeadLettered)]


@dataclass
class Bridge:
    """A lane between the two, running."""

    broker: ScriptedBroker
    kafka: SlowKafka
    health: Health
    room: Room
    link: MqttLink
    lane: Lane
    task: asyncio.Task[None]


@contextlib.asynccontextmanager
async def bridge(
    frames: int = 32,
    events: int = 200,
    certificate: Path | None = None,
    trusted: bool = True,
    shares: Shares | None = None,
) -> AsyncIterator[Bridge]:
    context = server_context(certificate) if certificate else None
    async with ScriptedBroker().running(context) as broker:
        kafka, health, room, stop = SlowKafka(), Health(), Room(frames, events), asyncio.Event()
        settings = MqttSettings(
            "127.0.0.1",
            broker.port,
            "bridge",
            "secret",
            tls=certificate is not None,
            ca_file=str(certificate or "") if trusted else "",
        )
        link = MqttLink(settings, "test", ["#"], health, SystemClock())
        clock = SystemClock()
        lane = Lane("test", link, room, kafka, Limits(), health=health, clock=clock, shares=shares)
        task = asyncio.ensure_future(lane.run(stop))
        try:
            yield Bridge(broker, kafka, health, room, link, lane, task)
        finally:
            stop.set()
            kafka.open()
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(task, return_exceptions=True)


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def gate(seq: int, boot: int = 1, device: str = "demo/gate") -> tuple[str, bytes]:
    return f"parking/v1/{device}/gate/{boot}/{seq}", b'{"direction":"entry","gate":"main"}'


def count(metric, *labels: str) -> float:
    value: float = (metric.labels(*labels) if labels else metric)._value.get()  # noqa: SLF001 -- no reader
    return value
