"""The bridge against a scripted MQTT broker: what it acknowledges, when, and what it survives.

The broker is a socket that does what the test says, which no real one would: it reuses message
numbers, sends broken topics and packets, and counts every PUBACK by connection.
"""

import asyncio
import contextlib
import json
import shutil
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from parking import metrics
from parking.codec import decode
from parking.errors import Retryable
from parking.events import DeadLettered
from parking.memory import MemoryBroker, MemoryProducer
from parking.ops import Health, SystemClock
from parking.ports import Outgoing
from parking.topics import DEAD_LETTERS, DEAD_LETTERS_FRAMES, FRAMES, GATE_EVENTS
from services.ingest import bridge as bridge_module
from services.ingest import handler, mqtt
from services.ingest.bridge import Lane
from services.ingest.handler import Limits
from services.ingest.handover import Delivery, Room
from services.ingest.mqtt import MqttLink
from services.ingest.settings import MqttSettings

LIMIT_S = 10.0
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(bridge_module, "FIRST_DELAY_S", 0.05)


async def until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 -- conditions over many objects, none with an event
            await asyncio.sleep(0.01)


@dataclass
class Peer:
    """One connection of the bridge, as the broker sees it."""

    writer: asyncio.StreamWriter
    acked: list[int] = field(default_factory=list)
    got: list[tuple[str, object]] = field(default_factory=list)  # ("publish", topic), ("puback", n)
    subscribed: bool = False

    async def publish(  # a PUBLISH packet, whatever is asked for
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
    """Answers CONNECT, SUBSCRIBE and PINGREQ; the test does the rest."""

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
        """The number-th connection, once it has subscribed."""
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


class SlowKafka:
    """Takes a batch only when allowed to; can fail first. Over the in-memory broker."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.allowed = asyncio.Semaphore(0)
        self.failures = 0
        self.waiting = 0
        self._producer = MemoryProducer(self.broker)

    def open(self) -> None:
        for _ in range(100_000):
            self.allowed.release()

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        if not messages:
            return []
        self.waiting = len(messages)
        await self.allowed.acquire()
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
    frames: int = 32, events: int = 200, certificate: Path | None = None, trusted: bool = True
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
        lane = Lane("test", link, room, kafka, Limits(), health=health, clock=SystemClock())
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


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    made = tmp_path / "broker.crt"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(made)]
    command += ["-keyout", str(made.with_suffix(".key"))]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    return made


def gate(seq: int, boot: int = 1) -> tuple[str, bytes]:
    return f"parking/v1/demo/gate/gate/{boot}/{seq}", b'{"direction":"entry","gate":"main"}'


def count(metric, *labels: str) -> float:
    value: float = (metric.labels(*labels) if labels else metric)._value.get()  # noqa: SLF001 -- no reader
    return value


# ---------------------------------------------------------------- acknowledgement
async def test_a_message_is_acknowledged_only_when_kafka_has_it_and_its_device_is_told_first():
    async with bridge() as b:
        peer = await b.broker.peer()
        await peer.publish(*gate(1), mid=5)
        await until(lambda: b.kafka.waiting)
        assert peer.got == []
        b.kafka.allowed.release()
        await until(lambda: peer.acked)
        assert peer.got == [("publish", "parking/v1/demo/gate/ack"), ("puback", 5)]
        assert b.kafka.ids(GATE_EVENTS) == ["demo/gate/gate/1/1"]


async def test_acknowledgements_are_sent_in_the_order_of_receipt():
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.open()
        for mid in range(1, 101):
            await peer.publish(*gate(mid), mid=mid)
        await until(lambda: len(peer.acked) == 100)
        assert peer.acked == list(range(1, 101))
        assert b.kafka.ids(GATE_EVENTS) == [f"demo/gate/gate/1/{n}" for n in range(1, 101)]


async def reused_numbers(b: Bridge) -> tuple[list[int], Peer]:
    """20 messages held, the broker restarts without its sessions and uses the numbers 1..20 again;
    then Kafka takes 16 of the first connection. Returns what was acknowledged by then."""
    first = await b.broker.peer()
    for mid in range(1, 21):
        await first.publish(*gate(mid, boot=1), mid=mid)
    await until(lambda: b.kafka.waiting and len(b.room) + b.kafka.waiting == 20)
    first.drop()
    second = await b.broker.peer(2)
    for mid in range(1, 21):
        await second.publish(*gate(mid, boot=2), mid=mid)
    await until(lambda: len(b.room) + b.kafka.waiting == 40)
    taken = b.kafka.waiting
    b.kafka.allowed.release()
    await until(lambda: len(b.kafka.ids(GATE_EVENTS)) == taken)
    await until(lambda: len(b.room) < 40 - taken)  # the next batch is taken: all is settled
    await asyncio.sleep(0.2)  # what was sent has been received
    assert all("/gate/1/" in durable for durable in b.kafka.ids(GATE_EVENTS))
    return list(second.acked), second


async def test_no_acknowledgement_crosses_into_the_next_connection():
    stale = count(metrics.STALE_ACKS)
    async with bridge() as b:
        too_early, second = await reused_numbers(b)
        assert too_early == []
        b.kafka.open()
        await until(lambda: len(second.acked) == 20)
        assert second.acked == list(range(1, 21))
        assert len(set(b.kafka.ids(GATE_EVENTS))) == 40
        assert count(metrics.STALE_ACKS) - stale == 20


async def test_negative_control_without_the_fence_foreign_messages_are_acknowledged(monkeypatch):
    def settle_by_number(self: MqttLink, delivery: Delivery) -> None:
        if self._connection is not None and delivery.mid is not None:
            self._connection.acknowledge(delivery.mid)

    monkeypatch.setattr(MqttLink, "settle", settle_by_number)
    async with bridge() as b:
        too_early, _ = await reused_numbers(b)
        assert too_early, "the test above could not have failed"


async def test_an_outage_of_kafka_acknowledges_nothing_and_loses_nothing():
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.failures = 3
        b.kafka.open()
        for mid in range(1, 6):
            await peer.publish(*gate(mid), mid=mid)
        await until(lambda: b.kafka.failures == 0)
        assert "kafka-test" in b.health.waiting
        assert peer.acked == []
        await until(lambda: len(peer.acked) == 5)
        assert b.kafka.ids(GATE_EVENTS) == [f"demo/gate/gate/1/{n}" for n in range(1, 6)]
        await until(lambda: not b.health.waiting)


# ---------------------------------------------------------------- bounds
async def test_while_events_cannot_be_written_nothing_more_is_read():
    payload = json.dumps({"direction": "entry", "gate": "main", "pad": "x" * 20_000}).encode()
    async with bridge(events=5) as b:
        peer = await b.broker.peer()

        async def flood() -> None:
            for mid in range(1, 1001):
                await peer.publish(gate(mid)[0], payload, mid=mid)

        flooding = asyncio.ensure_future(flood())
        await until(lambda: b.room.is_full)
        await asyncio.sleep(0.5)
        assert not flooding.done(), "20 MB cannot all be in buffers"
        assert len(b.room) <= 5 + 1
        assert peer.acked == []
        b.kafka.open()
        await until(lambda: len(peer.acked) == 1000)
        await flooding
        assert peer.acked == list(range(1, 1001))
        assert len(set(b.kafka.ids(GATE_EVENTS))) == 1000


async def test_the_newest_frames_win_and_the_dropped_are_acknowledged_and_counted():
    dropped = count(metrics.FRAMES_DROPPED, "handover")
    async with bridge(frames=4) as b:
        peer = await b.broker.peer()
        await peer.publish("parking/v1/demo/north/frame/1/0/0", JPEG, mid=1)
        await until(lambda: b.kafka.waiting == 1)
        for seq in range(1, 50):
            camera = "south" if seq % 10 == 0 else "north"
            await peer.publish(f"parking/v1/demo/{camera}/frame/1/{seq}/0", JPEG, mid=seq + 1)
        await until(lambda: count(metrics.FRAMES_DROPPED, "handover") - dropped == 45)
        assert len(b.room) == 4
        b.kafka.open()
        await until(lambda: len(peer.acked) == 50)
        assert peer.acked == list(range(1, 51))
        ids = b.kafka.ids(FRAMES)
        assert "demo/north/1/49" in ids
        assert "demo/south/1/40" in ids
        assert len(ids) == 5


async def test_after_a_failure_only_the_newest_frame_of_each_camera_is_tried_again():
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.failures = 1
        for seq in range(1, 9):
            await peer.publish(f"parking/v1/demo/north/frame/1/{seq}/0", JPEG, mid=seq)
        await until(lambda: len(b.room) + b.kafka.waiting == 8)
        b.kafka.open()
        await until(lambda: len(peer.acked) == 8)
        assert b.kafka.ids(FRAMES) == ["demo/north/1/8"]


async def test_a_frame_at_qos_0_is_written_and_owes_no_acknowledgement():
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.open()
        await peer.publish("parking/v1/demo/north/frame", JPEG)
        await until(lambda: b.kafka.ids(FRAMES))
        assert peer.acked == []


# ---------------------------------------------------------------- never deaf
async def test_hostile_messages_become_dead_letters_and_the_good_ones_pass():
    hostile: list[tuple[str | bytes, bytes]] = [
        (b"parking/v1/\xff\xfe/north/frame", JPEG),
        ("parking/v1/demo/north/frame/x", JPEG),
        ("parking/v1/demo/gate/gate/1/x", b"{}"),
        ("parking/v1/demo/gate/gate/1/1", b"\x00" * 300_000),
        ("parking/v1/demo/north/telemetry", b"\xff"),
    ]
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.open()
        total = 300
        for mid in range(1, total + 1):
            message = hostile[mid // 10 % 5] if mid % 10 == 0 else gate(mid)
            await peer.publish(*message, mid=mid)
        await until(lambda: len(peer.acked) == total)
        assert len(b.kafka.ids(GATE_EVENTS)) == total * 9 // 10
        letters = b.kafka.reasons(DEAD_LETTERS) + b.kafka.reasons(DEAD_LETTERS_FRAMES)
        assert len(letters) == total // 10
        assert set(letters) == {"bad-topic", "bad-json"}
        assert len(b.broker.peers) == 1, "never lost its connection"


async def test_a_fault_of_ours_on_one_message_is_a_dead_letter_and_no_end(monkeypatch):
    def fault(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(handler.HANDLERS, "telemetry", fault)
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.open()
        await peer.publish("parking/v1/demo/gate/telemetry", b"{}", mid=1)
        await peer.publish(*gate(1), mid=2)
        await until(lambda: peer.acked == [1, 2])
        assert b.kafka.reasons(DEAD_LETTERS) == ["internal-error"]


@pytest.mark.parametrize(
    "broken",
    [
        packet(0x00, b""),  # no such packet
        packet(0x32, b""),  # a PUBLISH without a topic
        packet(0x32, b"\xff\xffab"),  # a topic longer than its packet
        packet(0x90, b"\0"),  # a SUBACK that is too short
        packet(0x20, b""),
        b"\x30\xff\xff\xff\xff\xff",  # a length of five digits
    ],
)
async def test_a_broken_packet_costs_the_connection_and_nothing_else(broken):
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.open()
        peer.writer.write(broken)
        second = await b.broker.peer(2)
        await second.publish(*gate(1), mid=1)
        await until(lambda: second.acked == [1])


async def test_what_cannot_be_handed_over_comes_again(monkeypatch):
    receive, faults = Lane.receive, [RuntimeError("no memory, perhaps")]

    def failing_once(self: Lane, *arguments: Any) -> None:
        if faults:
            raise faults.pop()
        receive(self, *arguments)

    monkeypatch.setattr(Lane, "receive", failing_once)
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.open()
        await peer.publish(*gate(1), mid=1)
        second = await b.broker.peer(2)
        await second.publish(*gate(1), mid=1, flags=0x08)
        await until(lambda: second.acked == [1])
        assert peer.acked == []


async def test_a_broker_that_refuses_is_named_and_tried_again():
    async with bridge() as b:
        b.broker.connack_code = 5
        await until(lambda: "refused" in b.health.waiting.get("mqtt-test", ""))
        b.broker.connack_code, b.broker.suback_code = 0, 0x80
        await until(lambda: "subscribe" in b.health.waiting.get("mqtt-test", ""))
        b.broker.suback_code = 1
        await until(lambda: not b.health.waiting)


async def test_a_silent_broker_is_noticed(monkeypatch):
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    monkeypatch.setattr(ScriptedBroker, "answer", only_once_subscribed(ScriptedBroker.answer))
    async with bridge() as b:
        await b.broker.peer(2)


def only_once_subscribed(answer: Callable[..., None]) -> Callable[..., None]:
    def quiet(self: ScriptedBroker, peer: Peer, kind: int, body: bytes) -> None:
        if not peer.subscribed:
            answer(self, peer, kind, body)

    return quiet


async def test_health_fails_when_a_loop_of_the_lane_ends(monkeypatch):
    async def ends(*_: object) -> None:
        return

    for loop in ("_session", "run"):
        with monkeypatch.context() as patch:
            ended: Callable[..., Awaitable[object]] = broken if loop == "_session" else ends
            patch.setattr(MqttLink, loop, ended)
            async with bridge() as b:
                await until(partial(has_failed, b))
                await until(b.task.done)
                assert b.task.exception() is not None


# ---------------------------------------------------------------- TLS
async def test_over_tls_bursts_of_small_messages_and_large_ones_are_all_read(certificate: Path):
    async with bridge(certificate=certificate) as b:
        peer = await b.broker.peer()
        b.kafka.open()
        large = json.dumps({"direction": "exit", "gate": "main", "pad": "x" * 300_000}).encode()
        for turn in range(5):  # a burst becomes few TLS records: more than a selector tells of
            for mid in range(turn * 50 + 1, turn * 50 + 51):
                await peer.publish(gate(mid)[0], large if mid % 50 == 7 else gate(mid)[1], mid=mid)
            await until(partial(all_acked, peer, turn * 50 + 50))
        assert peer.acked == list(range(1, 251))


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_whose_certificate_is_not_trusted_gets_no_password(certificate: Path):
    async with bridge(certificate=certificate, trusted=False) as b:
        await until(lambda: "certificate" in b.health.waiting.get("mqtt-test", "").lower())
        assert b.broker.peers == []


def all_acked(peer: Peer, number: int) -> bool:
    return len(peer.acked) == number


def has_failed(b: Bridge) -> bool:
    return bool(b.health.failing)


async def broken(*_: object) -> float:
    raise ZeroDivisionError("a bug in the network loop")
