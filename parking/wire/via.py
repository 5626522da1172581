"""Read and write files of VGG Image Annotator 2: its project, its exported JSON and its CSV. Pure.

https://www.robots.ox.ac.uk/~vgg/software/via/
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from parking.core.errors import UNREADABLE
from parking.core.events import LayoutSlot
from parking.wire import jsontext
from parking.wire.drawings import (
    LABEL,
    Corners,
    DrawnPicture,
    DrawnSlot,
    Report,
    attributes_of,
    in_pixels,
    number,
    turned,
)
from parking.wire.typefaults import faults

METADATA: Final = "_via_img_metadata"
COLUMNS: Final = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
_SIZE_UNKNOWN: Final = -1


class _Shape(Struct):
    name: str


class _Polygon(_Shape):
    all_points_x: list[float]
    all_points_y: list[float]


class _Rect(_Shape):
    x: float
    y: float
    width: float
    height: float
    theta: float = 0.0


class _Region(Struct):
    shape_attributes: dict[str, Any]
    region_attributes: dict[str, Any] = {}


class _File(Struct):
    filename: str
    regions: list[_Region] | dict[str, _Region]
    file_attributes: dict[str, Any] = {}


_SHAPES: Final[Mapping[str, type[_Shape]]] = {
    "polygon": _Polygon,
    "polyline": _Polygon,
    "rect": _Rect,
}


def read_json(value: Mapping[str, Any], report: Report) -> list[DrawnPicture]:
    """The pictures of a project, or of the annotations that VIA exports as JSON."""
    project = METADATA in value
    files = value[METADATA] if project else value
    found = faults(files, dict[str, _File])
    if found:
        report.faults += [f"{METADATA}.{one}" if project else one for one in found]
        return []
    pictures = []
    for key, file in msgspec.convert(files, dict[str, _File]).items():
        picture = DrawnPicture(file.filename, _size(file.file_attributes))
        listed = file.regions.items() if isinstance(file.regions, dict) else enumerate(file.regions)
        for at, region in listed:
            place = f"{key[:60]!a}: regions[{at}]"
            _add(picture, region, place, report)
        pictures.append(picture)
    return pictures


def write_json(slots: Sequence[LayoutSlot], name: str, size_wh: tuple[int, int]) -> bytes:
    """A project with one picture. VIA asks for the picture when it opens the project."""
    regions = [
        {"shape_attributes": _shape(slot, size_wh), "region_attributes": _attributes(slot)}
        for slot in slots
    ]
    key = f"{name}{_SIZE_UNKNOWN}"
    file = {
        "filename": name,
        "size": _SIZE_UNKNOWN,
        "regions": regions,
        "file_attributes": {"width": str(size_wh[0]), "height": str(size_wh[1])},
    }
    texts = {"type": "text", "description": "", "default_value": ""}
    named = ("class", "slot_id", "zone_id", "kind", "enabled")
    project = {
        "_via_settings": {
            "project": {"name": name},
            "core": {"filepath": {}, "default_filepath": ""},
        },
        METADATA: {key: file},
        "_via_attributes": {
            "region": dict.fromkeys(named, texts),
            "file": dict.fromkeys(("width", "height"), texts),
        },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": [key],
    }
    return f"{json.dumps(project, indent=1)}\n".encode()


def read_csv(data: bytes, report: Report) -> list[DrawnPicture]:
    """The pictures of a CSV file, which has one row per region. A spreadsheet program may have
    changed the commas to semicolons."""
    text = jsontext.plain(data).decode()
    head = text.splitlines()[0]
    rows = csv.reader(
        io.StringIO(text, newline=None), delimiter=";" if ";" in head else ",", strict=True
    )
    pictures: dict[str, DrawnPicture] = {}
    try:
        columns = [name.strip().lstrip("#") for name in next(rows)]
        for cells in rows:
            if cells:
                row = dict(zip(columns, cells, strict=False))
                _read_row(row, f"line {rows.line_num}", pictures, report)
    except csv.Error as error:
        report.faults.append(f"line {rows.line_num}: not CSV: {error}")
    return list(pictures.values())


def write_csv(slots: Sequence[LayoutSlot], name: str, size_wh: tuple[int, int]) -> bytes:
    """The same as `write_json`, as CSV."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    size = json.dumps({"width": str(size_wh[0]), "height": str(size_wh[1])})
    for index, slot in enumerate(slots):
        shape, attributes = json.dumps(_shape(slot, size_wh)), json.dumps(_attributes(slot))
        rows.writerow([name, _SIZE_UNKNOWN, size, len(slots), index, shape, attributes])
    return out.getvalue().encode()


def _read_row(
    row: Mapping[str, str], line: str, pictures: dict[str, DrawnPicture], report: Report
) -> None:
    parsed = {}
    for name in ("file_attributes", "region_shape_attributes", "region_attributes"):
        try:
            parsed[name] = msgspec.json.decode(row.get(name, "") or "{}", type=dict[str, Any])
        except UNREADABLE:
            found = ascii(row[name][:40])
            report.faults.append(f"{line}, {name}: expected a JSON object, not {found}")
            return
    name = row.get("filename", "")
    picture = pictures.setdefault(name, DrawnPicture(name, _size(parsed["file_attributes"])))
    if parsed["region_shape_attributes"]:  # empty: a picture without regions
        region = _Region(parsed["region_shape_attributes"], parsed["region_attributes"])
        _add(picture, region, line, report)


def _add(picture: DrawnPicture, region: _Region, place: str, report: Report) -> None:
    shape = region.shape_attributes
    of = _SHAPES.get(str(shape.get("name")))
    if of is None:
        name = ascii(str(shape.get("name"))[:40])
        report.notes.append(f"{place}: left out, because {name} is neither a polygon nor a rect")
        return
    found = faults(shape, of)
    if found:
        report.faults += [f"{place}: {one}" for one in found]
        return
    corners = _corners(msgspec.convert(shape, of))
    if corners is None:
        report.faults.append(f"{place}: all_points_x and all_points_y must have the same length")
        return
    attributes = region.region_attributes
    label = str(attributes.get("class", attributes.get("label", "")))
    picture.slots.append(DrawnSlot(place, corners, label, attributes))


def _corners(shape: _Shape) -> Corners | None:
    if isinstance(shape, _Rect):
        left, top, right, bottom = shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
        return turned([(left, top), (right, top), (right, bottom), (left, bottom)], shape.theta)
    if isinstance(shape, _Polygon) and len(shape.all_points_x) == len(shape.all_points_y):
        return list(zip(shape.all_points_x, shape.all_points_y, strict=True))
    return None


def _size(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """The picture's size, which files that we write contain as attributes."""
    width, height = (number(str(attributes.get(name, ""))) for name in ("width", "height"))
    return (width, height) if width and height and width > 0 and height > 0 else None


def _shape(slot: LayoutSlot, size_wh: tuple[int, int]) -> dict[str, Any]:
    xs, ys = zip(*in_pixels(slot, size_wh), strict=True)
    return {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}


def _attributes(slot: LayoutSlot) -> dict[str, str]:
    """A slot's fields as text, because VIA stores only text."""
    fields = attributes_of(slot)
    return {"class": LABEL, **fields, "enabled": str(slot.enabled).lower()}


def is_csv(data: bytes) -> bool:
    """Whether the first line names VIA's columns, in any encoding."""
    first = data[:2000].replace(b"\0", b"").splitlines()[:1]
    return bool(first) and b"filename" in first[0] and b"region_shape_attributes" in first[0]
