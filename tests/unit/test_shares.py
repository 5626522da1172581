"""Each sender has its share. A sender that exceeds it is refused, and nobody else notices."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.core.events import DeviceReported
from parking.core.shares import Buckets, Rate
from parking.core.topics import DEVICE_EVENTS
from parking.runtime.settings import Reader
from parking.wire.codec import from_json
from services.ingest.handler import limited
from services.ingest.messages import Message
from services.ingest.pull.pulled import fetched, reached
from services.ingest.shares import Shares, ShareSettings

NOW_MS = 1_795_000_000_000


def gate(device: str, seq: int, now_ms: int = NOW_MS, payload: bytes = b"{}") -> Message:
    return Message(f"parking/v1/{device}/gate/1/{seq}", payload, now_ms)


def shares(**environ: str) -> Shares:
    env = Reader(environ)
    settings = ShareSettings.read(env)
    env.done()
    return Shares(settings)


# ---------------------------------------------------------------- buckets
def test_a_bucket_gives_its_burst_then_its_rate():
    buckets = Buckets(Rate(10, 3))
    assert [buckets.take("a", 1, NOW_MS) for _ in range(4)] == [True, True, True, False]
    assert not buckets.take("a", 1, NOW_MS + 99)
    assert buckets.take("a", 1, NOW_MS + 100)
    assert [buckets.take("a", 1, NOW_MS + 60_000) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b", 1, NOW_MS), "another key has its own"


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 9)), max_size=200))
def test_nobody_gets_more_than_burst_and_rate_allow(steps: list[tuple[int, int]]):
    buckets, now_ms, spent = Buckets(Rate(7, 20)), NOW_MS, 0
    for wait_ms, amount in steps:
        now_ms += wait_ms
        spent += amount if buckets.take("a", amount, now_ms) else 0
    assert spent <= 20 + 7 * (now_ms - NOW_MS) / 1000 + 1e-6


def test_a_clock_that_is_set_back_neither_fills_nor_blocks():
    buckets = Buckets(Rate(1, 2))
    assert buckets.take("a", 2, NOW_MS)
    assert not buckets.take("a", 1, NOW_MS - 3_600_000)
    assert buckets.take("a", 1, NOW_MS - 3_600_000 + 1_000), "it fills by the clock as it is now"


def test_more_than_the_burst_at_once_is_taken_from_a_full_bucket():
    buckets = Buckets(Rate(10, 5))
    assert buckets.take("a", 50, NOW_MS)
    assert not buckets.take("a", 1, NOW_MS + 4_000)
    assert buckets.take("a", 1, NOW_MS + 4_700)


def test_keys_are_bounded():
    buckets = Buckets(Rate(1, 1), max_keys=3)
    for number in range(10):
        assert buckets.take(str(number), 1, NOW_MS)
    assert len(buckets) == 3
    assert not buckets.take("9", 1, NOW_MS)


@pytest.mark.parametrize("text", ["", "5", "0/5", "5/0", "-1/5", "x/5", "nan/5", "5/nan", "inf/5"])
def test_an_invalid_rate_is_refused(text: str):
    with pytest.raises(ValueError, match=r".+"):
        Rate.parse(text)


# ---------------------------------------------------------------- settings
def test_shares_have_sensible_values_and_can_be_switched_off():
    env = Reader({"SHARE_DEVICE_EVENTS": "2/3", "SHARE_SITE_BYTES": "off"})
    rates = ShareSettings.read(env).rates
    env.done()
    assert rates["device", "events"] == Rate(2, 3)
    assert rates["site", "bytes"] == Rate()
    assert rates["device", "frames"] == Rate(20, 60)
    off = ShareSettings.read(Reader({"SHARES": "off"})).rates
    assert set(off.values()) == {Rate()}


def test_a_bad_share_is_named():
    env = Reader({"SHARE_SITE_EVENTS": "many"})
    ShareSettings.read(env)
    assert env.problems
    assert env.problems[0].startswith("SHARE_SITE_EVENTS")


# ---------------------------------------------------------------- devices and sites
def test_a_device_above_its_share_leaves_the_others_of_its_site_and_other_sites_alone():
    limits = shares(SHARE_DEVICE_EVENTS="20/100", SHARE_SITE_EVENTS="50/300")
    flood = [limits.excess(gate("a/bad", seq)) for seq in range(30_000)]
    assert sum(excess is None for excess in flood) == 100
    assert {(e.of, e.what) for e in flood if e} == {("device", "events")}
    assert limits.excess(gate("a/good", 1)) is None
    assert limits.excess(gate("b/gate", 1)) is None
    second = [limits.excess(gate("a/bad", seq, NOW_MS + 1_000)) for seq in range(100)]
    assert sum(excess is None for excess in second) == 20


def test_negative_control_without_shares_the_whole_flood_passes():
    limits = shares(SHARES="off")
    assert all(limits.excess(gate("a/bad", seq)) is None for seq in range(1_000))


def test_many_devices_of_one_site_share_the_sites():
    limits = shares(SHARE_DEVICE_EVENTS="20/100", SHARE_SITE_EVENTS="50/300")
    flood = [limits.excess(gate(f"a/bad-{n % 50}", n)) for n in range(2_000)]
    assert sum(excess is None for excess in flood) == 300
    assert {e.of for e in flood if e} == {"site"}
    assert limits.excess(gate("b/gate", 1)) is None


def test_bytes_have_a_share_of_their_own():
    limits = shares(SHARE_DEVICE_BYTES="1000/5000")
    frames = [
        Message("parking/v1/a/cam/frame/1/1/0", bytes(1_000), NOW_MS),
        *[gate("a/cam", n, payload=bytes(1_000)) for n in range(9)],
    ]
    found = [limits.excess(message) for message in frames]
    assert sum(excess is None for excess in found) == 5
    assert {(e.of, e.what) for e in found if e} == {("device", "bytes")}


def test_dead_letters_of_one_device_are_bounded_in_bytes():
    limits = shares(SHARE_DEVICE_LETTERS="10/5000")
    kept = [limits.keeps(gate("a/bad", n), 1_000) for n in range(300)]
    assert sum(kept) == 5
    assert limits.keeps(gate("a/good", 1), 1_000), "another device has its own"
    assert limits.keeps(gate("a/bad", 1, NOW_MS + 100_000), 1_000)
    unlimited = shares(SHARES="off")
    assert all(unlimited.keeps(gate("a/bad", n), 1_000) for n in range(300))


def test_what_the_broker_had_retained_is_not_counted():
    limits = shares(SHARE_DEVICE_EVENTS="1/1")
    kept = Message("parking/v1/a/cam/status", b"{}", NOW_MS, retained=True)
    assert [limits.excess(kept) for _ in range(5)] == [None] * 5


def test_the_device_gets_a_few_answers_and_the_fleet_one_report_a_minute():
    limits = shares(SHARE_DEVICE_EVENTS="1/1")
    messages = [gate("a/bad", seq) for seq in range(1_000)]
    decided = [limited(m, excess) for m in messages if (excess := limits.excess(m))]
    assert len(decided) == 999
    answers = [handled.reply for handled in decided if handled.reply]
    assert len(answers) == 20, "a flood of answers would be one, too"
    assert answers[0].topic == "parking/v1/a/bad/ack"
    ack = json.loads(answers[0].payload)
    expected = {"of": "gate", "boot_id": 1, "seq": 1, "result": "rejected", "reason": "rate"}
    assert expected.items() <= ack.items()
    assert "again later" in ack["detail"]
    [record] = [record for handled in decided for record in handled.outgoing]
    assert record.topic == DEVICE_EVENTS
    event = from_json(record.value or b"", DeviceReported)
    assert (event.kind, event.reason, event.device_id) == ("heartbeat", "rate", "a/bad")


def test_polled_pictures_take_from_the_same_share_as_published_ones():
    limits = shares(SHARE_SITE_FRAMES="1/10")
    polled = [fetched(f"a/cam-{n}", "snapshot", b"jpeg", NOW_MS) for n in range(8)]
    published = [Message(f"parking/v1/a/dev-{n}/frame/1/1/0", b"jpeg", NOW_MS) for n in range(8)]
    found = [limits.excess(message) for message in (*polled, *published)]
    assert sum(excess is None for excess in found) == 10
    assert {(e.of, e.what) for e in found if e} == {("site", "frames")}
    assert limits.excess(fetched("b/cam", "rtsp", b"jpeg", NOW_MS)) is None


def test_ingests_own_reports_about_polled_cameras_are_always_written():
    limits = shares(SHARE_DEVICE_EVENTS="1/1", SHARE_DEVICE_FRAMES="1/1")
    reports = [reached("a/cam", "timeout", f"1/{n}", NOW_MS) for n in range(10)]
    assert [limits.excess(one) for one in reports] == [None] * 10


def test_a_polled_camera_above_its_share_is_reported_and_gets_no_answer():
    limits = shares(SHARE_DEVICE_FRAMES="1/1")
    pictures = [fetched("a/cam", "mjpeg", b"jpeg", NOW_MS) for _ in range(10)]
    decided = [limited(m, excess) for m in pictures if (excess := limits.excess(m))]
    assert len(decided) == 9
    assert [handled.reply for handled in decided] == [None] * 9
    [record] = [record for handled in decided for record in handled.outgoing]
    event = from_json(record.value or b"", DeviceReported)
    assert (event.reason, event.device_id) == ("rate", "a/cam")
