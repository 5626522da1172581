import hashlib
import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from parking.core.errors import Invalid
from parking.core.events import EVENTS, DeadLettered, FrameReceived, SlotChanged, TickElapsed
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DETECTIONS,
    FRAMES,
    PLATES,
    of_run,
)
from parking.wire import codec, schemas
from parking.wire.ports import Outgoing, Record

FOLDER = Path(__file__).parents[2] / "schemas"
EXAMPLES = sorted((FOLDER / "examples").glob("*.json"))
TICK = TickElapsed(id="demo/tick/5", site_id="demo", time_ms=5)


def as_record(message: Outgoing, offset: int = 7) -> Record:
    return Record(message.topic, 0, offset, message.key, message.value, message.headers)


@pytest.mark.parametrize("name", sorted(schemas.generated()))
def test_schema_files_are_those_of_the_classes(name):
    assert json.loads((FOLDER / name).read_text("utf-8")) == schemas.generated()[name]


@pytest.mark.parametrize("name", sorted(schemas.generated()))
def test_schemas_are_valid_2020_12(name):
    jsonschema.Draft202012Validator.check_schema(schemas.generated()[name])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_pass_schema_and_class_and_come_back_equal(path):
    event_type = f"parking.{path.stem.split('--')[0]}"
    example = json.loads(path.read_text("utf-8"))
    schema = schemas.generated()[f"{codec.schema_name(event_type)}.json"]
    jsonschema.validate(example, schema)
    cls = next(cls for cls in EVENTS if event_type == cls.TYPE)
    event = codec.from_json(path.read_bytes(), cls)
    assert json.loads(codec.to_json(event)) == example


def test_every_event_has_an_example():
    shown = {path.stem.split("--")[0] for path in EXAMPLES}
    assert shown == {codec.schema_name(cls.TYPE) for cls in EVENTS}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_schema_and_class_refuse_the_same_damage(path):
    """This is the negative control of the two tests above: without a required field, both refuse
    it."""
    event_type = f"parking.{path.stem.split('--')[0]}"
    schema = schemas.generated()[f"{codec.schema_name(event_type)}.json"]
    damaged = json.loads(path.read_text("utf-8"))
    del damaged[schema["required"][0]]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(damaged, schema)
    cls = next(cls for cls in EVENTS if event_type == cls.TYPE)
    with pytest.raises(Invalid, match="bad-schema"):
        codec.from_json(json.dumps(damaged).encode(), cls)


def test_a_json_event_travels_as_a_cloudevent_in_binary_binding():
    message = codec.outgoing(TICK, DETECTIONS, "demo", "tracker")
    headers = dict(message.headers)
    assert message.key == b"demo"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == b"demo/tick/5"
    assert headers["ce_type"] == b"parking.tick-elapsed.v1"
    assert headers["ce_dataschema"] == b"urn:parking:schema:tick-elapsed.v1"
    assert headers["ce_time"] == b"1970-01-01T00:00:00.005Z"
    assert headers["content-type"] == b"application/json"
    assert codec.decode(as_record(message)) == TICK


def frame_event() -> FrameReceived:
    return FrameReceived(
        id="demo/north/1/2",
        site_id="demo",
        time_ms=10,
        camera_id="demo/north",
        via="mqtt",
        width=960,
        height=640,
        size_bytes=4,
        sha256="0" * 64,
        received_at_ms=11,
        time_source="device",
    )


def test_a_frame_keeps_its_bytes_and_carries_its_event_in_a_header():
    message = codec.outgoing_frame(frame_event(), b"\xff\xd8\xff\xd9", "ingest")
    assert (message.topic, message.key, message.value) == (
        FRAMES,
        b"demo/north",
        b"\xff\xd8\xff\xd9",
    )
    assert codec.decode(as_record(message)) == frame_event()


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        ((), b"{}", "no-type"),
        ((("ce_type", b"parking.nothing.v9"),), b"{}", "unknown-type"),
        ((("ce_type", b"\xff\xfe"),), b"{}", "unknown-type"),
        ((("ce_type", b"parking.slot-changed.v1"),), None, "empty"),
        ((("ce_type", b"parking.slot-changed.v1"),), b"", "empty"),
        ((("ce_type", b"parking.slot-changed.v1"),), b"{", "bad-json"),
        ((("ce_type", b"parking.slot-changed.v1"),), b'{"id": "\xff"}', "bad-json"),
        ((("ce_type", b"parking.slot-changed.v1"),), b'{"id":"x"}', "bad-schema"),
        ((("ce_type", b"parking.slot-changed.v1"),), b'{"x":' + b"[" * 60_000, "bad-json"),
        ((("ce_type", b"parking.frame-received.v1"),), b"jpeg", "empty"),
    ],
)
def test_what_cannot_be_read_is_invalid_with_a_reason(headers, value, reason):
    with pytest.raises(Invalid) as caught:
        codec.decode(Record(DETECTIONS, 0, 0, b"demo", value, headers))
    assert caught.value.reason == reason


def test_a_dead_letter_keeps_key_bytes_place_and_reason():
    poison = Record(DETECTIONS, 3, 42, b"demo", b"{", ())
    letter = codec.dead_letter(poison, Invalid("bad-json", "line 1"), "tracker", 99, attempts=2)
    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTERS, b"demo", b"{")
    decoded = codec.decode(as_record(letter))
    assert isinstance(decoded, DeadLettered)
    assert (decoded.reason, decoded.detail, decoded.topic) == (
        "bad-json",
        "line 1",
        DETECTIONS,
    )
    assert (decoded.partition, decoded.offset, decoded.attempts) == (3, 42, 2)
    assert (decoded.length, decoded.sha256) == (1, hashlib.sha256(b"{").hexdigest())
    assert not decoded.truncated


def test_a_dead_letter_beyond_the_cap_keeps_the_beginning_and_the_whole_ones_hash():
    big = bytes(200_000)
    record = Record("parking/v1/demo/north/frame", -1, -1, b"demo/north", big)
    letter = codec.dead_letter(record, Invalid("too-large"), "ingest", 1, kept_bytes=100_000)
    decoded = codec.decode(as_record(letter))
    assert isinstance(decoded, DeadLettered)
    assert letter.topic == DEAD_LETTERS_FRAMES
    assert letter.value == big[:65_536]
    assert (decoded.truncated, decoded.length, decoded.partition) == (
        True,
        200_000,
        None,
    )
    assert decoded.sha256 == hashlib.sha256(big).hexdigest()


@pytest.mark.parametrize("topic", [PLATES, of_run(PLATES, "a")])
def test_a_dead_letter_holds_nothing_of_a_plate(topic):
    record = Record(topic, 3, 42, b"demo", b'{"sealed":"4Jm0yTnX8Wb2"', (("ce_id", b"e"),))
    letter = codec.dead_letter(record, Invalid("bad-json"), "persister", 1)
    decoded = codec.decode(as_record(letter))
    assert isinstance(decoded, DeadLettered)
    assert (letter.topic, letter.value) == (DEAD_LETTERS, b"")
    assert (decoded.truncated, decoded.length, decoded.offset) == (True, 24, 42)


@pytest.mark.parametrize(
    ("place", "topic"),
    [
        (FRAMES, DEAD_LETTERS_FRAMES),
        ("parking/v1/demo/north/frame", DEAD_LETTERS_FRAMES),
        ("parking/v1/demo/north/frame/1/2/3", DEAD_LETTERS_FRAMES),
        ("parking/v1/demo/north/frame/no-number", DEAD_LETTERS_FRAMES),
        ("/ingest/v1/frames/demo/north", DEAD_LETTERS_FRAMES),
        ("parking/v1/frame-lot/main/gate/1/2", DEAD_LETTERS),
        ("parking/v1/frame/main/gate/1/2", DEAD_LETTERS),
        ("parking/v1/demo/frame/gate/1/2", DEAD_LETTERS),
        ("parking/v1/demo/frame-1/status", DEAD_LETTERS),
        ("parking/v1/demo/north/framed", DEAD_LETTERS),
        (DETECTIONS, DEAD_LETTERS),
    ],
)
def test_only_pictures_go_to_the_short_lived_dead_letters(place, topic):
    letter = codec.dead_letter(Record(place, -1, -1, b"k", b"x"), Invalid("bad"), "ingest", 1)
    assert letter.topic == topic


def test_an_unknown_extra_field_is_passed_over_so_that_writers_may_be_newer():
    data = msgspec.json.encode({**msgspec.to_builtins(TICK), "later": 1})
    assert codec.from_json(data, TickElapsed) == TICK


def test_a_change_refuses_a_state_that_is_none():
    text = (FOLDER / "examples" / "slot-changed.v1--occupied.json").read_text("utf-8")
    with pytest.raises(Invalid, match="to_state"):
        codec.from_json(
            text.replace('"to_state": "occupied"', '"to_state": "full"').encode(), SlotChanged
        )
