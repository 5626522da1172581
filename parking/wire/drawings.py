"""Convert slots drawn in an annotation program to slots of a layout. Pure.

Every reader of a file format (parking/wire/slotfiles.py) builds these values, and every writer
starts from a layout's slots.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import cos, isfinite, radians, sin
from typing import Any, Final, get_args

from parking.core.events import LayoutSlot, SlotKind, Zone
from parking.core.ids import NAME
from parking.core.lots import MAX_SLOTS

Corners = list[tuple[float, float]]

LABEL: Final = "slot"
"""The class of every outline in files that we write."""
MOST_CORNERS: Final = 64
FIRST_NAME: Final = "A01"
_BEYOND: Final = 0.1
"""A corner may be drawn this far outside the picture, as a share of its side. It is then moved
inside."""
_KINDS: Final = get_args(SlotKind)
_NAMES: Final = ("slot_id", "space_id", "id", "name")
_ZONES: Final = ("zone_id", "zone")
_NAME: Final = re.compile(NAME)
_NOT: Final = ("false", "0", "no")


@dataclass(frozen=True, slots=True)
class DrawnSlot:
    """An outline in pixels. `place` is where it is in the file, and `label` is its class.
    `attributes` is what else the file says about it; `slot_id`, `zone_id`, `kind` and `enabled` are
    used."""

    place: str
    corners: Corners
    label: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class DrawnPicture:
    """One picture of a file. `size_wh` is None if the file does not specify it."""

    name: str
    size_wh: tuple[float, float] | None
    slots: list[DrawnSlot] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What is wrong with a file and what was left out of it, one line each with the place."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def attributes_of(slot: LayoutSlot) -> dict[str, Any]:
    """The attributes that store a slot's fields in files that we write."""
    return {
        "slot_id": slot.slot_id,
        "zone_id": slot.zone_id,
        "kind": slot.kind,
        "enabled": slot.enabled,
    }


def in_pixels(slot: LayoutSlot, size_wh: tuple[int, int]) -> Corners:
    """A slot's corners in a picture of this size, rounded to a hundredth of a pixel."""
    width, height = size_wh
    return [(round(x * width, 2), round(y * height, 2)) for x, y in slot.polygon]


def slots_of(
    picture: DrawnPicture, size_wh: tuple[float, float], report: Report
) -> list[LayoutSlot]:
    """The slots of a layout that a picture of this size shows. Slots without a usable name are
    numbered."""
    if len(picture.slots) > MAX_SLOTS:
        report.faults.append(f"{len(picture.slots)} outlines are more than {MAX_SLOTS}")
        return []
    slots = []
    for drawn, slot_id in zip(picture.slots, _names(picture.slots, report), strict=True):
        corners = _closed_once(drawn.corners)
        found = list(_outline_faults(corners, size_wh))
        report.faults += [f"{drawn.place}: {fault}" for fault in found]
        if not found:
            slots.append(_slot(drawn, slot_id, _shares(corners, size_wh), report))
    return slots


def zones_of(slots: Iterable[LayoutSlot], names: Mapping[str, str]) -> list[Zone]:
    """The zones of these slots, in the order of their first slot. A zone without a name is named
    after its id."""
    used = dict.fromkeys(slot.zone_id for slot in slots)
    return [Zone(zone_id=zone, name=names.get(zone, zone)) for zone in used]


def zone_of(slot_id: str) -> str:
    """The zone in a name: "A" for "A01", or "lot" if there is none."""
    found = re.match(r"([A-Za-z]+)[-_.]?\d", slot_id)
    return found[1] if found else "lot"


def next_name(name: str) -> str:
    """Increment the last number in a name: "A09" to "A10", "P-7b" to "P-8b", "Gate" to "Gate2"."""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
    if not found:
        return f"{name}2"
    head, digits, tail = found.groups()
    return f"{head}{int(digits) + 1:0{len(digits)}d}{tail}"


def number(text: str) -> float | None:
    """The finite number that a text contains, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def turned(corners: Corners, degrees: float) -> Corners:
    """Rotate corners clockwise, as seen in the picture, about their middle."""
    if not degrees:
        return corners
    middle_x = sum(x for x, _ in corners) / len(corners)
    middle_y = sum(y for _, y in corners) / len(corners)
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return [
        (
            middle_x + (x - middle_x) * c - (y - middle_y) * s,
            middle_y + (x - middle_x) * s + (y - middle_y) * c,
        )
        for x, y in corners
    ]


def _slot(drawn: DrawnSlot, slot_id: str, polygon: Corners, report: Report) -> LayoutSlot:
    kind = _text(drawn.attributes.get("kind")) or "standard"
    if kind not in _KINDS:
        known = ", ".join(_KINDS)
        report.notes.append(
            f"{drawn.place}: the kind {_short(kind)} is read as standard; known are {known}"
        )
        kind = "standard"
    zone = _usable(_first(drawn.attributes, _ZONES)) or zone_of(slot_id)
    enabled = _text(drawn.attributes.get("enabled", True)).lower() not in _NOT
    return LayoutSlot(
        slot_id=slot_id,
        zone_id=zone,
        polygon=polygon,
        kind=kind,  # type: ignore[arg-type] # one of _KINDS
        enabled=enabled,
    )


def _names(slots: Sequence[DrawnSlot], report: Report) -> Iterator[str]:
    """A name for each slot: its own, its label if the labels are names, or a numbered one."""
    labels = [_usable(slot.label) for slot in slots]
    are_names = len(set(labels)) == len(labels) and all(re.search(r"\d", one) for one in labels)
    own = [_usable(_first(slot.attributes, _NAMES)) for slot in slots]
    wanted = [name or (label if are_names else "") for name, label in zip(own, labels, strict=True)]
    taken: set[str] = set()
    kept = set(wanted)
    counted = FIRST_NAME
    for slot, name in zip(slots, wanted, strict=True):
        if name and name not in taken:
            taken.add(name)
            yield name
            continue
        start = next_name(name) if name else counted
        while start in taken or start in kept:
            start = next_name(start)
        if name:
            report.notes.append(f"{slot.place}: a second {name} is named {start}")
        else:
            counted = start
        taken.add(start)
        yield start


def _usable(value: Any) -> str:
    """A value as the name of a slot or zone. Invalid characters become "-". Returns "" if nothing
    is left."""
    text = _text(value).strip()
    if not _NAME.fullmatch(text):
        text = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")[:40]
    return "" if text in ("", ".", "..") else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next(
        (attributes[name] for name in names if attributes.get(name) not in (None, "")), None
    )


def _short(text: str) -> str:
    return ascii(text[:40])


def _closed_once(corners: Corners) -> Corners:
    """Drop corners that repeat the previous one. Some programs repeat the first corner at the
    end."""
    kept = [one for one, before in zip(corners, [None, *corners], strict=False) if one != before]
    return kept[:-1] if len(kept) > 1 and kept[0] == kept[-1] else kept


def _outline_faults(corners: Corners, size_wh: tuple[float, float]) -> Iterator[str]:
    if not 3 <= len(corners) <= MOST_CORNERS:
        yield f"has {len(corners)} different corners; expected 3 to {MOST_CORNERS}"
    for x, y in corners:
        if not _is_near(x, size_wh[0]) or not _is_near(y, size_wh[1]):
            width, height = size_wh
            yield (
                f"the corner ({x:g}, {y:g}) is outside the picture; expected pixels of"
                f" {width:g}x{height:g}"
            )
            return


def _is_near(value: float, side: float) -> bool:
    return -_BEYOND * side <= value <= (1 + _BEYOND) * side


def _shares(corners: Corners, size_wh: tuple[float, float]) -> Corners:
    width, height = size_wh
    return [(_share(x, width), _share(y, height)) for x, y in corners]


def _share(value: float, side: float) -> float:
    """Convert to a share of the picture, rounded to about a hundredth of a pixel at 1280x720."""
    return round(min(max(value / side, 0.0), 1.0), 6)
