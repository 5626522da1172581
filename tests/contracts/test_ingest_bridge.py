"""The bridge's acknowledgements and limits, against a scripted MQTT broker."""

import asyncio
import json

import pytest

from parking.core.events import FrameReceived
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
)
from parking.runtime import metrics
from parking.runtime.ops import SystemClock
from parking.wire.codec import decode
from services.ingest import bridge as bridge_module
from services.ingest import clocks, connection, mqtt
from services.ingest.handover import Delivery
from services.ingest.mqtt import MqttLink
from services.ingest.replay import Used
from tests.support.scripted_mqtt import JPEG, Bridge, Peer, ScriptedBroker, bridge, count, gate
from tests.support.waiting import until

DUP = 0x08
NOW_MS = 1_795_000_000_000


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(bridge_module, "FIRST_DELAY_S", 0.05)


# ---------------------------------------------------------------- acknowledgement
async def test_a_message_is_acknowledged_only_when_kafka_has_it_and_its_device_is_answered_first():
    async with bridge() as b:
        peer = await b.broker.peer()
        await peer.publish(*gate(1), mid=5)
        await until(lambda: b.kafka.waiting)
        assert peer.got == []
        b.kafka.allowed.release()
        await until(lambda: peer.acked)
        assert peer.got == [("publish", "parking/v1/demo/gate/ack"), ("puback", 5)]
        assert b.kafka.ids(GATE_EVENTS) == ["demo/gate/gate/1/1"]


async def hundred_gate_events(b: Bridge) -> Peer:
    """Publish a hundred gate events and wait until all of them are acknowledged."""
    peer = await b.broker.peer()
    b.kafka.open()
    for mid in range(1, 101):
        await peer.publish(*gate(mid), mid=mid)
    await until(lambda: len(peer.acked) == 100)
    return peer


async def test_acknowledgements_are_sent_in_the_order_of_receipt():
    async with bridge() as b:
        peer = await hundred_gate_events(b)
        assert peer.acked == list(range(1, 101))
        assert b.kafka.ids(GATE_EVENTS) == [f"demo/gate/gate/1/{n}" for n in range(1, 101)]


@pytest.fixture
def slow_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a broker that acknowledges nothing that the bridge publishes."""
    answer = ScriptedBroker.answer

    def silent(self: ScriptedBroker, peer: Peer, kind: int, body: bytes) -> None:
        if kind == 3:
            peer.got.append(("publish", body))
        else:
            answer(self, peer, kind, body)

    monkeypatch.setattr(ScriptedBroker, "answer", silent)


@pytest.mark.usefixtures("slow_broker")
async def test_devices_are_answered_first_even_by_a_slow_broker():
    """No PUBACK may overtake an ack."""
    async with bridge() as b:
        peer = await hundred_gate_events(b)
        published = 0
        for kind, what in peer.got:
            published += kind == "publish"
            assert kind == "publish" or published >= int(str(what))


@pytest.mark.usefixtures("slow_broker")
async def test_answers_that_find_no_room_are_counted(monkeypatch):
    monkeypatch.setattr(connection, "_MAX_REPLIES", 30)
    before = count(metrics.REPLIES_DROPPED, "queue-full")
    async with bridge() as b:
        peer = await hundred_gate_events(b)
        assert sum(kind == "publish" for kind, _ in peer.got) == 30
        assert count(metrics.REPLIES_DROPPED, "queue-full") - before == 70


async def test_answers_without_a_connection_are_counted():
    before = count(metrics.REPLIES_DROPPED, "not-connected")
    async with bridge() as b:
        peer = await b.broker.peer()
        await peer.publish(*gate(1), mid=1)
        await until(lambda: b.kafka.waiting)
        b.broker.connack_code = 5
        peer.drop()
        await until(lambda: b.health.waiting)
        b.kafka.open()
        await until(lambda: count(metrics.REPLIES_DROPPED, "not-connected") == before + 1)


async def test_a_plain_frame_sent_again_waits_for_kafka_as_its_original_does():
    async with bridge() as b:
        first = await b.broker.peer()
        await first.publish("parking/v1/demo/north/frame", JPEG, mid=1)
        await until(lambda: b.kafka.waiting == 1)
        first.drop()
        second = await b.broker.peer(2)
        await second.publish("parking/v1/demo/north/frame", JPEG, mid=1, flags=DUP)
        await second.publish(*gate(2), mid=2)  # received behind it
        await until(lambda: len(b.room) >= 1)
        assert second.acked == []
        b.kafka.open()
        await until(lambda: second.acked == [1, 2])
        assert len(set(b.kafka.ids(FRAMES))) == 1


async def test_a_device_whose_clock_is_slow_is_known_by_its_pictures(monkeypatch):
    monkeypatch.setattr(clocks, "PROOF_MS", 0)
    async with bridge() as b:
        b.kafka.open()
        peer = await b.broker.peer()
        for seq in range(3):
            topic = f"parking/v1/demo/north/frame/1/{seq}/{SystemClock().now_ms() - 30_000}"
            await peer.publish(topic, JPEG, mid=seq + 1)
        await until(lambda: len(peer.acked) == 3)
        frames = [decode(record) for record in b.kafka.broker.records(FRAMES)]
        reasons = [frame.time_reason for frame in frames if isinstance(frame, FrameReceived)]
        assert reasons == [None, None, "slow-clock"]


CAPTURED = 1_000


async def replay(b: Bridge) -> tuple[int, int]:
    """Send a device's frames, then replay all of them. Return how many are in Kafka twice and how
    many were counted as replayed."""
    before = count(metrics.REPLAYS, "frame")
    b.kafka.open()
    peer = await b.broker.peer()
    topics = [f"parking/v1/demo/north/frame/1/{n}/{NOW_MS + n}" for n in range(1, CAPTURED + 1)]
    for mid, topic in enumerate(topics * 2, start=1):
        await peer.publish(topic, JPEG, mid=mid)
        if mid % 16 == 0:  # few enough that none is replaced by a newer one
            await until(lambda: len(peer.acked) == mid)  # noqa: B023 -- awaited here
    ids = b.kafka.ids(FRAMES)
    return len(ids) - len(set(ids)), int(count(metrics.REPLAYS, "frame") - before)


async def test_replayed_frames_are_counted_reported_and_not_written():
    async with bridge() as b:
        assert await replay(b) == (0, CAPTURED)
        reported = set(b.kafka.ids(DEVICE_EVENTS))
        assert 1 <= len(reported) <= 2  # one a minute
        assert all("demo/north/replay/" in name for name in reported)


async def test_negative_control_without_a_memory_replayed_frames_are_written(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Used, "__contains__", lambda _self, _number: False)
    async with bridge() as b:
        assert await replay(b) == (CAPTURED, 0)


async def test_a_gate_event_sent_again_is_acked_again_and_counted():
    async with bridge() as b:
        before = count(metrics.REPLAYS, "gate")
        b.kafka.open()
        peer = await b.broker.peer()
        for mid in (1, 2):
            await peer.publish(*gate(1), mid=mid)
        await until(lambda: peer.acked == [1, 2])
        assert [topic for kind, topic in peer.got if kind == "publish"] == [
            "parking/v1/demo/gate/ack"
        ] * 2
        assert count(metrics.REPLAYS, "gate") == before + 1


async def reused_numbers(b: Bridge) -> tuple[list[int], Peer]:
    """Hold 20 messages. The broker restarts without its sessions and reuses the numbers 1..20, and
    then Kafka accepts 16 messages of the first connection. Return the acknowledgements sent by
    then."""
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
    await until(lambda: len(b.room) < 40 - taken)  # the next batch is accepted: all is settled
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


async def test_records_kafka_refuses_for_good_are_reported_and_delay_nothing():
    async with bridge() as b:
        peer = await b.broker.peer()
        b.kafka.refuses = {"demo/gate/gate/1/2", "demo/north/1/4"}
        for seq in (1, 2, 3):
            await peer.publish(*gate(seq), mid=seq)
        await peer.publish("parking/v1/demo/north/frame/1/4/0", JPEG, mid=4)
        await until(lambda: len(b.room) + b.kafka.waiting == 4)
        b.kafka.open()
        await until(lambda: peer.acked == [1, 2, 3, 4])
        assert b.kafka.ids(GATE_EVENTS) == ["demo/gate/gate/1/1", "demo/gate/gate/1/3"]
        assert b.kafka.ids(FRAMES) == []
        for topic in (DEAD_LETTERS, DEAD_LETTERS_FRAMES):
            assert b.kafka.reasons(topic) == ["too-large-for-kafka"]


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
