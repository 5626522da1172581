"""Read and write CVAT XML ("CVAT for images 1.1"). Pure.

https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from parking.core.events import LayoutSlot, SlotKind
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
from parking.wire.xmltext import Element

_OTHER_SHAPES: Final = ("polyline", "points", "ellipse", "cuboid", "mask", "skeleton", "tag")
_SELECT: Final = {"kind": "\n".join(SlotKind.__args__)}  # type: ignore[attr-defined] # a Literal
_INPUTS: Final = {"slot_id": "text", "zone_id": "text", "kind": "select", "enabled": "checkbox"}
_DEFAULTS: Final = {"slot_id": "", "zone_id": "", "kind": "standard", "enabled": "true"}


def read(root: Element, report: Report) -> list[DrawnPicture]:
    """The pictures of a file with root `annotations`."""
    if root.first("track") is not None:
        report.faults.append(
            'it is "CVAT for video"; expected "CVAT for images 1.1": export the task in that format'
        )
    return [_picture(image, report) for image in root.every("image")]


def write(slots: Sequence[LayoutSlot], name: str, size_wh: tuple[int, int]) -> bytes:
    """A file with one picture."""
    width, height = size_wh
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "  <version>1.1</version>",
        f"  <meta><task><name>{escape(name)}</name><size>1</size><mode>annotation</mode>",
        f"    <labels><label><name>{LABEL}</name><type>polygon</type><attributes>",
        *(_declared(attribute) for attribute in _INPUTS),
        "    </attributes></label></labels>",
        "  </task></meta>",
        f'  <image id="0" name={quoteattr(name)} width="{width}" height="{height}">',
        *(_polygon(slot, size_wh) for slot in slots),
        "  </image>",
        "</annotations>",
    ]
    return "\n".join([*lines, ""]).encode()


def _picture(image: Element, report: Report) -> DrawnPicture:
    sides = [number(image.attributes.get(name, "")) for name in ("width", "height")]
    width, height = (side if side and side > 0 else None for side in sides)
    if width is None or height is None:
        report.faults.append(f"{image.place}: expected width and height in pixels, above 0")
        width = height = 1.0
    picture = DrawnPicture(image.attributes.get("name", ""), (width, height))
    for shape in image.children:
        corners = None
        if shape.tag == "polygon":
            corners = _points(shape, report)
        elif shape.tag == "box":
            corners = _box(shape, report)
        elif shape.tag in _OTHER_SHAPES:
            report.notes.append(
                f"{shape.place}: left out, because it is neither a polygon nor a box"
            )
        if corners:
            label = shape.attributes.get("label", "")
            picture.slots.append(DrawnSlot(shape.place, corners, label, _attributes(shape)))
    return picture


def _attributes(shape: Element) -> dict[str, str]:
    return {one.attributes.get("name", ""): one.text.strip() for one in shape.every("attribute")}


def _points(shape: Element, report: Report) -> Corners | None:
    corners = []
    for pair in shape.attributes.get("points", "").split(";"):
        values = [number(part) for part in pair.split(",")]
        if len(values) != 2 or values[0] is None or values[1] is None:
            report.faults.append(
                f'{shape.place}: points: expected pairs like "10.5,20;30,40", not {pair[:40]!a}'
            )
            return None
        corners.append((values[0], values[1]))
    return corners


def _box(shape: Element, report: Report) -> Corners | None:
    values = [number(shape.attributes.get(name, "")) for name in ("xtl", "ytl", "xbr", "ybr")]
    if any(value is None for value in values):
        report.faults.append(f"{shape.place}: expected numbers for xtl, ytl, xbr and ybr")
        return None
    left, top, right, bottom = (value or 0.0 for value in values)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return turned(corners, number(shape.attributes.get("rotation", "")) or 0.0)


def _declared(attribute: str) -> str:
    values = _SELECT.get(attribute, "")
    return (
        f"      <attribute><name>{attribute}</name><mutable>False</mutable>"
        f"<input_type>{_INPUTS[attribute]}</input_type>"
        f"<default_value>{_DEFAULTS[attribute]}</default_value>"
        f"<values>{values}</values></attribute>"
    )


def _polygon(slot: LayoutSlot, size_wh: tuple[int, int]) -> str:
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in in_pixels(slot, size_wh))
    attributes = "".join(
        f"<attribute name={quoteattr(name)}>{escape(_word(value))}</attribute>"
        for name, value in attributes_of(slot).items()
    )
    return (
        f'    <polygon label="{LABEL}" source="manual" occluded="0" points="{points}" z_order="0">'
        f"{attributes}</polygon>"
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
