"""Read and write PKLot XML (one file per picture, `rotatedRect` and `contour`). Pure.

https://web.inf.ufpr.br/vri/databases/parking-lot-database/
"""

from collections.abc import Sequence
from math import degrees
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from parking.core.events import LayoutSlot
from parking.wire.drawings import (
    Corners,
    DrawnPicture,
    DrawnSlot,
    Report,
    in_pixels,
    number,
    turned,
)
from parking.wire.xmltext import Element


def read(root: Element, report: Report) -> list[DrawnPicture]:
    """The picture of a file with root `parking`. The file does not contain the picture's size."""
    picture = DrawnPicture(root.attributes.get("id", ""), None)
    for space in root.every("space"):
        corners = _contour(space, report)
        if corners:
            picture.slots.append(DrawnSlot(space.place, corners, "", space.attributes))
    return [picture]


def write(slots: Sequence[LayoutSlot], name: str, size_wh: tuple[int, int]) -> bytes:
    """A file whose spaces have `zone_id`, `kind` and `enabled` in addition to PKLot's own
    attributes. The rotated rectangle is the smallest one around the outline."""
    spaces = [line for slot in slots for line in _space(slot, in_pixels(slot, size_wh))]
    lines = ['<?xml version="1.0"?>', f"<parking id={quoteattr(name)}>", *spaces, "</parking>", ""]
    return "\n".join(lines).encode()


def _contour(space: Element, report: Report) -> Corners | None:
    contour = space.first("contour")
    points = list(contour.every("point")) if contour else []
    if not points:
        return _rectangle(space, report)
    corners = [_pair(point, "x", "y", report) for point in points]
    return None if None in corners else [one for one in corners if one]


def _rectangle(space: Element, report: Report) -> Corners | None:
    rectangle = space.first("rotatedRect")
    parts = [rectangle.first(tag) if rectangle else None for tag in ("center", "size", "angle")]
    if None in parts:
        report.faults.append(
            f"{space.place}: expected a <contour> with <point x= y=>, or a <rotatedRect> with"
            " <center>, <size> and <angle>"
        )
        return None
    middle, size, angle = (part for part in parts if part is not None)
    at, wh = _pair(middle, "x", "y", report), _pair(size, "w", "h", report)
    turn = number(angle.attributes.get("d", ""))
    if turn is None:
        report.faults.append(f"{angle.place}: expected a number for d")
    if at is None or wh is None or turn is None:
        return None
    (x, y), (w, h) = at, (wh[0] / 2, wh[1] / 2)
    return turned([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)], turn)


def _pair(element: Element, first: str, second: str, report: Report) -> tuple[float, float] | None:
    one, other = (number(element.attributes.get(name, "")) for name in (first, second))
    if one is None or other is None:
        report.faults.append(f"{element.place}: expected numbers for {first} and {second}")
        return None
    return one, other


def _space(slot: LayoutSlot, corners: Corners) -> list[str]:
    (x, y), (w, h), turn = smallest_rectangle(corners)
    more: dict[str, Any] = {"zone_id": slot.zone_id, "kind": slot.kind}
    more["enabled"] = str(slot.enabled).lower()
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in more.items())
    return [
        f"  <space id={quoteattr(slot.slot_id)}{attributes}>",
        "    <rotatedRect>",
        f'      <center x="{x:.2f}" y="{y:.2f}" />',
        f'      <size w="{w:.2f}" h="{h:.2f}" />',
        f'      <angle d="{turn:.2f}" />',
        "    </rotatedRect>",
        "    <contour>",
        *(f'      <point x="{px:.2f}" y="{py:.2f}" />' for px, py in corners),
        "    </contour>",
        "  </space>",
    ]


def smallest_rectangle(
    corners: Corners,
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Middle, size and clockwise turn in degrees (-90 to 90) of the smallest rectangle around these
    corners. One of its sides lies along an edge of their convex hull, and each such edge joins two
    corners, so all pairs are tried."""
    points = np.asarray(corners, np.float64)
    first, second = np.triu_indices(len(points), 1)
    steps = points[second] - points[first]
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    c, s = np.cos(angles), np.sin(angles)
    axes = np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], 1)  # [pairs, 2, 2]
    along = np.einsum("pij,nj->pni", axes, points)
    low, high = along.min(axis=1), along.max(axis=1)
    best = int(np.argmin(np.prod(high - low, axis=1)))
    x, y = ((low[best] + high[best]) / 2 @ axes[best]).tolist()
    w, h = (high[best] - low[best]).tolist()
    return (x, y), (w, h), (degrees(float(angles[best])) + 90) % 180 - 90
