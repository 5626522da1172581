"""Compare slots' outlines with each other and with what a camera can resolve. Pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from parking.core.geometry import Floats, points_in_polygon, polygon_area

TWINS_FROM: Final = 0.8
"""The minimum intersection over union at which two outlines count as the same place."""
_BOXES_FROM: Final = 0.65
_SIDE: Final = 20
_MOST_COMPARED: Final = 800
_ENOUGH: Final = 20


def thickness(polygon: ArrayLike) -> float:
    """Return how wide an outline (0..1) is in the picture: its area over the diagonal of its
    bounding box."""
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    longest = float(np.hypot(*np.ptp(points, axis=0)))
    return polygon_area(points) / max(longest, 1e-9)


def twins(
    polygons: Sequence[ArrayLike], accepted: Sequence[bool] | None = None
) -> list[tuple[int, int]]:
    """Return pairs (first, second) of outlines that are equal or nearly so, at most about
    `_ENOUGH`. Pairs in which both are `accepted` are left out. 1,000 outlines with 64 corners each
    take about 0.3 s, wherever they are."""
    if len(polygons) < 2:
        return []
    rings = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
    boxes = np.array([(*ring.min(axis=0), *ring.max(axis=0)) for ring in rings])
    alike = np.triu(_shared(boxes) >= _BOXES_FROM, 1)
    if accepted is not None:
        alike &= ~np.logical_and.outer(accepted, accepted)
    found: list[tuple[int, int]] = []
    for first, second in np.argwhere(alike)[:_MOST_COMPARED].tolist():
        if _overlap(rings[first], rings[second]) >= TWINS_FROM:
            found.append((first, second))
            if len(found) >= _ENOUGH:
                break
    return found


def _shared(boxes: Floats) -> Floats:
    """Return [N, N]: the intersection over union of each two boxes."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    both: Floats = shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-12)
    return both


def _overlap(one: Floats, other: Floats) -> float:
    """Return the intersection over union of two outlines, estimated on a grid of points."""
    together = np.vstack([one, other])
    low, high = together.min(axis=0), together.max(axis=0)
    steps = (np.arange(_SIDE) + 0.5) / _SIDE
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * (high - low) + low
    first, second = points_in_polygon(grid, one), points_in_polygon(grid, other)
    return float((first & second).sum()) / max(int((first | second).sum()), 1)
