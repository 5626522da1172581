"""The handling of each message: ids, times, replies, dead letters. No I/O."""

import hashlib
import json
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.access.plates import Plates
from parking.core.errors import Invalid
from parking.core.events import (
    DeadLettered,
    DeviceReported,
    FrameReceived,
    GateEventReceived,
    PlateSealed,
)
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    PLATES,
)
from parking.runtime.memory import MemoryBroker
from parking.runtime.settings import Reader
from parking.wire import codec
from parking.wire.codec import decode, header
from parking.wire.ports import Outgoing
from services.ingest.clocks import Clocks
from services.ingest.frames import choose_time
from services.ingest.handler import handle_message, kafka_refused, refuse
from services.ingest.messages import Context, Handled, Limits, Message

NOW_MS = 1_750_000_000_000
LIMITS = Limits()
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
COMMENTED = JPEG[:2] + b"\xff\xfe\0\6cafe" + JPEG[2:]
GATE = {"direction": "entry", "gate": "main", "captured_at_ms": NOW_MS - 50, "plate_hash": None}
FIELDS = [
    "direction",
    "gate",
    "state",
    "boot_id",
    "connection",
    "rssi_dbm",
    "uptime_s",
    "heap_free_bytes",
    "captured_at_ms",
    "firmware",
    "reason",
    "plate_hash",
]


def message(suffix: str, payload: object = JPEG, **more: Any) -> Message:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(f"parking/v1/demo/north/{suffix}", body, NOW_MS, **more)


def handle(suffix: str, payload: object = JPEG, **more: Any) -> Handled:
    return handle_message(message(suffix, payload, **more), Context())


def event(handled: Handled):
    (record,) = handled.outgoing
    broker = MemoryBroker()
    broker.append(record)
    return decode(broker.records(record.topic)[0])


def only(handled: Handled) -> Outgoing:
    (record,) = handled.outgoing
    return record


def ack(handled: Handled) -> dict[str, object]:
    assert handled.reply is not None
    assert handled.reply.topic == "parking/v1/demo/north/ack"
    body: dict[str, object] = json.loads(handled.reply.payload)
    return body


# ---------------------------------------------------------------- frames
def test_a_frame_with_numbers_takes_its_id_from_them_and_its_time_from_the_device():
    handled = handle(f"frame/3/41/{NOW_MS - 100}")
    frame = event(handled)
    assert isinstance(frame, FrameReceived)
    assert frame.id == "demo/north/3/41"
    assert (frame.time_ms, frame.time_source, frame.time_reason) == (NOW_MS - 100, "device", None)
    assert (frame.received_at_ms, frame.captured_at_ms) == (NOW_MS, NOW_MS - 100)
    assert (frame.width, frame.height, frame.size_bytes) == (64, 48, len(JPEG))
    assert frame.sha256 == hashlib.sha256(JPEG).hexdigest()
    assert handled.frame_of == "demo/north"
    record = only(handled)
    assert (record.topic, record.key, record.value) == (FRAMES, b"demo/north", JPEG)
    assert handled.reply is None


def test_a_plain_frame_takes_its_id_from_what_was_sent_and_what_is_kept_is_stripped():
    handled = handle("frame", COMMENTED)
    frame = event(handled)
    assert frame.id == f"demo/north/{hashlib.sha256(COMMENTED).hexdigest()[:32]}"
    assert frame.sha256 == hashlib.sha256(JPEG).hexdigest() == handled.picture
    assert only(handled).value == JPEG
    assert frame.boot_id is None


def test_the_id_of_a_frame_does_not_know_when_it_came():
    first = event(handle("frame"))
    again = event(
        handle_message(Message("parking/v1/demo/north/frame", JPEG, NOW_MS + 999), Context())
    )
    assert first.id == again.id
    assert first.time_ms != again.time_ms


def test_the_same_plain_picture_again_is_a_sign_of_life_not_a_frame():
    known = Context(last_pictures={"demo/north": hashlib.sha256(JPEG).hexdigest()})
    handled = handle_message(message("frame", COMMENTED), known)
    assert handled.outcome == "repeated"
    reported = event(handled)
    assert isinstance(reported, DeviceReported)
    assert (reported.kind, reported.reason) == ("heartbeat", "frozen")
    assert only(handled).topic == DEVICE_EVENTS
    numbered = handle_message(message(f"frame/1/2/{NOW_MS}"), known)
    assert numbered.outcome == "frame"


def test_what_the_broker_repeats_is_not_a_frozen_camera():
    known = Context(last_pictures={"demo/north": hashlib.sha256(JPEG).hexdigest()})
    again = handle_message(message("frame", redelivered=True), known)
    assert again == handle_message(message("frame"), Context())


def test_a_retained_frame_is_of_unknown_age_and_ignored():
    assert handle("frame", retained=True) == Handled("ignored")
    assert handle(f"frame/1/2/{NOW_MS}", retained=True) == Handled("ignored")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (JPEG[:-20], "truncated"),
        (b"text", "not-a-jpeg"),
        (b"", "empty"),
        (b"\xff" * 1_500_000, "too-large"),
    ],
)
def test_a_bad_picture_goes_to_the_pictures_dead_letters_with_its_reason(payload, reason):
    handled = handle(f"frame/1/2/{NOW_MS}", payload)
    letter = event(handled)
    assert isinstance(letter, DeadLettered)
    assert handled.outcome == "refused"
    assert handled.reason == letter.reason == reason
    good = handle(f"frame/1/3/{NOW_MS}", JPEG)
    assert handled.frame_of not in (None, good.frame_of), "it gives way to its like only"
    answer = ack(handled)
    assert (answer["of"], answer["boot_id"], answer["seq"]) == ("frame", 1, 2)
    assert (answer["result"], answer["reason"]) == ("rejected", reason)
    record = only(handled)
    assert (record.topic, record.key) == (DEAD_LETTERS_FRAMES, b"demo/north")
    assert letter.topic == f"parking/v1/demo/north/frame/1/2/{NOW_MS}"
    assert (letter.length, letter.sha256) == (len(payload), hashlib.sha256(payload).hexdigest())
    assert letter.truncated == (len(payload) > LIMITS.frame_max_bytes)
    assert record.value == (payload[:65_536] if letter.truncated else payload)


def test_a_gate_event_that_kafka_refuses_is_rejected_and_its_dead_letter_is_the_last_word():
    error = Invalid("too-large-for-kafka", "so many bytes")
    refused = kafka_refused(handle("gate/7/3", GATE), error, NOW_MS)
    answer = {"of": "gate", "boot_id": 7, "seq": 3, "result": "rejected"}
    assert ack(refused) == answer | {"reason": error.reason, "detail": error.detail}
    assert (only(refused).topic, refused.reason) == (DEAD_LETTERS, error.reason)
    with pytest.raises(Invalid):
        kafka_refused(refused, error, NOW_MS)


# ---------------------------------------------------------------- time
@pytest.mark.parametrize(
    ("captured_at_ms", "time_ms", "reason"),
    [
        (None, NOW_MS, "no-clock"),
        (0, NOW_MS, "no-clock"),
        (1, NOW_MS, "too-old"),
        (NOW_MS - LIMITS.clock_back_ms - 1, NOW_MS, "too-old"),
        (NOW_MS - LIMITS.clock_back_ms, NOW_MS - LIMITS.clock_back_ms, None),
        (NOW_MS, NOW_MS, None),
        (NOW_MS + LIMITS.clock_ahead_ms, NOW_MS + LIMITS.clock_ahead_ms, None),
        (NOW_MS + LIMITS.clock_ahead_ms + 1, NOW_MS, "too-new"),
        (10**16 - 1, NOW_MS, "too-new"),
    ],
)
def test_the_time_is_the_devices_within_bounds_of_receipt(captured_at_ms, time_ms, reason):
    time = choose_time(captured_at_ms, NOW_MS, LIMITS)
    assert (time.time_ms, time.reason) == (time_ms, reason)
    assert time.source == ("device" if reason is None else "receipt")


def test_a_frame_of_a_device_that_counts_microseconds_can_be_read_by_those_after():
    frame = event(handle(f"frame/3/41/{NOW_MS * 1000}"))
    assert isinstance(frame, FrameReceived)
    assert (frame.time_ms, frame.time_reason, frame.captured_at_ms) == (NOW_MS, "too-new", None)


def test_a_picture_of_a_device_whose_clock_is_slow_takes_the_time_of_receipt():
    clocks = Clocks()
    for second in range(32):
        past = Message(
            f"parking/v1/demo/north/frame/3/{second}/{NOW_MS - 62_000 + second * 1000}",
            JPEG,
            NOW_MS - 32_000 + second * 1000,
        )
        clocks.heard(frame_of(handle_message(past, Context(clocks=clocks))))
    slow = handle_message(message(f"frame/3/41/{NOW_MS - 30_000}"), Context(clocks=clocks))
    frame = frame_of(slow)
    assert (frame.time_ms, frame.time_source, frame.time_reason) == (
        NOW_MS,
        "receipt",
        "slow-clock",
    )
    assert frame.captured_at_ms == NOW_MS - 30_000
    assert slow.number is not None
    assert slow.number.captured_at_ms == NOW_MS - 30_000, "by which a replay is known"
    gate = event(handle_message(message("gate/7/3", GATE), Context(clocks=clocks)))
    assert gate.time_source == "device"


def frame_of(handled: Handled) -> FrameReceived:
    assert handled.event is not None
    return handled.event


# ---------------------------------------------------------------- gates
def with_plates(rule: str) -> Context:
    key = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"
    entry = {"demo": {"plates": rule, "key": key}}
    return Context(plates=Plates.read(Reader({"PLATES": json.dumps(entry)})))


@pytest.mark.parametrize(
    ("rule", "topics", "hashes"),
    [("none", [GATE_EVENTS], 0), ("hash", [GATE_EVENTS], 0), ("text", [GATE_EVENTS, PLATES], 8)],
)
def test_what_goes_on_of_a_plate_is_by_its_sites_rule(rule, topics, hashes):
    sent = message("gate/3/17", GATE | {"plate": "B-AB 1234"})
    handled = handle_message(sent, with_plates(rule))
    assert [record.topic for record in handled.outgoing] == topics
    passage = codec.from_json(handled.outgoing[0].value or b"", GateEventReceived)
    assert (passage.plate_hash is None) == (rule == "none")
    assert len(passage.plate_near) == hashes
    assert not any(b"1234" in (record.value or b"") for record in handled.outgoing)
    if rule == "text":
        sealed = codec.from_json(handled.outgoing[1].value or b"", PlateSealed)
        assert (sealed.id, sealed.time_ms, sealed.gate_id) == (passage.id, passage.time_ms, "main")


@pytest.mark.parametrize("text", ["BAB1234", "0123456789abcdef\0", "x" * 500])
def test_a_gate_event_whose_hash_is_none_is_refused(text):
    """It could be a plate, and without a rule for its site it would be passed on unchanged."""
    handled = handle_message(message("gate/3/17", GATE | {"plate_hash": text}), Context())
    (letter,) = handled.outgoing
    assert (handled.reason, letter.topic) == ("bad-schema", DEAD_LETTERS)
    assert text.encode() not in (letter.value or b"")


def test_the_dead_letter_of_a_gate_event_holds_no_plate():
    sent = message("gate/3/17", GATE | {"plate": "BAB1234", "direction": "sideways"})
    handled = handle_message(sent, with_plates("text"))
    (letter,) = handled.outgoing
    assert letter.topic == DEAD_LETTERS
    assert b"BAB1234" not in (letter.value or b"")
    assert b"sideways" in (letter.value or b"")


def test_a_gate_event_is_written_by_site_and_its_device_is_answered():
    handled = handle("gate/7/3", GATE)
    gate = event(handled)
    assert isinstance(gate, GateEventReceived)
    assert gate.id == "demo/north/gate/7/3"
    assert (gate.direction, gate.gate_id, gate.time_ms) == ("entry", "main", NOW_MS - 50)
    assert (only(handled).topic, only(handled).key) == (GATE_EVENTS, b"demo")
    answer = {"of": "gate", "boot_id": 7, "seq": 3, "result": "accepted"}
    assert ack(handled) == answer | {"reason": None, "detail": None}
    assert handle("gate/7/3", GATE) == handled, "a duplicate is written and acked again"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"direction": "entry"}, "bad-schema"),
        (GATE | {"direction": "sideways"}, "bad-schema"),
        (GATE | {"gate": "no spaces"}, "bad-schema"),
        (GATE | {"captured_at_ms": -1}, "bad-schema"),
        (GATE | {"captured_at_ms": 10**30}, "bad-schema"),
        ([], "bad-schema"),
        (b"{", "bad-json"),
        (b"", "bad-json"),
        (b"\xff\xfe", "bad-json"),
        (b'{"x":' + b"[" * 100_000, "bad-json"),
    ],
)
def test_an_invalid_gate_event_is_a_dead_letter_and_rejected(payload, reason):
    handled = handle("gate/7/3", payload)
    assert handled.outcome == "refused"
    assert (only(handled).topic, only(handled).key) == (DEAD_LETTERS, b"demo")
    assert event(handled).reason == reason
    answer = ack(handled)
    assert answer.pop("detail"), "words for whoever looks for the fault"
    assert answer == {"of": "gate", "boot_id": 7, "seq": 3, "result": "rejected", "reason": reason}


# ---------------------------------------------------------------- devices
def test_status_and_last_will_keep_their_numbers_in_the_id():
    online = {"state": "online", "boot_id": 7, "connection": 2, "reason": "connected"}
    reported = event(handle("status", online, retained=True))
    assert reported.id == "demo/north/status/7/2/online"
    assert (reported.kind, reported.boot_id, reported.connection) == ("online", 7, 2)
    will = event(handle("status", online | {"state": "offline", "connection": 1}))
    assert will.id == "demo/north/status/7/1/offline"


def test_an_online_is_acked_so_that_new_firmware_knows_it_reaches_the_end():
    online = {"state": "online", "boot_id": 7, "connection": 2, "reason": None}
    reply = handle("status", online).reply
    assert reply is not None
    answer = json.loads(reply.payload)
    assert (answer["of"], answer["boot_id"], answer["seq"]) == ("status", 7, 2)
    assert (reply.topic, answer["result"]) == ("parking/v1/demo/north/ack", "accepted")
    assert handle("status", online, retained=True).reply is None, "of an unknown age"
    assert handle("status", online | {"state": "offline"}).reply is None, "nobody listens"


@pytest.mark.parametrize(
    ("back_ms", "source"),
    [
        (LIMITS.clock_back_ms + 1, "device"),
        (LIMITS.gate_back_ms, "device"),
        (LIMITS.gate_back_ms + 1, "receipt"),
    ],
)
def test_a_gate_event_kept_through_an_outage_keeps_its_time(back_ms, source):
    body = {"direction": "entry", "gate": "main", "captured_at_ms": NOW_MS - back_ms}
    gate_event = event(handle("gate/1/2", body))
    assert gate_event.time_source == source
    assert gate_event.time_ms == (NOW_MS - back_ms if source == "device" else NOW_MS)


def test_a_deleted_retained_status_is_ignored():
    assert handle("status", b"", retained=True) == Handled("ignored")


def test_a_status_without_numbers_is_refused():
    assert event(handle("status", {"state": "online"})).reason == "bad-schema"


def test_telemetry_is_a_device_event():
    body = {"rssi_dbm": -61, "heap_free_bytes": 90_000, "uptime_s": 12.5, "firmware": "1.2"}
    reported = event(handle("telemetry", body))
    assert reported.telemetry is not None
    assert (reported.kind, reported.telemetry.rssi_dbm) == ("telemetry", -61)
    assert reported.id == event(handle("telemetry", body)).id
    assert reported.id != event(handle("telemetry", body | {"uptime_s": 13.5})).id


# ---------------------------------------------------------------- topics
@pytest.mark.parametrize(
    "topic",
    [
        "parking/v1/demo/north/frame/1",
        "parking/v1/demo/north/frame/a/b/c",
        "parking/v1/demo/../frame",
        "parking/v1/Demo/north/frame",
        "parking/v1/demo/north/gate/1/x",
        "parking/v1/demo/north/frame/1/2/3/4",
        "parking/v1/demo/north/frame/" + "9" * 17 + "/1/1",
        "parking/v1/demo/north\n/frame",
        "parking/v1/\ufffd\ufffd/north/frame",
        "",
    ],
)
def test_a_bad_topic_is_a_dead_letter_and_a_named_sender_is_informed(topic):
    handled = handle_message(Message(topic, JPEG, NOW_MS), Context())
    assert event(handled).reason == "bad-topic"
    assert only(handled).key is None
    if topic.startswith("parking/v1/demo/north/"):
        answer = ack(handled)
        assert (answer["of"], answer["seq"], answer["reason"]) == ("topic", None, "bad-topic")
    else:
        assert handled.reply is None


def test_an_error_of_ours_is_also_reported_to_a_gate():
    topic = message("gate/7/3", GATE)
    assert ack(refuse(topic, Invalid("internal-error", "a bug"), LIMITS))["result"] == "rejected"
    assert event(refuse(topic, Invalid("internal-error"), LIMITS)).reason == "internal-error"


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["frame", f"frame/1/2/{NOW_MS}", "gate/1/2", "status", "telemetry", "x"]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(FIELDS),
                    inner | st.sampled_from(["entry", "exit", "online", "main"]),
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_nothing_a_device_sends_raises(suffix, payload):
    handled = handle_message(message(suffix, payload), Context())
    for record in handled.outgoing:
        assert header(record_of(record), "ce_type")


def record_of(outgoing: Outgoing):
    broker = MemoryBroker()
    broker.append(outgoing)
    return broker.records(outgoing.topic)[0]


@pytest.mark.parametrize(("captured_at_ms", "kept"), [(NOW_MS, NOW_MS), (NOW_MS + 10**12, 0)])
def test_a_wrong_clock_does_not_make_later_frames_old(captured_at_ms: int, kept: int):
    handled = handle(f"frame/7/1/{captured_at_ms}")
    assert handled.number is not None
    assert handled.number.captured_at_ms == kept
