"""Every entry point refuses values that Postgres cannot store. The tests try each text and integer
of every event and of every message from devices and clients, found from the schemas."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from parking.core.errors import Invalid
from parking.core.events import EVENTS, DeadLettered, DetectionMade, LayoutPublished, Telemetry
from parking.wire import codec, reading, schemas, typefaults
from parking.wire.ports import Record
from services.ingest.handler import handle_message
from services.ingest.messages import Context, GatePayload, Message, StatusPayload
from services.notifier.api.accountbodies import Credentials
from services.notifier.api.bodies import (
    Correction,
    Count,
    NewDevice,
    Passage,
    PlateSearch,
    Reason,
)
from tests.support.generated import Place, leaves, put, samples

DOORS: dict[str, type] = {
    "gate/1/1": GatePayload,
    "status": StatusPayload,
    "telemetry": Telemetry,
}
BODIES: list[type] = [Passage, Reason, Correction, Count, NewDevice, PlateSearch, Credentials]
TEXTS = {"NUL": '"a\\u0000b"', "half a pair": '"\\ud800"', "other half": '"a\\udc00b"'}
NUMBERS = {"beyond bigint": str(2**63), "below it": str(-(2**63) - 1), "huge": "1" + "0" * 400}


def described(of: type) -> tuple[Any, dict[str, Any]]:
    (schema,), defs = msgspec.json.schema_components([of], ref_template="{name}")
    return schema, defs


def valid(of: type) -> list[Any]:
    schema, defs = described(of)
    return samples(schema, defs)


def spoilt(value: Any) -> Iterator[tuple[Place, str, bytes]]:
    """Return (place, what, JSON): the value with one text or number in it that cannot be stored."""
    for at, leaf in leaves(value):
        bad = TEXTS if isinstance(leaf, str) else NUMBERS if isinstance(leaf, int) else {}
        for what, raw in bad.items():
            text = json.dumps(put(value, at, "@here@")).replace('"@here@"', raw)
            yield at, what, text.encode()


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
def test_no_event_is_read_with_a_text_or_number_that_cannot_be_stored(cls):
    name = f"{codec.schema_name(cls.TYPE)}.json"
    schema = schemas.generated()[name]
    tried = 0
    for value in samples(schema, schema.get("$defs", {})):
        codec.from_json(json.dumps(value).encode(), cls)  # control: as it is, it is read
        for at, what, raw in spoilt(value):
            with pytest.raises(Invalid) as caught:
                codec.from_json(raw, cls)
            assert caught.value.reason == "bad-schema", (at, what, caught.value)
            tried += 1
    assert tried >= 9


@pytest.mark.parametrize("suffix", DOORS)
def test_mqtt_refuses_them_and_says_so_to_the_device(suffix):
    topic = f"parking/v1/demo/gate-1/{suffix}"
    for value in valid(DOORS[suffix]):
        good = handle_message(Message(topic, json.dumps(value).encode(), 1), Context())
        assert good.outcome in ("gate", "device")
        for at, what, raw in spoilt(value):
            handled = handle_message(Message(topic, raw, 1), Context())
            assert handled.outcome == "refused", (at, what)
            assert handled.reply is not None
            assert json.loads(handled.reply.payload)["result"] == "rejected"


@pytest.mark.parametrize("cls", [*BODIES, LayoutPublished], ids=lambda cls: cls.__name__)
def test_no_body_of_a_request_is_read_with_them(cls):
    for value in valid(cls):
        reading.read(json.dumps(value).encode(), cls)
        for at, what, raw in spoilt(value):
            with pytest.raises(Invalid, match="bad-schema"):
                reading.read(raw, cls)
            assert at, what


def test_every_fault_is_reported_in_words_with_its_place():
    layout = valid(LayoutPublished)[0]
    layout |= {"site_name": "a\0b", "interval_ms": "5", "intervall": 7}
    layout["slots"][0] |= {"slot_id": "Plätze 1", "polygon": [[0.1, 2.0], [0.1]], "kind": "bus"}
    del layout["zones"][0]["name"]
    found = typefaults.faults(layout, LayoutPublished, strict=True)
    assert found == [
        "site_name: the character U+0000 cannot be stored",
        "interval_ms: must be a whole number, not '5'",
        "zones[0].name is missing: it must be text",
        "slots[0].slot_id: must be 1 to 40 of A-Z, a-z, 0-9, dot, _ and -, like A01,"
        " not 'Pl\\xe4tze 1'",
        "slots[0].polygon: must have at least 3 and at most 64 values, not 2",
        "slots[0].polygon[0][1]: must be at least 0.0 and at most 1.0, not 2.0",
        "slots[0].polygon[1]: must have 2 values, not 1",
        "slots[0].kind: must be one of accessible, ev, motorcycle, standard, not 'bus'",
        "intervall is an unknown field: did you mean interval_ms?",
    ]


@pytest.mark.parametrize("field", ["plate", "plate_hash"])
def test_a_plate_is_in_no_fault_for_faults_are_kept(field: str):
    for text in ("KA 12 345" * 10, "KA 12\x00345"):
        payload = json.dumps({"direction": "entry", "gate": "main", field: text}).encode()
        handled = handle_message(Message("parking/v1/demo/g/gate/1/1", payload, 1), Context())
        assert handled.outcome == "refused"
        assert handled.reply is not None
        assert "KA 12" not in handled.reply.payload.decode() + str(handled.outgoing)
        found = typefaults.faults({"site_id": "demo", field: text}, Passage)
        assert len(found) == 1
        assert "KA 12" not in found[0]


@pytest.mark.parametrize("text", ["demo\n", "demo\nx", "x\n\n"])
def test_an_id_with_a_line_break_is_refused_though_a_pattern_overlooks_it(text):
    with pytest.raises(Invalid, match="site_id: must be"):
        reading.read(json.dumps({"site_id": text}).encode(), Passage)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b'"\\ud800"', b"NaN", b"[" * 100_000, b'{"site_id": Infinity}']
)
def test_a_missing_body_is_refused(raw):
    with pytest.raises(Invalid):
        reading.read(raw, Passage)


def test_names_of_a_table_are_texts_too():
    raw = (schemas.FOLDER / "examples" / "detection-made.v1--one-slot.json").read_text("utf-8")
    event = json.loads(raw) | {"timings_ms": {"a\0": 1.0}}
    with pytest.raises(Invalid, match=r"timings_ms\{name 'a\\x00'\}: the character U\+0000"):
        codec.from_json(json.dumps(event).encode(), DetectionMade)


def test_texts_of_every_language_are_taken():
    name = "Étage -1 🅿️ \u202e北 Süd\ttab"
    assert reading.read(json.dumps({"reason": name}).encode(), Reason).reason == name


def test_a_dead_letter_of_an_odd_place_can_be_read_again():
    """The place is somebody else's text, because a broker may let a NUL through."""
    record = Record("parking/v1/a\0b/\ud800", -1, -1, None, b"x")
    letter = codec.dead_letter(record, Invalid("bad-topic", "a\0"), "ingest", 1)
    again = codec.decode(Record("t", 0, 0, None, letter.value, letter.headers))
    assert isinstance(again, DeadLettered)
    assert again.topic == "parking/v1/a\ufffdb/\ufffd"
