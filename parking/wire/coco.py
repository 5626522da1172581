"""Read and write COCO JSON with polygons. Pure. https://cocodataset.org/#format-data"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from parking.core.events import LayoutSlot
from parking.core.geometry import polygon_area
from parking.wire.drawings import (
    LABEL,
    Corners,
    DrawnPicture,
    DrawnSlot,
    Report,
    attributes_of,
    in_pixels,
)
from parking.wire.typefaults import faults

Name = int | str
Pixels = Annotated[float, Meta(gt=0)]


class _Image(Struct):
    id: Name
    width: Pixels
    height: Pixels
    file_name: str = ""


class _Annotation(Struct):
    image_id: Name
    category_id: Name | None = None
    attributes: dict[str, Any] = {}


class _Category(Struct):
    id: Name
    name: str = ""


class _File(Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []


def read(value: Mapping[str, Any], report: Report) -> list[DrawnPicture]:
    """The pictures of a file with `images` and `annotations`."""
    found = faults(value, _File)
    report.faults += found
    if found:
        return []
    file = msgspec.convert(value, _File)
    pictures = {one.id: DrawnPicture(one.file_name, (one.width, one.height)) for one in file.images}
    labels = {one.id: one.name for one in file.categories}
    for index, (annotation, raw) in enumerate(
        zip(file.annotations, value["annotations"], strict=True)
    ):
        place = f"annotations[{index}]"
        picture = pictures.get(annotation.image_id)
        if picture is None:
            shown = ascii(str(annotation.image_id)[:40])
            report.faults.append(f"{place}.image_id: there is no image {shown}")
            continue
        corners = _corners(raw.get("segmentation"), f"{place}.segmentation", report)
        if corners:
            label = labels.get(annotation.category_id or 0, "")
            attributes = {**raw.get("attributes", {})}
            picture.slots.append(DrawnSlot(place, corners, label, attributes))
    return list(pictures.values())


def write(slots: Sequence[LayoutSlot], name: str, size_wh: tuple[int, int]) -> bytes:
    """A file with one picture. `attributes` is the extension of COCO that CVAT and Datumaro use."""
    file = {
        "images": [{"id": 1, "width": size_wh[0], "height": size_wh[1], "file_name": name}],
        "categories": [{"id": 1, "name": LABEL, "supercategory": ""}],
        "annotations": [_annotation(n, slot, size_wh) for n, slot in enumerate(slots, start=1)],
    }
    return f"{json.dumps(file, indent=1)}\n".encode()


def _annotation(number: int, slot: LayoutSlot, size_wh: tuple[int, int]) -> dict[str, Any]:
    corners = in_pixels(slot, size_wh)
    xs, ys = zip(*corners, strict=True)
    left, top = min(xs), min(ys)
    return {
        "id": number,
        "image_id": 1,
        "category_id": 1,
        "segmentation": [[value for corner in corners for value in corner]],
        "area": round(polygon_area(corners), 2),
        "bbox": [left, top, round(max(xs) - left, 2), round(max(ys) - top, 2)],
        "iscrowd": 0,
        "attributes": attributes_of(slot),
    }


def _corners(segmentation: Any, place: str, report: Report) -> Corners | None:
    """The largest part of a segmentation, or None after adding a note or fault to the report."""
    if not segmentation or isinstance(segmentation, dict):
        what = "is a mask" if segmentation else "is missing"
        report.notes.append(f"{place} {what}: left out, because it has no polygon")
        return None
    parts = segmentation if isinstance(segmentation, list) else [segmentation]
    if all(isinstance(part, int | float) for part in parts):
        parts = [parts]  # some programs write a single list
    found = faults(parts, list[Annotated[list[float], Meta(min_length=6)]])
    found += [
        f"[{at}]: must have an even number of values (x, y, x, y, ...), not {len(part)}"
        for at, part in enumerate(parts)
        if isinstance(part, list) and len(part) % 2
    ]
    if found:
        report.faults += [f"{place}{one}" if one[0] == "[" else f"{place}: {one}" for one in found]
        return None
    outlines = [list(zip(part[::2], part[1::2], strict=True)) for part in parts]
    if len(outlines) > 1:
        report.notes.append(f"{place}: has {len(outlines)} parts; only the largest is used")
    return max(outlines, key=polygon_area)
