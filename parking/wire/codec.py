"""Convert events to Kafka records and back: CloudEvents 1.0, Kafka binary binding.

A JSON event's value is its JSON. If the value is raw bytes (a picture, or a dead letter's
original), the event is sent as JSON in the header `parking-meta`.
"""

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from parking.core.errors import Invalid, Newer
from parking.core.events import EVENTS, DeadLettered, Event, FrameReceived, HeartbeatPassed
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    FRAME_MAX_BYTES,
    FRAMES,
    holds_pictures,
    holds_plates,
)
from parking.wire.ports import Headers, Outgoing, Record
from parking.wire.reading import read, storable
from parking.wire.tolerant import read_newer

META_HEADER: Final = "parking-meta"
DEAD_LETTER_KEPT_BYTES: Final = 65_536
# Size limit for an original's headers in its dead letter, which must fit into a record together
# with a whole picture.
HEADERS_KEPT_BYTES: Final = 16_384
HEADER_NAME_MAX: Final = 500

AnyEvent = Event | HeartbeatPassed | DeadLettered
E = TypeVar("E", bound=Event | HeartbeatPassed | DeadLettered)
_BY_TYPE: Final = {cls.TYPE.encode(): cls for cls in EVENTS}
_BESIDE_BYTES: Final = (FrameReceived, DeadLettered)
"""Events whose record's value is raw bytes."""
_ENCODER: Final = msgspec.json.Encoder()
_OURS: Final = re.compile(r"parking\.[a-z0-9-]{1,80}\.v\d{1,4}", re.ASCII)


def schema_name(event_type: str) -> str:
    """`parking.slot-changed.v1` -> `slot-changed.v1`, the file's stem in schemas/."""
    return event_type.removeprefix("parking.")


def to_json(event: AnyEvent) -> bytes:
    """The event as JSON, with all fields in the order of the class."""
    return _ENCODER.encode(event)


def from_json(data: bytes, cls: type[E]) -> E:
    """Read and validate strictly, as for events that we write ourselves. Raises Invalid("bad-json"
    | "bad-schema") with every fault."""
    return read(data, cls)


def event_id(message: Outgoing) -> str:
    """The event type from the message's headers; "" if they have none."""
    return dict(message.headers).get("ce_id", b"").decode("utf-8", "replace")


def cloud_headers(event: AnyEvent, source: str, content_type: str = "application/json") -> Headers:
    """The binary binding's headers."""
    from_source, of_type, schema, content = _of_every(event.TYPE, source, content_type)
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", from_source),
        ("ce_type", of_type),
        ("ce_time", _time(event.time_ms)),
        ("ce_dataschema", schema),
        ("content-type", content),
    )


@lru_cache(maxsize=256)
def _of_every(event_type: str, source: str, content_type: str) -> tuple[bytes, bytes, bytes, bytes]:
    return (
        f"/parking/{source}".encode(),
        event_type.encode(),
        f"urn:parking:schema:{schema_name(event_type)}".encode(),
        content_type.encode(),
    )


@lru_cache(maxsize=1_024)
def _time(at_ms: int) -> bytes:
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03}Z".encode()


@lru_cache(maxsize=1_024)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat()


def outgoing(event: Event, topic: str, key: str, source: str) -> Outgoing:
    """A JSON event as a record."""
    return Outgoing(topic, key.encode(), to_json(event), cloud_headers(event, source))


def outgoing_frame(event: FrameReceived, jpeg: bytes, source: str) -> Outgoing:
    """A picture as a record: raw JPEG, with the event in `parking-meta`."""
    headers = cloud_headers(event, source, "image/jpeg")
    return Outgoing(
        FRAMES, event.camera_id.encode(), jpeg, (*headers, (META_HEADER, to_json(event)))
    )


def header(record: Record, name: str) -> bytes | None:
    """The last header with this name."""
    for key, value in reversed(record.headers):
        if key == name:
            return value
    return None


def decode(record: Record) -> AnyEvent:
    """The event in a record, by its `ce_type`. Events of newer versions are read as far as this
    version knows them (parking/wire/tolerant.py). Raises Newer for an event with a type or value
    that this version cannot act on. Raises Invalid `no-type`, `unknown-type`, `empty`, `bad-json`
    or `bad-schema`."""
    raw_type = header(record, "ce_type")
    if raw_type is None:
        raise Invalid("no-type", "the record has no ce_type header")
    cls = _BY_TYPE.get(raw_type)
    if cls is None:
        event_type = raw_type.decode("utf-8", "replace")
        kind = Newer if _OURS.fullmatch(event_type) else Invalid
        raise kind("unknown-type", f"this version does not know ce_type {event_type[:100]!r}")
    body = header(record, META_HEADER) if cls in _BESIDE_BYTES else record.value
    if not body:
        raise Invalid("empty", f"a {cls.TYPE} without its content")
    try:
        return read(body, cls)
    except Invalid:
        event: AnyEvent | None = read_newer(body, cls)
        if event is None:
            raise
        return event


def refused_letter(message: Outgoing, error: Invalid, now_ms: int) -> Outgoing:
    """The dead letter for a record that Kafka refused, on behalf of the service that produced
    it."""
    record = Record(message.topic, -1, -1, message.key, message.value, message.headers)
    source = header(record, "ce_source") or b"unknown"
    return dead_letter(record, error, source.decode().rsplit("/", 1)[-1], now_ms)


def dead_letter(
    record: Record,
    error: Invalid,
    service: str,
    now_ms: int,
    *,
    attempts: int = 1,
    kept_bytes: int = FRAME_MAX_BYTES,
) -> Outgoing:
    """A record as a dead letter with the reason. It contains the original key, headers and bytes so
    that it can be sent again (parking/wire/deadletters.py), but only the first 64 kB if there are
    more than `kept_bytes`. Pictures go to their own short-lived topic. A dead letter about a plate
    contains none of its bytes, because dead letters are kept longer than plates. For messages that
    did not come from Kafka, set `record.topic` to the MQTT topic or HTTP path, and use a negative
    partition and offset."""
    value = record.value or b""
    secret = holds_plates(record.topic)
    truncated = secret or len(value) > kept_bytes
    kept = value[: 0 if secret else DEAD_LETTER_KEPT_BYTES] if truncated else value
    sha256 = hashlib.sha256(value).hexdigest()
    from_kafka = record.partition >= 0
    place = f"{record.partition}/{record.offset}" if from_kafka else sha256[:32]
    event = DeadLettered(
        id=f"dead/{service}/{storable(record.topic)[:150]}/{place}",
        time_ms=now_ms,
        service=service,
        reason=storable(error.reason),
        detail=storable(error.detail),
        topic=storable(record.topic),
        partition=record.partition if from_kafka else None,
        offset=record.offset if from_kafka else None,
        attempts=attempts,
        length=len(value),
        sha256=sha256,
        truncated=truncated,
        headers=_kept(record.headers),
    )
    return Outgoing(
        DEAD_LETTERS_FRAMES if holds_pictures(record.topic) else DEAD_LETTERS,
        record.key,
        kept,
        (
            *cloud_headers(event, service, "application/octet-stream"),
            (META_HEADER, to_json(event)),
        ),
    )


def _kept(headers: Headers) -> list[tuple[str, bytes | None]] | None:
    """The headers, or None if the record has foreign headers that a dead letter cannot contain."""
    size_bytes = sum(len(name.encode()) + len(value or b"") for name, value in headers)
    odd = any(len(name) > HEADER_NAME_MAX or "\0" in name for name, _ in headers)
    return None if size_bytes > HEADERS_KEPT_BYTES or odd else list(headers)
