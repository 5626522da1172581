"""A device that floods the bridge is refused above its share, and messages of others get
through."""

from collections import Counter

import pytest

from parking.core.topics import DEAD_LETTERS, DEVICE_EVENTS, FRAMES, GATE_EVENTS
from parking.runtime import metrics
from parking.runtime.settings import Reader
from services.ingest.pull import puller
from services.ingest.pull.camerafile import Camera
from services.ingest.shares import Shares, ShareSettings
from tests.support.cameras import http_cameras
from tests.support.pulling import pulling
from tests.support.scripted_mqtt import Bridge, Peer, bridge, count, gate
from tests.support.waiting import until

FLOOD, OTHERS, BURST = 2_000, 20, 50


async def flood(b: Bridge) -> Peer:
    """Send one device's gate events, interleaved with those of another site, and expect all to be
    acknowledged."""
    peer = await b.broker.peer()
    for number in range(1, FLOOD + 1):
        await peer.publish(*gate(number, device="a/bad"), mid=number)
        if number % (FLOOD // OTHERS) == 0:
            seq = number * OTHERS // FLOOD
            await peer.publish(*gate(seq, device="b/good"), mid=FLOOD + seq)
    await until(lambda: len(peer.acked) == FLOOD + OTHERS)
    return peer


def written(b: Bridge) -> Counter[str]:
    return Counter(name.rsplit("/gate/", 1)[0] for name in b.kafka.ids(GATE_EVENTS))


async def test_a_flood_is_refused_above_its_share_and_the_others_are_taken():
    env = {"SHARE_DEVICE_EVENTS": f"0.001/{BURST}", "SHARE_SITE_EVENTS": f"0.001/{BURST}"}
    shares = Shares(ShareSettings.read(Reader(env)))
    before = count(metrics.SHARE_EXCEEDED, "device", "events")
    async with bridge(shares=shares) as b:
        b.kafka.open()
        peer = await flood(b)
        assert written(b) == {"a/bad": BURST, "b/good": OTHERS}
        assert b.kafka.ids(DEVICE_EVENTS) == [b.kafka.ids(DEVICE_EVENTS)[0]], "one report a minute"
    assert count(metrics.SHARE_EXCEEDED, "device", "events") - before == FLOOD - BURST
    answers = Counter(str(topic) for kind, topic in peer.got if kind == "publish")
    assert answers["parking/v1/b/good/ack"] == OTHERS
    assert BURST < answers["parking/v1/a/bad/ack"] < FLOOD / 2, (
        "some refusals are answered, not all"
    )


async def test_negative_control_without_shares_the_flood_is_written():
    async with bridge(events=100_000) as b:
        b.kafka.open()
        await flood(b)
        assert written(b) == {"a/bad": FLOOD, "b/good": OTHERS}


async def test_garbage_above_its_share_is_refused_and_not_kept():
    env = {"SHARE_DEVICE_LETTERS": "0.001/3000", "SHARE_DEVICE_EVENTS": "off"}
    shares = Shares(ShareSettings.read(Reader(env)))
    before = count(metrics.SHARE_EXCEEDED, "device", "letters")
    async with bridge(shares=shares) as b:
        b.kafka.open()
        peer = await b.broker.peer()
        for mid in range(1, 101):
            await peer.publish("parking/v1/a/bad/gate/1/1", b"x" * 1_000, mid=mid)
        await until(lambda: len(peer.acked) == 100)
        kept = len(b.kafka.reasons(DEAD_LETTERS))
        assert 1 <= kept <= 3
        await peer.publish("parking/v1/a/other/gate/1/1", b"garbage", mid=101)
        await until(lambda: len(b.kafka.reasons(DEAD_LETTERS)) == kept + 1)
    assert count(metrics.SHARE_EXCEEDED, "device", "letters") - before == 100 - kept
    answers = [topic for kind, topic in peer.got if kind == "publish"]
    assert answers.count("parking/v1/a/bad/ack") == 100


async def test_while_kafka_is_slow_an_event_waits_for_one_of_each_sender():
    async with bridge(events=100_000) as b:
        peer = await b.broker.peer()
        for mid in range(1, 1_001):
            await peer.publish(*gate(mid, device="a/bad"), mid=mid)
        await peer.publish(*gate(1, device="b/good"), mid=1_001)
        await until(lambda: len(b.room) + b.kafka.waiting == 1_001)
        for _ in range(2):  # the batch being written to Kafka, and the next one
            b.kafka.allowed.release()
        await until(lambda: "b/good/gate/1/1" in b.kafka.ids(GATE_EVENTS))
        assert written(b)["a/bad"] < 1_000, "most of the flood still waits"


@pytest.mark.parametrize("on", [True, False], ids=["shares", "negative control: no shares"])
async def test_polled_cameras_of_one_site_share_the_sites(on: bool, monkeypatch):
    monkeypatch.setattr(puller, "MAX_SPREAD_S", 0.01)
    env = {"SHARE_SITE_FRAMES": f"0.001/{BURST}"} if on else {"SHARES": "off"}
    shares = Shares(ShareSettings.read(Reader(env)))
    before = count(metrics.SHARE_EXCEEDED, "site", "frames")
    async with http_cameras() as own:
        names = [f"flood/cam-{n}" for n in range(10)]
        cameras = [Camera(name, "mjpeg", own.url("/stream"), 0.005) for name in names]
        cameras.append(Camera("quiet/cam", "snapshot", own.url("/capture"), 0.05))
        async with pulling(*cameras, shares=shares) as world:
            await until(lambda: own.sent > 4 * BURST)
            seen = len(world.events(FRAMES, "quiet/cam"))
            await until(lambda: len(world.events(FRAMES, "quiet/cam")) > seen + 2)
            written = sum(len(world.events(FRAMES, name)) for name in names)
        reports = [e for name in names for e in world.events(DEVICE_EVENTS, name)]
    refused = count(metrics.SHARE_EXCEEDED, "site", "frames") - before
    assert (written == BURST, written > BURST, refused > BURST) == (on, not on, on)
    assert ("rate" in {e.reason for e in reports}) == on
    assert "offline" not in {e.kind for e in reports}, "the cameras can be reached"
