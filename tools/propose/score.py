"""Compare proposals with annotations: precision and recall, by overlap and by centre."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.geometry import points_in_polygon, polygon_area
from parking.vision.places import overlaps

Floats = NDArray[np.float64]

IOUS: Final = (0.5, 0.3)


@dataclass(frozen=True, slots=True)
class Truth:
    """A camera's annotated slots: their outlines [S][4, 2], normalised, and which were occupied at
    least once in the recording."""

    outlines: list[Floats]
    used: NDArray[np.bool_]

    @property
    def region(self) -> Floats:
        """Return the region of the annotations: their convex hull [K, 2]."""
        points = np.concatenate(self.outlines).astype(np.float32)
        return np.asarray(cv2.convexHull(points), np.float64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Score:
    """The share of proposals that are slots, and of slots that were proposed. `inside` counts
    proposals within the annotated region, because nothing is annotated beyond it."""

    rule: str
    proposals: int
    inside: int
    slots: int
    used: int
    matched: int
    matched_used: int

    def numbers(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            **asdict(self),
            "precision": _share(self.matched, self.proposals),
            "precision_inside": _share(self.matched, self.inside),
            "recall": _share(self.matched, self.slots),
            "recall_used": _share(self.matched_used, self.used),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def total(scores: Sequence[Score]) -> Score:
    """Return the score of all cameras together."""
    counts = [
        sum(column)
        for column in zip(*(list(asdict(one).values())[1:] for one in scores), strict=True)
    ]
    return Score(scores[0].rule, *counts)


def score(outlines: Sequence[Floats], truth: Truth, size_wh: tuple[int, int]) -> list[Score]:
    """Score by IoU >= 0.5, by IoU >= 0.3, and by centres. Each proposal is assigned to at most one
    slot."""
    region = truth.region
    middles = np.array([outline.mean(axis=0) for outline in outlines]).reshape(-1, 2)
    inside = int(points_in_polygon(middles, region).sum()) if len(middles) else 0
    overlap = ious(outlines, truth.outlines, size_wh)
    near = _nearness(middles, truth.outlines)
    found = []
    for rule, table, least in [
        *((f"IoU {iou}", overlap, iou) for iou in IOUS),
        ("centre", near, 1e-9),
    ]:
        slots = [slot for _, slot in pairs(table, least)]
        found.append(
            Score(
                rule,
                len(outlines),
                # a proposal for an annotated slot may have its middle just outside
                max(inside, len(slots)),
                len(truth.outlines),
                int(truth.used.sum()),
                len(slots),
                int(truth.used[slots].sum()),
            )
        )
    return found


def pairs(table: Floats, least: float) -> list[tuple[int, int]]:
    """Pair rows and columns one to one, the best first."""
    table = table.copy()
    found = []
    while table.size and table.max() >= least:
        row, column = divmod(int(table.argmax()), table.shape[1])
        found.append((row, column))
        table[row], table[:, column] = -1.0, -1.0
    return found


def ious(first: Sequence[Floats], second: Sequence[Floats], size_wh: tuple[int, int]) -> Floats:
    """Return the intersection over union [N, S] of outlines, taken as convex."""
    a = [_hull(outline * size_wh) for outline in first]
    b = [_hull(outline * size_wh) for outline in second]
    table = np.zeros((len(a), len(b)))
    if not table.size:
        return table
    bounds_a = np.array([[*hull.min(axis=0), *hull.max(axis=0)] for hull in a])
    bounds_b = np.array([[*hull.min(axis=0), *hull.max(axis=0)] for hull in b])
    for i, j in zip(*np.nonzero(overlaps(bounds_a, bounds_b)), strict=True):
        shared, _ = cv2.intersectConvexConvex(a[i], b[j])
        table[i, j] = shared / (polygon_area(a[i]) + polygon_area(b[j]) - shared)
    return table


def _hull(points: Floats) -> NDArray[np.float32]:
    return np.asarray(cv2.convexHull(points.astype(np.float32)), np.float32).reshape(-1, 2)


def _nearness(middles: Floats, slots: Sequence[Floats]) -> Floats:
    """Return 1 / (1 + distance of centres) [N, S] where the centre is in the slot, else 0."""
    table = np.zeros((len(middles), len(slots)))
    for column, slot in enumerate(slots):
        if len(middles):
            away = np.linalg.norm(middles - slot.mean(axis=0), axis=1)
            table[:, column] = points_in_polygon(middles, slot) / (1 + away)
    return table
