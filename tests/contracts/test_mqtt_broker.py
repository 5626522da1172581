"""The guarantees that devices and the bridge rely on, for aedes (embedded) and mosquitto
(production)."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parking.core.topics import mqtt_topic
from tests.support.brokers import NEEDS_MOSQUITTO, QUIET_S, Broker, Client, aedes, mosquitto, until
from tools.stack.checks import HOST


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(aedes, marks=pytest.mark.stack, id="aedes"),
        pytest.param(mosquitto, marks=[pytest.mark.stack, NEEDS_MOSQUITTO], id="mosquitto"),
    ],
)
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    with request.param(tmp_path_factory.mktemp("broker")) as running:
        running.add("bridge")
        yield running


@pytest.fixture(scope="module")
def embedded(broker: Broker) -> Broker:
    """Run only the embedded broker, because mosquitto cannot be configured with these rules."""
    if not broker.reads_by_itself:
        pytest.skip("mosquitto has no such rule: docs/operations.md says what bounds it")
    return broker


@pytest.fixture
def device(broker: Broker, unique: Callable[[str], str]) -> str:
    """Return a known device's id, which is its user name."""
    device_id = f"{unique('site')}/cam"
    broker.add(device_id)
    return device_id


@pytest.fixture
def bridge(broker: Broker) -> Iterator[Client]:
    with Client(broker, "bridge") as client:
        client.subscribe("parking/v1/#")
        while not client.quiet():  # what earlier tests left retained
            pass
        yield client


def test_a_device_reaches_the_bridge(broker: Broker, bridge: Client, device: str) -> None:
    topic = mqtt_topic(device, "frame", 1, 2, 3)
    with Client(broker, device) as camera:
        camera.publish(topic, b"\xff\xd8" + bytes(900_000))
    message = bridge.next()
    assert message.topic == topic
    assert len(message.payload) == 900_002


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_refused(broker: Broker, device: str, password: str) -> None:
    assert Client(broker, device, password=password).connect().is_failure


def test_a_client_of_mqtt_5_is_refused_with_the_reason(embedded: Broker, device: str) -> None:
    """The refusal uses MQTT 5's own words, because a client that reads the answer of 3.1.1 shows an
    unknown error."""
    connect = b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03cam"
    with socket.create_connection((HOST, embedded.port), 5) as client:
        client.sendall(b"\x10" + bytes([len(connect)]) + connect)
        assert client.recv(16) == b"\x20\x03\x00\x84\x00"
        assert client.recv(16) == b""


def test_an_unknown_user_is_refused(broker: Broker) -> None:
    assert Client(broker, "no-such/device").connect().is_failure
    assert Client(broker, "", password="").connect().is_failure


def test_a_removed_device_is_refused(broker: Broker, device: str) -> None:
    with Client(broker, device):
        pass
    broker.remove(device)
    assert Client(broker, device).connect().is_failure


@pytest.mark.parametrize("change", ["revoked", "rotated"])
def test_a_revoked_device_is_sent_away_and_cannot_return(
    broker: Broker, bridge: Client, device: str, change: str
) -> None:
    other = f"{device}-2"
    broker.add(other)
    with Client(broker, other) as stays, Client(broker, device) as goes:
        if change == "revoked":
            broker.remove(device)
        else:
            broker.rotate(device)
        assert until(lambda: goes.lost, 5), "docs/devices.md: within five seconds"
        stays.publish(mqtt_topic(other, "status"), b"still here")
        assert bridge.next().payload == b"still here"
        assert not stays.lost
    assert Client(broker, device).connect().is_failure


def test_a_device_that_came_back_in_a_hurry_is_sent_away_too(
    broker: Broker, device: str, record_property: Callable[[str, object], None]
) -> None:
    """Its new connection begins while the old one ends. Without the broker's own list of who is
    connected (broker.mjs), one to four of the twelve stay."""
    devices = [f"{device}-{number}" for number in range(12)]
    for name in devices:
        broker.add(name)
    with ExitStack() as open_ones:
        there = [open_ones.enter_context(hurried(broker, name, 30)) for name in devices]
        for name in devices:
            broker.remove(name)
        left = time.monotonic() + 5
        gone = [ended(connection, max(0.01, left - time.monotonic())) for connection in there]
        record_property("sent away", f"{sum(gone)} of {len(gone)}")
        assert all(gone), "docs/devices.md: within five seconds"


def hurried(broker: Broker, user: str, times: int) -> socket.socket:
    """Return the last of so many connections, each begun before the one before it closes."""
    connection = None
    for number in range(times):
        newer = socket.create_connection((HOST, broker.port), 5)
        newer.sendall(connect_packet(user))
        if connection is not None:
            time.sleep(number % 13 / 2000)  # a moment of the other's login each time
            connection.close()
        assert newer.recv(4) == b"\x20\x02\x00\x00", "CONNACK"
        newer.sendall(subscribe_packet(f"parking/v1/{user}/ack", f"parking/v1/{user}/command"))
        assert newer.recv(6) == b"\x90\x04\x00\x01\x01\x01", "SUBACK"
        connection = newer
    assert connection is not None
    return connection


def connect_packet(user: str) -> bytes:
    """Return a packet of MQTT 3.1.1 with a clean session and a minute's keepalive. paho would wait
    for each goodbye."""
    name, *rest = map(text_field, ("MQTT", user, user, f"password of {user}"))
    return packet(0x10, name + b"\x04\xc2\x00\x3c" + b"".join(rest))


def subscribe_packet(*filters: str) -> bytes:
    """Return a subscription to each topic with QoS 1, as message 1."""
    return packet(0x82, b"\x00\x01" + b"".join(text_field(topic) + b"\x01" for topic in filters))


def packet(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body)]) + body


def text_field(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()


def ended(connection: socket.socket, limit_s: float) -> bool:
    connection.settimeout(limit_s)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_refusals_are_counted_and_reported_to_the_bridge(broker: Broker, device: str) -> None:
    if broker.log is not None:
        pytest.skip("mosquitto counts none; what its log shows is tested below")
    kinds = ("login", "publish", "subscribe")
    counts: dict[str, Any] = dict.fromkeys(kinds, 0)
    with Client(broker, "bridge") as bridge:

        def newest() -> dict[str, int]:
            while not bridge.messages.empty():
                counts.update(json.loads(bridge.next().payload))
            return {kind: counts[kind] for kind in kinds}

        bridge.subscribe("$SYS/broker/refused")
        time.sleep(QUIET_S)
        before = newest()
        Client(broker, device, password="wrong").connect()
        with Client(broker, device) as camera:
            camera.try_publish(mqtt_topic(f"{device}-2", "telemetry"), b"forged")
        with Client(broker, device) as camera:
            camera.subscribe(mqtt_topic(f"{device}-2", "ack"))
        assert until(lambda: all(newest()[kind] > before[kind] for kind in kinds))
        assert counts["last"] == device


def test_a_foreign_subscription_and_a_wrong_password_show_in_mosquittos_log(
    broker: Broker, device: str
) -> None:
    """mosquitto grants the subscription but delivers nothing, so neither a count nor the response
    shows it."""
    log = log_of(broker)
    topic = mqtt_topic(f"{device}-2", "ack")
    with Client(broker, device) as camera:
        camera.subscribe(topic)
    assert until(lambda: f": {device} 1 {topic}\n" in log.read_text("utf-8"))
    said = log.read_text("utf-8").count("not authorised")
    Client(broker, device, password="wrong").connect()
    assert until(lambda: log.read_text("utf-8").count("not authorised") > said)


def test_a_foreign_publish_shows_in_mosquittos_log_at_level_debug(
    broker: Broker, device: str
) -> None:
    log, more = log_of(broker), log_of(broker).parent / "conf.d" / "debug.conf"
    for log_setting, shown in (("", False), ("log_type debug\n", True)):
        topic = mqtt_topic(f"{device}-2", "gate", 1, int(shown))
        more.write_text(log_setting, "utf-8")
        broker.reread()
        with Client(broker, device) as camera:
            camera.try_publish(topic, b"forged")
        denied = [line for line in log.read_text("utf-8").splitlines() if topic in line]
        assert bool(denied) == shown
        assert all(f"Denied PUBLISH from {device} " in line for line in denied)
    more.unlink()
    broker.reread()


def log_of(broker: Broker) -> Path:
    if broker.log is None:
        pytest.skip("of mosquitto; the embedded broker counts")
    return broker.log


@pytest.mark.parametrize("suffix", ["frame/1/1/1", "gate/1/1", "status", "telemetry"])
def test_a_device_cannot_publish_for_another(
    broker: Broker, bridge: Client, device: str, suffix: str
) -> None:
    victim = f"{device}-2"
    broker.add(victim)
    with Client(broker, device) as camera:
        camera.try_publish(mqtt_topic(victim, *suffix.split("/")), b"forged")
    with Client(broker, victim) as camera:
        camera.publish(mqtt_topic(victim, "telemetry"), b"genuine")
    assert bridge.next().payload == b"genuine"
    assert bridge.quiet()


@pytest.mark.parametrize("suffix", ["ack", "command"])
def test_a_device_cannot_answer_itself(
    broker: Broker, bridge: Client, device: str, suffix: str
) -> None:
    with Client(broker, device) as camera:
        camera.try_publish(mqtt_topic(device, suffix), b"forged")
    assert bridge.quiet()


def test_a_device_hears_only_what_is_for_it(broker: Broker, bridge: Client, device: str) -> None:
    other = f"{device}-2"
    broker.add(other)
    filters = ["parking/v1/#", "#", mqtt_topic(other, "ack"), mqtt_topic("+/+", "command")]
    with Client(broker, device) as camera:
        camera.subscribe(mqtt_topic(device, "ack"))
        for topic in filters:
            camera.subscribe(topic)
        for suffix in ("ack", "command"):
            bridge.publish(mqtt_topic(other, suffix), b"for another")
        bridge.publish(mqtt_topic(device, "ack"), b"mine")
        received = {camera.next().payload}
        while not camera.messages.empty():
            received.add(camera.next().payload)
        assert received == {b"mine"}


def test_a_late_bridge_sees_the_last_will(broker: Broker, device: str) -> None:
    status = mqtt_topic(device, "status")
    camera = Client(broker, device, will=(status, b"offline"))
    with camera, Client(broker, "bridge") as bridge:
        camera.publish(status, b"online", retain=True)
        bridge.subscribe(status)
        assert bridge.next().payload == b"online"
        camera.drop()
        assert bridge.next().payload == b"offline"
    with Client(broker, "bridge") as late:
        late.subscribe(status)
        message = late.next()
    assert (message.payload, message.retain) == (b"offline", True)


RETAINED = [
    ("frame/1/2/3", b"\xff\xd8picture"),
    ("gate/1/2", b"entry"),
    ("telemetry", b"{}"),
    ("status", bytes(5_000)),
]


def test_a_device_leaves_nothing_at_the_broker_but_its_status(
    embedded: Broker, unique: Callable[[str], str]
) -> None:
    device = f"{unique('site')}/cam"
    for user in ("bridge", device):
        embedded.add(user)
    with Client(embedded, "bridge") as bridge, Client(embedded, device) as camera:
        bridge.subscribe(f"parking/v1/{device}/#")
        for suffix, payload in RETAINED:
            camera.publish(mqtt_topic(device, suffix), payload, retain=True)
            assert bridge.next().payload == payload, "it is handed on all the same"
    with Client(embedded, "bridge") as late:
        late.subscribe(f"parking/v1/{device}/#")
        assert late.quiet()
        refusals: dict[str, Any] = {}

        def counted() -> bool:
            while not late.messages.empty():
                refusals.update(json.loads(late.next().payload))
            return int(refusals.get("retain", 0)) >= len(RETAINED)

        late.subscribe("$SYS/broker/refused")
        assert until(counted, 5)
    with Client(embedded, device) as camera:
        camera.publish(mqtt_topic(device, "status"), b"small", retain=True)
    with Client(embedded, "bridge") as late:
        late.subscribe(f"parking/v1/{device}/#")
        assert late.next().payload == b"small", "NC: a status is kept"


def sent_of_a_packet_without_end(connection: socket.socket, size: int, most: int) -> int:
    """Return how many bytes of a PUBLISH that announces `size` bytes were sent before the broker
    hung up."""
    digits = bytearray()
    while size:
        size, digit = divmod(size, 128)
        digits.append(digit | (128 if size else 0))
    connection.settimeout(10)
    sent = 0
    try:
        connection.sendall(b"\x30" + bytes(digits))
        while sent < most:
            connection.sendall(bytes(65_536))
            sent += 65_536
        assert connection.recv(1) == b""
    except ConnectionError:
        pass
    return sent


MOST = 30_000_000  # the system's own buffers take some


def test_nobody_fills_the_brokers_memory_with_one_packet(broker: Broker, device: str) -> None:
    with socket.create_connection((HOST, broker.port), 5) as stranger:
        assert sent_of_a_packet_without_end(stranger, 100_000_000, MOST) < MOST
    with socket.create_connection((HOST, broker.port), 5) as known:
        known.sendall(connect_packet(device))
        assert known.recv(4) == b"\x20\x02\x00\x00"
        assert sent_of_a_packet_without_end(known, 100_000_000, MOST) < MOST
    with Client(broker, device):
        pass


def test_before_login_a_packet_is_small(embedded: Broker) -> None:
    with socket.create_connection((HOST, embedded.port), 5) as stranger:
        stranger.settimeout(5)
        stranger.sendall(b"\x10\xff\xff\x3f" + bytes(20_000))  # a CONNECT of a megabyte
        with contextlib.suppress(ConnectionError):
            assert stranger.recv(1) == b"", "it is not waited for"


def test_a_client_id_reaches_the_log_escaped(
    embedded: Broker, unique: Callable[[str], str]
) -> None:
    hostile = "bad\x1b[2J\r\nERROR all is lost\x9b\u202e"
    assert Client(embedded, hostile, client_id=hostile).connect().is_failure
    shown = embedded.shown
    assert shown is not None
    assert until(lambda: "bad\\u001b[2J" in shown.read_text("utf-8"))
    assert all(line.isprintable() for line in shown.read_text("utf-8").splitlines())


def test_what_was_not_acknowledged_comes_again(
    broker: Broker, device: str, unique: Callable[[str], str]
) -> None:
    """With manual acknowledgement and a persistent session, this is how the bridge survives a
    crash."""
    session = {"client_id": unique("bridge"), "clean_session": False, "manual_ack": True}
    topic = mqtt_topic(device, "gate", 1, 7)
    first = Client(broker, "bridge", **session)
    with first, Client(broker, device) as gate:
        first.subscribe(mqtt_topic(device, "gate/#"))
        gate.publish(topic, b"entry")
        assert first.next().payload == b"entry"
        first.drop()  # before its acknowledgement
        gate.publish(mqtt_topic(device, "gate", 1, 8), b"exit")  # while nobody listens
    with Client(broker, "bridge", **session) as second:
        again = second.next()
        assert again.payload == b"entry"  # aedes omits the dup flag: nobody may rely on it
        missed = second.next()
        assert missed.payload == b"exit"
        for message in (again, missed):
            second.client.ack(message.mid, message.qos)
        assert second.quiet()
    with Client(broker, "bridge", **session) as third:
        assert third.quiet()


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept"])
def test_a_device_cannot_take_the_bridges_place(
    broker: Broker, device: str, unique: Callable[[str], str], clean: bool
) -> None:
    """With the bridge's client id, a device would end the bridge's connection and get or wipe its
    queue."""
    session = {"client_id": unique("bridge"), "clean_session": False}
    topic = mqtt_topic(device, "gate", 1, 7)
    thief = f"{device}-2"
    broker.add(thief)
    with Client(broker, "bridge", **session) as bridge:
        bridge.subscribe(mqtt_topic(device, "gate/#"))
        Client(broker, thief, client_id=session["client_id"], clean_session=clean).visit()
        assert not bridge.lost
    with Client(broker, device) as gate:
        gate.publish(topic, b"entry")  # waits for the bridge
    visitor = Client(broker, thief, client_id=session["client_id"], clean_session=clean)
    visitor.visit()
    assert visitor.messages.empty()
    with Client(broker, "bridge", **session) as bridge:
        assert bridge.next().payload == b"entry"


def test_a_device_cannot_take_another_devices_place(
    broker: Broker, bridge: Client, device: str
) -> None:
    thief = f"{device}-2"
    broker.add(thief)
    names = (device, device.replace("/", "_"))
    for client_id in names:
        with Client(broker, device, client_id=client_id) as camera:
            camera.subscribe(mqtt_topic(device, "ack"))
            for stolen in names:
                Client(broker, thief, client_id=stolen).visit()
            bridge.publish(mqtt_topic(device, "ack"), b"mine")
            assert camera.next().payload == b"mine"
            assert not camera.lost


def test_no_device_enters_where_the_bridge_does(broker: Broker, device: str) -> None:
    """On that listener clients may choose any client id."""
    if not broker.bridge_port:
        pytest.skip("one listener: the user decides")
    beside = replace(broker, port=broker.bridge_port)
    assert Client(beside, device).connect().is_failure


def test_an_oversize_message_reaches_nobody(broker: Broker, bridge: Client, device: str) -> None:
    with Client(broker, device) as camera:
        camera.try_publish(mqtt_topic(device, "frame"), bytes(2_000_000))
    assert bridge.quiet()
    with Client(broker, device) as camera:
        camera.publish(mqtt_topic(device, "telemetry"), b"{}")
    assert bridge.next().payload == b"{}"
