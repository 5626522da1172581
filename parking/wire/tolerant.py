"""Read events that a newer version wrote (docs/decisions/0027). Pure.

Every reader ignores unknown fields. An unknown value of a field with a fixed set of values is read
as the safe value below. If no value is safe because a reader acts on it, the event is skipped.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from parking.core.errors import UNREADABLE, Invalid, Newer
from parking.core.events import (
    EVENTS,
    CameraConfigured,
    CameraStatusChanged,
    Cause,
    DeviceReported,
    Effort,
    FrameReceived,
    GateEventReceived,
    ImageHealth,
    LayoutSlot,
    Observation,
    OccupancyMeasured,
    PlateSealed,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
    StateCorrected,
)
from parking.wire.reading import convert

# The replacement for an unknown value, which never claims more than is known.
SAFE: Final[Mapping[tuple[type, str], str]] = {
    (FrameReceived, "via"): "api",
    (FrameReceived, "time_source"): "receipt",
    (GateEventReceived, "via"): "api",
    (GateEventReceived, "time_source"): "receipt",
    (DeviceReported, "kind"): "heartbeat",  # alive: neither connected nor disconnected
    (LayoutSlot, "kind"): "standard",
    (Observation, "state"): "unknown",
    (ImageHealth, "status"): "covered",  # an untrusted picture
    (Effort, "searched"): "picture",
    (Cause, "kind"): "device",  # no frame, so no picture is looked for
    (SlotChanged, "from_state"): "unknown",
    (SlotChanged, "to_state"): "unknown",
    (SlotStateUpdated, "state"): "unknown",
    (CameraStatusChanged, "status"): "degraded",
    (CameraStatusChanged, "health"): "covered",
}
# An event with an unknown value here is skipped, and so is a command of an unknown kind.
ACTED_ON: Final[frozenset[tuple[type, str]]] = frozenset(
    {
        (GateEventReceived, "direction"),
        (PlateSealed, "direction"),
        (CameraConfigured, "kind"),
        (StateCorrected, "state"),
        (SessionChanged, "kind"),
        (OccupancyMeasured, "kind"),  # read as another kind, it would be counted twice
    }
)

_TYPES: Final = {cls: inspect.type_info(cls) for cls in EVENTS}


def read_newer(data: bytes, cls: type[Any]) -> Any | None:
    """The event with its unknown values replaced by safe ones, or None if it is damaged or has no
    unknown value. Raises Newer if it must be skipped."""
    try:
        content = msgspec.json.decode(data)
    except UNREADABLE:
        return None
    reader = _Reader()
    known = reader.known(content, _TYPES[cls])
    if not reader.unknown:
        return None
    try:
        event = convert(known, cls)
    except Invalid:
        return None
    if reader.ignored:
        raise Newer("newer-value", ", ".join(reader.ignored))
    return event


class _Reader:
    """Walks content along its type. `unknown` lists every value that this version does not know,
    and `ignored` those without a safe replacement."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.ignored: list[str] = []

    def known(self, value: Any, of: Any) -> Any:
        """The value with unknown values replaced by known ones."""
        if isinstance(of, inspect.Metadata):
            return self.known(value, of.type)
        if isinstance(of, inspect.UnionType):
            return self._member(value, of)
        if isinstance(of, inspect.ListType) and isinstance(value, list):
            return [self.known(item, of.item_type) for item in value]
        if isinstance(of, inspect.StructType) and isinstance(value, dict):
            return self._struct(value, of)
        return value

    def _struct(self, value: dict[str, Any], of: inspect.StructType) -> dict[str, Any]:
        known = dict(value)
        for field in of.fields:
            if field.encode_name not in value:
                continue
            given = value[field.encode_name]
            values = _values(field.type)
            if isinstance(given, str) and values and given not in values:
                self._note(f"{field.name} {given[:100]!r}", (of.cls, field.name) not in SAFE)
                known[field.encode_name] = SAFE.get((of.cls, field.name), values[0])
            else:
                known[field.encode_name] = self.known(given, field.type)
        return known

    def _member(self, value: Any, of: inspect.UnionType) -> Any:
        """Handle a union of parts distinguished by a tag, or a union of a type and null."""
        parts = [one for one in of.types if isinstance(one, inspect.StructType)]
        tagged = {one.tag: one for one in parts if one.tag is not None}
        if tagged and isinstance(value, dict):
            tag = value.get(parts[0].tag_field or "")
            if tag in tagged:
                return self.known(value, tagged[tag])
            if isinstance(tag, str):
                raise Newer("newer-kind", f"{parts[0].tag_field} {tag[:100]!r}")
            return value
        types = [one for one in of.types if not isinstance(one, inspect.NoneType)]
        return value if value is None else self.known(value, types[0])

    def _note(self, what: str, ignored: bool) -> None:
        self.unknown.append(what)
        if ignored:
            self.ignored.append(what)


def _values(of: Any) -> tuple[Any, ...]:
    """The fixed set of values of a type, or () if it has none."""
    if isinstance(of, inspect.Metadata):
        return _values(of.type)
    if isinstance(of, inspect.UnionType):
        return next((values for one in of.types if (values := _values(one))), ())
    return tuple(of.values) if isinstance(of, inspect.LiteralType) else ()
