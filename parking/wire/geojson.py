"""Read and write GeoJSON: a FeatureCollection of polygons in pixels, y downwards. Pure.

RFC 7946 allows only longitude and latitude, but annotation programs (QuPath, the converters of
labelme and Label Studio) write pixels. Our own member `picture` gives the picture's size.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from parking.core.events import LayoutSlot
from parking.wire.drawings import (
    Corners,
    DrawnPicture,
    DrawnSlot,
    Report,
    attributes_of,
    in_pixels,
)
from parking.wire.typefaults import faults

Pixels = Annotated[float, Meta(gt=0)]


class _Picture(Struct):
    width: Pixels
    height: Pixels
    name: str = ""


class _Geometry(Struct):
    type: str
    coordinates: Any = None


class _Feature(Struct):
    geometry: _Geometry | None
    properties: dict[str, Any] | None = None
    id: str | int | None = None


class _File(Struct):
    features: list[_Feature]
    picture: _Picture | None = None


Position = Annotated[list[float], Meta(min_length=2)]
Rings = Annotated[list[list[Position]], Meta(min_length=1)]


def read(value: Mapping[str, Any], report: Report) -> list[DrawnPicture]:
    """The picture of a FeatureCollection."""
    found = faults(value, _File)
    report.faults += found
    if found:
        return []
    file = msgspec.convert(value, _File)
    shown = file.picture
    picture = DrawnPicture(
        shown.name if shown else "", (shown.width, shown.height) if shown else None
    )
    for index, feature in enumerate(file.features):
        corners = _corners(feature.geometry, f"features[{index}].geometry", report)
        if corners:
            more = {"id": feature.id} if feature.id is not None else {}
            attributes = more | (feature.properties or {})
            label = str(attributes.get("label", attributes.get("class", "")))
            picture.slots.append(DrawnSlot(f"features[{index}]", corners, label, attributes))
    return [picture]


def write(slots: Sequence[LayoutSlot], name: str, size_wh: tuple[int, int]) -> bytes:
    """A FeatureCollection with one polygon per slot."""
    file = {
        "type": "FeatureCollection",
        "picture": {"name": name, "width": size_wh[0], "height": size_wh[1]},
        "features": [_feature(slot, size_wh) for slot in slots],
    }
    return f"{json.dumps(file, indent=1)}\n".encode()


def _feature(slot: LayoutSlot, size_wh: tuple[int, int]) -> dict[str, Any]:
    corners = in_pixels(slot, size_wh)
    return {
        "type": "Feature",
        "properties": attributes_of(slot),
        "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
    }


def _corners(geometry: _Geometry | None, place: str, report: Report) -> Corners | None:
    """The outer ring of a polygon, or None after adding a note or fault to the report."""
    kind = geometry.type if geometry else None
    if geometry is None or kind not in ("Polygon", "MultiPolygon"):
        report.notes.append(f"{place}: left out, because {kind!a} is not a Polygon")
        return None
    rings, at = geometry.coordinates, f"{place}.coordinates"
    if kind == "MultiPolygon":
        if not isinstance(rings, list) or len(rings) != 1:
            report.faults.append(f"{at}: expected one polygon; draw one outline for each slot")
            return None
        rings, at = rings[0], f"{at}[0]"
    found = faults(rings, Rings)
    if found:
        report.faults += [f"{at}{one}" if one[0] == "[" else f"{at}: {one}" for one in found]
        return None
    if len(rings) > 1:
        report.notes.append(f"{at}: has {len(rings) - 1} holes, which were left out")
    return [(one[0], one[1]) for one in rings[0]]
