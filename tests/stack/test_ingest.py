"""The bridge as a process, between a real MQTT broker and real Kafka."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
)
from tests.support.brokers import EACH, NEEDS_MOSQUITTO, Broker, Client, mosquitto
from tests.support.ingest_process import Bridge, Log, picture
from tests.support.waiting import wait_until
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra

pytestmark = pytest.mark.stack

GATE = {"direction": "entry", "gate": "main", "captured_at_ms": None, "plate_hash": None}
# Dies once Kafka has the message, before its device or the broker is answered.
KILLED_BEFORE_PUBACK = """
import os, runpy
from services.ingest.bridge import Lane
settle = Lane._settle
def die_at_the_message(self, item):
    if item.handled.outcome in ("gate", "frame"):
        os.kill(os.getpid(), 9)
    settle(self, item)
Lane._settle = die_at_the_message
runpy.run_module("services.ingest", run_name="__main__")
"""


@pytest.fixture(scope="module", params=EACH)
def broker(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Broker]:
    with request.param(tmp_path_factory.mktemp("broker")) as running:
        running.add("bridge")
        yield running


@pytest.fixture
def device(broker: Broker, unique) -> str:
    device_id = f"{unique('site')}/cam"
    broker.add(device_id)
    return device_id


def test_frames_gates_and_status_come_through(bridge: Bridge, broker: Broker, log: Log, device):
    site, root = device.split("/")[0], f"parking/v1/{device}"
    bridge.start()
    now_ms = time.time_ns() // 1_000_000
    offline = {"state": "offline", "boot_id": 1, "connection": 1, "reason": "lost"}
    with Client(broker, device, will=(f"{root}/status", json.dumps(offline).encode())) as client:
        client.subscribe(f"{root}/ack")
        online = json.dumps(offline | {"state": "online", "reason": None}).encode()
        client.publish(f"{root}/status", online, retain=True)
        client.publish(f"{root}/frame/1/1/{now_ms}", picture())
        client.publish(f"{root}/frame", picture(2))
        client.publish(f"{root}/frame", picture(2))
        client.client.publish(f"{root}/frame/1/2/{now_ms}", picture(3), qos=0)
        client.publish(f"{root}/frame/1/3/{now_ms}", picture()[:-40])
        client.publish(f"{root}/telemetry", b'{"rssi_dbm":-60}')
        client.publish(f"{root}/gate/1/1", json.dumps(GATE).encode())
        client.publish(f"{root}/gate/1/2", b'{"direction":"entry"}')
        client.publish(f"{root}/gate/1/1", json.dumps(GATE).encode())
        acks = [json.loads(client.next().payload) for _ in range(5)]
        results = [(ack["of"], ack["seq"], ack["result"], ack["reason"]) for ack in acks]
        assert [one for one in results if one[0] == "gate"] == [
            ("gate", 1, "accepted", None),
            ("gate", 2, "rejected", "bad-schema"),
            ("gate", 1, "accepted", None),
        ]
        assert [one for one in results if one[0] == "status"] == [("status", 1, "accepted", None)]
        assert [one for one in results if one[0] == "frame"] == [
            ("frame", 3, "rejected", "truncated")
        ]
        client.drop()
    wait_until(lambda: f"{device}/status/1/1/offline" in log.ids(DEVICE_EVENTS, site), 20, "gone")
    frames = log.of(FRAMES, site)
    assert {frame.id for frame in frames} >= {f"{device}/1/1", f"{device}/1/2"}
    assert len(frames) == 3
    assert frames[0].time_ms == now_ms
    assert log.ids(GATE_EVENTS, site) == [f"{device}/gate/1/1"] * 2
    kinds = [event.kind for event in log.of(DEVICE_EVENTS, site)]
    assert sorted(kinds) == ["heartbeat", "offline", "online", "telemetry"]
    assert [event.reason for event in log.of(DEAD_LETTERS, site)] == ["bad-schema"]
    assert [event.reason for event in log.of(DEAD_LETTERS_FRAMES, site)] == ["truncated"]
    assert bridge.end() == 0


@pytest.mark.parametrize("kind", ["gate", "frame"])
def test_killed_between_kafka_and_acknowledgement_it_comes_again_with_the_same_id(
    bridge: Bridge, broker: Broker, log: Log, device, kind
):
    site, topic = device.split("/")[0], GATE_EVENTS if kind == "gate" else FRAMES
    suffix = "gate/1/1" if kind == "gate" else "frame/1/1/0"
    payload = json.dumps(GATE).encode() if kind == "gate" else picture()
    event_id = f"{device}/gate/1/1" if kind == "gate" else f"{device}/1/1"
    bridge.start("-c", KILLED_BEFORE_PUBACK)
    with Client(broker, device) as client:
        client.subscribe(f"parking/v1/{device}/ack")
        client.publish(f"parking/v1/{device}/{suffix}", payload)
        assert bridge.process.wait(20) == -signal.SIGKILL
        assert log.ids(topic, site) == [event_id]
        bridge.start()
        wait_until(lambda: len(log.ids(topic, site)) == 2, 20, "delivered again")
        assert log.ids(topic, site) == [event_id] * 2
        if kind == "gate":
            assert json.loads(client.next().payload)["result"] == "accepted"
    assert bridge.end() == 0


def test_what_is_published_while_the_bridge_is_away_comes_when_it_is_back(
    bridge: Bridge, broker: Broker, log: Log, device
):
    site = device.split("/")[0]
    bridge.start()
    assert bridge.end(signal.SIGKILL) == -signal.SIGKILL
    with Client(broker, device) as client:
        for seq in range(1, 21):
            client.publish(f"parking/v1/{device}/gate/1/{seq}", json.dumps(GATE).encode())
    bridge.start()
    wait_until(lambda: len(log.ids(GATE_EVENTS, site)) >= 20, 20, "all there")
    assert log.ids(GATE_EVENTS, site) == [f"{device}/gate/1/{n}" for n in range(1, 21)]


def acked_all(client: Client, seqs: range) -> bool:
    """Return whether each of them was acked at least once, because an ack that was lost with its
    connection is sent again."""
    left = set(seqs)
    while left:
        left.discard(json.loads(client.next(60).payload)["seq"])
    return True


def test_while_kafka_stands_still_nothing_is_acknowledged_nothing_grows_nothing_is_lost(
    infra: Infra, bridge: Bridge, broker: Broker, log: Log, device
):
    site, root = device.split("/")[0], f"parking/v1/{device}"
    events, frames = 300, 120
    bridge.start(HANDOVER_EVENTS="20", HANDOVER_FRAMES="8")
    with Client(broker, device) as client:
        client.subscribe(f"{root}/ack")
        client.publish(f"{root}/gate/1/0", json.dumps(GATE).encode())
        client.publish(f"{root}/frame/1/0/0", picture())
        assert json.loads(client.next().payload)["seq"] == 0
        wait_until(lambda: bridge.metric("parking_frames_accepted_total") == 1, 10, "accepted")
        rss = psutil.Process(bridge.process.pid).memory_info().rss
        infra.kill("kafka", signal.SIGSTOP)
        try:
            large = json.dumps(GATE | {"pad": "x" * 10_000}).encode()
            for seq in range(1, events + 1):
                client.client.publish(f"{root}/gate/1/{seq}", large, qos=1)
            for seq in range(1, frames + 1):
                client.client.publish(f"{root}/frame/1/{seq}/0", picture(seq), qos=1)
            wait_until(lambda: "kafka-events" in bridge.waiting(), 15, "reported by /readyz")
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                assert bridge.metric("parking_handover_messages") <= 20 + 8 + 5
                time.sleep(0.2)
            acked = {json.loads(message.payload)["seq"] for message in client.rest()}
            assert acked <= {0}, "an end-to-end ack before Kafka has it"
            grown = psutil.Process(bridge.process.pid).memory_info().rss - rss
            assert grown <= 50_000_000
            assert httpx.get(f"{bridge.url}/healthz").status_code == 200
        finally:
            infra.kill("kafka", signal.SIGCONT)
        assert acked_all(client, range(1, events + 1))
    assert set(log.ids(GATE_EVENTS, site)) == {f"{device}/gate/1/{n}" for n in range(events + 1)}

    def settled() -> float:
        accepted = bridge.metric("parking_frames_accepted_total")
        return accepted + bridge.metric("parking_frames_dropped_total")

    wait_until(lambda: settled() >= frames + 1, 20, "every frame accepted or dropped, counted")
    wait_until(lambda: f"{device}/1/{frames}" in log.ids(FRAMES, site), 20, "the newest won")
    wait_until(bridge.is_ready, 20, "ready again")


def test_a_killed_kafka_costs_no_event(infra: Infra, bridge: Bridge, broker: Broker, log, device):
    site, root, events = device.split("/")[0], f"parking/v1/{device}", 200
    bridge.start()
    starts = infra.starts("kafka")
    with Client(broker, device) as client:
        client.subscribe(f"{root}/ack")
        for seq in range(events):
            if seq == events // 2:
                infra.kill("kafka", signal.SIGKILL)
            client.client.publish(f"{root}/gate/1/{seq}", json.dumps(GATE).encode(), qos=1)
        infra.wait_restarted("kafka", starts + 1, 90)
        assert acked_all(client, range(events))
    assert set(log.ids(GATE_EVENTS, site)) == {f"{device}/gate/1/{n}" for n in range(events)}
    wait_until(bridge.is_ready, 20, "ready again")


def test_it_starts_before_kafka_and_broker_and_says_what_it_waits_for(bridge: Bridge):
    kafka, mqtt = free_ports(2)
    bridge.launch(KAFKA_BOOTSTRAP=f"{HOST}:{kafka}", MQTT_PORT=str(mqtt))

    def reports_of() -> bool:
        try:
            reasons = bridge.waiting()
        except httpx.HTTPError:
            return False
        return "Kafka cannot be reached" in reasons.get("kafka-events", "") and (
            "no connection" in reasons.get("mqtt-events", "")
        )

    wait_until(reports_of, 30, "reported")
    assert httpx.get(f"{bridge.url}/healthz").status_code == 200
    key = bridge.keys.add("demo/cam", "frames")
    headers = {"Content-Type": "image/jpeg", "Authorization": f"Bearer {key}"}
    url = f"{bridge.url}/ingest/v1/frames/demo/cam"
    answer = httpx.post(url, content=picture(), headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (503, "kafka-away")
    assert "Retry-After" in answer.headers
    assert bridge.end() == 0, "a stop does not wait for what is away"


def test_the_http_intake_takes_pictures_with_a_key_only(bridge: Bridge, log: Log, device: str):
    key = bridge.keys.add(device, "frames")
    bridge.start()
    url = f"{bridge.url}/ingest/v1/frames/{device}"
    jpeg = {"Content-Type": "image/jpeg"}
    good = jpeg | {"Authorization": f"Bearer {key}"}
    taken = httpx.post(url, content=picture(), headers=good | {"X-Boot-Id": "5", "X-Seq": "6"})
    assert (taken.status_code, taken.json()["frame_id"]) == (202, f"{device}/5/6")
    assert httpx.post(url, content=picture(), headers=jpeg).status_code == 401
    wrong = jpeg | {"Authorization": "Bearer pk_wrong"}
    assert httpx.post(url, content=picture(), headers=wrong).status_code == 401
    assert httpx.post(url, content=b"\0" * 1_000_001, headers=good).status_code == 413
    assert httpx.post(url, content=b"no picture", headers=good).json()["error"] == "not-a-jpeg"
    site = device.split("/")[0]
    assert log.ids(FRAMES, site) == [f"{device}/5/6"]
    assert [letter.reason for letter in log.of(DEAD_LETTERS_FRAMES, site)] == ["not-a-jpeg"]


def next_gate_ack(client: Client) -> int:
    """Return its sequence number. Each bridge acknowledges the status as well."""
    while (ack := json.loads(client.next().payload))["of"] != "gate":
        continue
    seq: int = ack["seq"]
    return seq


@NEEDS_MOSQUITTO
def test_bridges_that_share_split_the_load_and_keep_each_gates_order(
    infra: Infra, tmp_path: Path, log: Log, unique
):
    """The embedded broker has no shared subscriptions, so there one bridge takes everything."""
    site, group, devices, events = unique("site"), unique("group"), 8, 25
    with mosquitto(tmp_path) as broker:
        broker.add("bridge")
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        bridges = [
            Bridge(infra, broker, tmp_path / name, f"{group}-{name}") for name in ("one", "two")
        ]
        try:
            for bridge in bridges:
                bridge.start(MQTT_SHARE_GROUP=group)
            for number in range(devices):
                device = f"{site}/gate-{number}"
                broker.add(device)
                with Client(broker, device) as client:
                    client.subscribe(f"parking/v1/{device}/ack")
                    online = {"state": "online", "boot_id": 1, "connection": 1}
                    client.publish(
                        f"parking/v1/{device}/status", json.dumps(online).encode(), retain=True
                    )
                    for seq in range(events):  # one in flight, as devices do
                        client.publish(
                            f"parking/v1/{device}/gate/1/{seq}", json.dumps(GATE).encode()
                        )
                        assert next_gate_ack(client) == seq
            taken = [bridge.metric("parking_gate_events_total") for bridge in bridges]
        finally:
            for bridge in bridges:
                bridge.end()
    assert sum(taken) == devices * events
    assert min(taken) > 0, f"one of the bridges took nothing: {taken}"
    written = log.ids(GATE_EVENTS, site)
    for number in range(devices):
        own = [name for name in written if name.startswith(f"{site}/gate-{number}/")]
        assert own == [f"{site}/gate-{number}/gate/1/{seq}" for seq in range(events)]
    statuses = log.ids(DEVICE_EVENTS, site)
    assert all(statuses.count(name) == 2 for name in set(statuses)), "each bridge hears each status"
