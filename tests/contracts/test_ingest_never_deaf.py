"""The bridge survives hostile messages, broken packets, refusals and its own errors, and it works
with TLS."""

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from parking.core.errors import Invalid
from parking.core.topics import DEAD_LETTERS, DEAD_LETTERS_FRAMES, GATE_EVENTS
from services.ingest import bridge as bridge_module
from services.ingest import connection, handler, mqtt
from services.ingest.bridge import Lane
from services.ingest.handover import Delivery
from services.ingest.messages import Handled, Message, Reply
from services.ingest.mqtt import MqttLink
from services.ingest.settings import MqttSettings
from tests.support.scripted_mqtt import (
    JPEG,
    Bridge,
    Peer,
    ScriptedBroker,
    bridge,
    gate,
    packet,
    server_context,
)
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(bridge_module, "FIRST_DELAY_S", 0.05)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a self-signed certificate of 127.0.0.1."""
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


# ---------------------------------------------------------------- never deaf
MESSAGES, GOOD = 10_000, 9_000
HOSTILE: list[tuple[str | bytes, bytes]] = [
    (b"parking/v1/\xff\xfe/north/frame", JPEG),
    ("parking/v1/demo/north/frame/x", JPEG),
    ("parking/v1/demo/gate/gate/1/x", b"{}"),
    ("parking/v1/demo/gate/gate/1/1", b"\x00" * 300_000),
    ("parking/v1/demo/north/telemetry", b"\xff"),
]


async def fuzzed(b: Bridge) -> tuple[int, Counter[str], int]:
    """Send messages of which every tenth is hostile. Return how many good ones are in Kafka, why
    the others became dead letters, and the number of connections. Return at once if the first
    connection is lost."""
    peer = await b.broker.peer()
    b.kafka.open()
    with contextlib.suppress(ConnectionError):
        for mid in range(1, MESSAGES + 1):
            message = HOSTILE[mid // 10 % 5] if mid % 10 == 0 else gate(mid)
            await peer.publish(*message, mid=mid)
    await until(lambda: len(peer.acked) == MESSAGES or len(b.broker.peers) > 1, limit_s=30)
    letters = b.kafka.reasons(DEAD_LETTERS) + b.kafka.reasons(DEAD_LETTERS_FRAMES)
    return len(set(b.kafka.ids(GATE_EVENTS))), Counter(letters), len(b.broker.peers)


async def test_hostile_messages_become_dead_letters_and_the_good_ones_pass():
    async with bridge() as b:
        good, letters, connections = await fuzzed(b)
        assert good == GOOD
        assert letters == {"bad-topic": 600, "bad-json": 400}
        assert connections == 1, "never lost it"
        assert not b.health.failing


async def test_negative_control_a_fault_that_goes_through_makes_the_bridge_miss_good_messages(
    monkeypatch,
):
    def raising(_message: Message, error: Invalid, *_: object) -> Handled:
        raise error

    monkeypatch.setattr(handler, "refuse", raising)
    monkeypatch.setattr(bridge_module, "refuse", raising)
    async with bridge() as b:
        good, letters, connections = await fuzzed(b)
        assert good < GOOD
        assert not letters
        assert connections > 1


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


async def test_a_fault_while_the_broker_reads_nothing_costs_the_connection_only(monkeypatch):
    receive = Lane.receive

    def faulty(self: Lane, message: Message, delivery: Delivery) -> None:
        if message.payload == b"fault":
            raise RuntimeError("no memory, perhaps")
        receive(self, message, delivery)

    monkeypatch.setattr(Lane, "receive", faulty)
    async with bridge() as b:
        peer = await b.broker.peer()
        await peer.publish(*gate(1), mid=1)
        await until(lambda: b.kafka.waiting)
        stuff_up(peer, b.link.publish)
        await peer.publish("parking/v1/demo/gate/telemetry", b"fault", mid=2)
        second = await b.broker.peer(2)
        b.kafka.open()
        await second.publish(*gate(2), mid=2)
        await until(lambda: second.acked == [2])
        assert not b.task.done()
        assert not b.health.failing


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_closed_connection_takes_whatever_is_still_asked_of_it(tls, certificate: Path):
    async with ScriptedBroker().running(server_context(certificate) if tls else None) as broker:
        where = MqttSettings("127.0.0.1", broker.port, "bridge", "secret")
        settings = replace(where, tls=tls, ca_file=str(certificate))
        made = connection.Connection(settings, "test", ["#"], lambda _message: None)
        await made.open()
        peer = await broker.peer()
        await until(lambda: made.subscribed)
        stuff_up(peer, made.publish)
        await asyncio.sleep(0.1)  # as much as fits is on its way
        made.close("first")
        made.acknowledge(1)
        made.publish(Reply("parking/v1/demo/gate/ack", b"{}"))
        made.read(True)
        made.tick()
        made.close("second")
        assert made._client.socket() is None  # noqa: SLF001 -- closed, not left to the collector
        assert made.closed.result() == "first"


def stuff_up(peer: Peer, publish: Callable[[Reply], None]) -> None:
    """Make the broker stop reading, with more data waiting than a socket buffers."""
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's
    for _ in range(200):
        publish(Reply("parking/v1/demo/gate/ack", bytes(100_000)))


async def test_a_broker_that_refuses_is_named_and_tried_again():
    async with bridge() as b:
        b.broker.connack_code = 5
        await until(lambda: "refused" in b.health.waiting.get("mqtt-test", ""))
        b.broker.connack_code, b.broker.suback_code = 0, 0x80
        await until(lambda: "subscribe" in b.health.waiting.get("mqtt-test", ""))
        b.broker.suback_code = 1
        await until(lambda: not b.health.waiting)


async def test_a_silent_broker_is_noticed(monkeypatch):
    monkeypatch.setattr(connection, "KEEPALIVE_S", 1)
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


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\nMII"])
async def test_certificates_that_are_just_replaced_are_waited_for(certificate: Path, content):
    async with bridge(certificate=certificate) as b:
        first = await b.broker.peer()
        whole = replace_file(certificate, content)
        first.drop()
        await until(lambda: str(certificate) in b.health.waiting.get("mqtt-test", ""))
        assert not b.task.done()
        replace_file(certificate, whole)
        await b.broker.peer(2)
        await until(lambda: "mqtt-test" not in b.health.waiting)


def replace_file(path: Path, content: str | None) -> str:
    """Replace the file. Return what it held."""
    before = path.read_text("ascii") if path.exists() else ""
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content, "ascii")
    return before


def all_acked(peer: Peer, number: int) -> bool:
    return len(peer.acked) == number


def has_failed(b: Bridge) -> bool:
    return bool(b.health.failing)


async def broken(*_: object) -> float:
    raise ZeroDivisionError("a bug in the network loop")
