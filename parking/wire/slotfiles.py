"""Recognise, read and write files with drawn slots, from this and other programs. Pure.

The API (services/notifier/api/routes_slotfiles.py) and `parking layout convert` both use this, and
nothing else converts. Files are untrusted; the caller bounds their length (SLOT_FILE_MAX_BYTES).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, LayoutSlot, SlotId, Text, Zone
from parking.core.lots import layouts_from_annotations
from parking.wire import annotations, coco, cvat, geojson, jsontext, pklot, via, xmltext
from parking.wire.drawings import (
    DrawnPicture,
    DrawnSlot,
    Report,
    attributes_of,
    slots_of,
    zones_of,
)
from parking.wire.typefaults import faults

SLOT_FILE_MAX_BYTES: Final = 2_000_000
FAULTS_MAX: Final = 100

Format = Literal["layout", "annotations", "coco", "cvat", "via", "via-csv", "pklot", "geojson"]
WrittenElsewhere = Literal["coco", "cvat", "via", "via-csv", "pklot", "geojson"]
"""The formats of other programs that can also be written."""
Written = Literal["layout"] | WrittenElsewhere

TITLES: Final[Mapping[Format, str]] = {
    "layout": "layout (JSON with slots)",
    "annotations": "annotations.json (JSON with frames)",
    "coco": "COCO (JSON with images and annotations)",
    "cvat": "CVAT for images 1.1 (XML)",
    "via": "VGG Image Annotator 2 (JSON)",
    "via-csv": "VGG Image Annotator 2 (CSV)",
    "pklot": "PKLot (XML)",
    "geojson": "GeoJSON (a FeatureCollection in pixels)",
}
ENDINGS: Final[Mapping[Written, str]] = {
    "layout": ".layout.json",
    "coco": ".coco.json",
    "cvat": ".cvat.xml",
    "via": ".via.json",
    "via-csv": ".via.csv",
    "pklot": ".pklot.xml",
    "geojson": ".geojson",
}


@dataclass(frozen=True, slots=True)
class SlotFile:
    """The slots of one picture of a file. `pictures` lists all pictures that have slots. `size_wh`
    is None if the file does not specify it. `notes` lists what was left out."""

    format: Format
    picture: str
    pictures: list[str]
    size_wh: tuple[float, float] | None
    slots: list[LayoutSlot]
    zones: list[Zone]
    notes: list[str]


class _Zone(Struct):
    zone_id: SlotId
    name: Text


class _Layout(Struct):
    slots: Annotated[list[LayoutSlot], Meta(max_length=1000)]
    zones: list[_Zone] = []
    camera_id: str = ""


def read(
    data: bytes, size_wh: tuple[int, int] | None = None, picture: str | None = None
) -> SlotFile:
    """The slots of a file. `size_wh` is the size of the camera's picture, for files that do not
    contain it. `picture` selects one of the file's pictures; None selects the first with slots.
    Raises Invalid `bad-slot-file`, `bad-json`, `bad-xml` or `bad-encoding` with every fault and its
    place, or `no-size` if the size is needed."""
    try:
        return _read(data, size_wh, picture)
    except (msgspec.ValidationError, OverflowError) as error:  # whole numbers beyond a double
        raise Invalid("bad-slot-file", f"a number is out of range: {error}") from error


def _read(data: bytes, size_wh: tuple[int, int] | None, picture: str | None) -> SlotFile:
    format_, value = _recognised(data)
    if format_ == "layout":
        return _read_layout(value)
    if format_ == "annotations":
        return _read_annotations(value, picture)
    report = Report()
    found = _READERS[format_](value, report)
    _raise(report)
    chosen, names = _chosen(found, picture, report)
    size = chosen.size_wh or size_wh
    if size is None:
        detail = (
            f"{TITLES[format_]} does not contain the size of its picture: give it, like 1280x720"
        )
        raise Invalid("no-size", detail)
    slots = slots_of(chosen, size, report)
    _raise(report)
    notes = report.notes[:FAULTS_MAX]
    zones = zones_of(slots, {})
    return SlotFile(format_, chosen.name, names, chosen.size_wh, slots, zones, notes)


def write(
    format_: WrittenElsewhere,
    slots: Sequence[LayoutSlot],
    name: str,
    size_wh: tuple[int, int],
) -> bytes:
    """A file in another program's format. `name` and `size_wh` are those of the camera's
    picture."""
    return WRITERS[format_](slots, name, size_wh)


def write_layout(layout: LayoutPublished) -> bytes:
    """A layout as a file."""
    return f"{json.dumps(msgspec.to_builtins(layout), indent=2)}\n".encode()


# ---------------------------------------------------------------- formats
def _recognised(data: bytes) -> tuple[Format, Any]:
    start = data[:400].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b"<"):
        root = xmltext.parse(data)
        for format_, tag in (("cvat", "annotations"), ("pklot", "parking")):
            if root.tag == tag:
                return format_, root  # type: ignore[return-value] # a Format
        raise _unknown(f"XML with root <{root.tag[:40]}>")
    if not start.startswith((b"{", b"[")) and via.is_csv(data):
        return "via-csv", data
    value = jsontext.parse(data)
    if not isinstance(value, dict):
        raise _unknown("JSON that is not an object")
    for format_, signs in _SIGNS.items():
        if all(sign in value for sign in signs):
            return format_, value
    if value and all(isinstance(one, dict) and "regions" in one for one in value.values()):
        return "via", value
    names = ", ".join(ascii(str(name)[:40]) for name in [*value][:5])
    raise _unknown(f"JSON with {names or 'nothing in it'}")


_SIGNS: Final[Mapping[Format, tuple[str, ...]]] = {
    "layout": ("slots",),
    "coco": ("images", "annotations"),
    "annotations": ("frames",),
    "via": (via.METADATA,),
    "geojson": ("features",),
}
Reader = Callable[[Any, Report], list[DrawnPicture]]
_READERS: Final[Mapping[Format, Reader]] = {
    "coco": coco.read,
    "cvat": cvat.read,
    "via": via.read_json,
    "via-csv": via.read_csv,
    "pklot": pklot.read,
    "geojson": geojson.read,
}
Writer = Callable[[Sequence[LayoutSlot], str, tuple[int, int]], bytes]
WRITERS: Final[Mapping[WrittenElsewhere, Writer]] = {
    "coco": coco.write,
    "cvat": cvat.write,
    "via": via.write_json,
    "via-csv": via.write_csv,
    "pklot": pklot.write,
    "geojson": geojson.write,
}


def _unknown(what: str) -> Invalid:
    known = ", ".join(TITLES.values())
    return Invalid("bad-slot-file", f"{what} is not known here; expected one of: {known}")


# ---------------------------------------------------------------- our own
def _read_layout(value: Any) -> SlotFile:
    found = faults(value, _Layout)
    _raise(Report(found))
    layout = msgspec.convert(value, _Layout)
    zones = zones_of(layout.slots, {zone.zone_id: zone.name for zone in layout.zones})
    return SlotFile("layout", layout.camera_id, [layout.camera_id], None, layout.slots, zones, [])


def _read_annotations(value: Any, picture: str | None) -> SlotFile:
    """One picture per camera, with each slot as in the first frame that names it."""
    found = faults(value, annotations.Annotations)
    _raise(Report(found))
    layouts = layouts_from_annotations(value, "site", interval_ms=1000, time_ms=0)
    drawn = {id(one): one for one in map(_as_drawn, layouts)}
    report = Report()
    chosen, names = _chosen([*drawn.values()], picture, report)
    layout = layouts[[*drawn].index(id(chosen))]
    slots = slots_of(chosen, (1.0, 1.0), report)
    _raise(report)
    slots = [replace(slot, plan=one.plan) for slot, one in zip(slots, layout.slots, strict=True)]
    zones = zones_of(slots, {zone.zone_id: zone.name for zone in layout.zones})
    return SlotFile("annotations", chosen.name, names, None, slots, zones, report.notes)


def _as_drawn(layout: LayoutPublished) -> DrawnPicture:
    drawn = DrawnPicture(layout.camera_id.partition("/")[2], (1.0, 1.0))
    for slot in layout.slots:
        fields = attributes_of(slot)
        if slot.zone_id == "lot":  # the file does not specify a zone
            del fields["zone_id"]
        drawn.slots.append(DrawnSlot(f"slot {slot.slot_id}", slot.polygon, "", fields))
    return drawn


# ---------------------------------------------------------------- helpers
def _chosen(
    pictures: Sequence[DrawnPicture], wanted: str | None, report: Report
) -> tuple[DrawnPicture, list[str]]:
    """The wanted picture, and the names of all that have slots. Raises Invalid."""
    drawn = [one for one in pictures if one.slots]
    names = [one.name for one in drawn]
    if wanted is not None:
        drawn = [one for one in drawn if one.name == wanted]
    if not drawn:
        what = f"picture {wanted[:100]!a}" if wanted else "file"
        detail = f"this {what} contains no slot outline"
        if report.notes:
            detail += f" ({report.notes[0]})"
        raise Invalid("bad-slot-file", detail)
    return drawn[0], names


def _raise(report: Report) -> None:
    if report.faults:
        found = report.faults[:FAULTS_MAX]
        more = len(report.faults) - len(found)
        found += [f"... and {more} more"] if more else []
        raise Invalid("bad-slot-file", "; ".join(found), found)
