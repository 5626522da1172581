"""Pure geometry of slots and boxes: areas, crossing checks and the matching rule.

Polygons are float arrays `[K, 2]` of x, y in order (either direction), closed implicitly. Boxes are
`[N, 4]` as x0, y0, x1, y1 with y growing downwards. Both use the same coordinates, either pixels or
fractions of the picture, because every rule here is a ratio of areas.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MATCH_RULE = "footprint-v3"
"""Version of the rule of `match_boxes`. A model's threshold and calibration are valid for one
version."""

FOOTPRINT = 0.7
"""The lower share of a box that represents the ground under the vehicle."""

MIN_OVERLAP = 0.15
"""Minimum overlap for a box to count: the intersection over union of its footprint and the slot."""

CLAIMS_FROM = 0.15
"""Minimum score of a box that competes for a slot."""

SAME_VEHICLE = 0.55
"""Boxes that overlap this much (intersection over union) are one vehicle that was detected
twice."""

LEAN_FROM = 0.4
"""Minimum score of a vehicle that is used to estimate how vehicles stand in this picture's
slots."""

LEAN_PULL = 3.0
"""This many vehicles in the middle of their slots are added to those seen, because a few vehicles
prove little."""


class Matches(NamedTuple):
    """Result of `match_boxes`, one entry per slot."""

    scores: Floats
    """The best score of the boxes assigned to the slot, or 0 if there is none."""
    box_index: NDArray[np.intp]
    """The row of that box, or -1 if there is none."""
    covered: Floats
    """Share of the slot (0..1) hidden by a vehicle of another slot, reduced if that vehicle is
    uncertain."""


def polygon_area(polygon: ArrayLike) -> float:
    """Return the area of a simple polygon, never negative."""
    points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    (x, y), (x_next, y_next) = points.T, _after(points).T
    return float(abs(np.dot(x, y_next) - np.dot(y, x_next)) / 2)


def _after(corners: Floats) -> Floats:
    """Return each corner's successor, ten times as fast as np.roll."""
    after: Floats = np.concatenate([corners[1:], corners[:1]])
    return after


def points_in_polygon(points: ArrayLike, polygon: ArrayLike) -> NDArray[np.bool_]:
    """Return whether each point `[M, 2]` is inside (even-odd rule)."""
    px, py = np.asarray(points, dtype=np.float64).reshape(-1, 2).T[:, :, None]
    start = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    end = np.roll(start, -1, axis=0)
    spans = (start[:, 1] > py) != (end[:, 1] > py)
    rise = end[:, 1] - start[:, 1]
    slope = (end[:, 0] - start[:, 0]) / np.where(rise == 0, 1.0, rise)
    left_of = px < start[:, 0] + (py - start[:, 1]) * slope
    inside: NDArray[np.bool_] = np.count_nonzero(spans & left_of, axis=1) % 2 == 1
    return inside


def is_simple(polygon: ArrayLike) -> bool:
    """Return whether the outline has an area and neither crosses nor touches itself. Its last
    corner may repeat the first. All pairs of edges are compared at once, which takes a third of a
    millisecond for 64 corners."""
    points = np.asarray(polygon, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        return False
    points = without_closing(points)
    if len(points) < 3 or polygon_area(points) == 0:
        return False
    ends = _after(points)
    if (points == ends).all(axis=1).any() or _folds_back(points):
        return False
    turns = _side_of_edges(points, ends)
    across = turns * np.concatenate([turns[:, 1:], turns[:, :1]], axis=1) < 0
    if (across & across.T).any():
        return False
    on_a_line = int((turns == 0).sum()) > 2 * len(points)  # more than each edge's own corners
    return not (on_a_line and _edges_touch(points, ends))


def without_closing(points: Floats) -> Floats:
    """Return the corners [K, 2] without a last one that only repeats the first."""
    closed = len(points) > 1 and bool((points[0] == points[-1]).all())
    return points[:-1] if closed else points


def _side_of_edges(start: Floats, end: Floats) -> Floats:
    """Return [K, K]: the side of each edge (row) on which each corner (column) lies: 1 left, -1
    right, 0 on its line. An edge's own corners count as on it, regardless of rounding."""
    edge = end - start
    to = start[None] - start[:, None]
    sides = np.sign(edge[:, None, 0] * to[..., 1] - edge[:, None, 1] * to[..., 0])
    own = np.arange(len(start))
    sides[own, own] = sides[own, (own + 1) % len(start)] = 0
    return np.asarray(sides, np.float64)


def _edges_touch(points: Floats, ends: Floats) -> bool:
    """Return whether any two edges that are not neighbours share a point."""
    count = len(points)
    first, second = np.triu_indices(count, 2)
    apart = (first != 0) | (second != count - 1)
    first, second = first[apart], second[apart]
    return bool(_edges_meet(points[first], ends[first], points[second], ends[second]).any())


def _turns(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return the sign of each turn a-b-c [N]: 1 left, -1 right, 0 straight."""
    ab, ac = b - a, c - a
    turns: Floats = np.sign(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    return turns


def _folds_back(points: Floats) -> bool:
    """Return whether the outline runs back over itself at a corner."""
    before, after = np.concatenate([points[-1:], points[:-1]]), _after(points)
    straight = _turns(before, points, after) == 0
    return bool((straight & (((before - points) * (after - points)).sum(axis=1) > 0)).any())


def _edges_meet(a: Floats, b: Floats, c: Floats, d: Floats) -> NDArray[np.bool_]:
    """Return whether edges a-b and c-d share a point, for each pair [N]."""
    abc, abd, cda, cdb = _turns(a, b, c), _turns(a, b, d), _turns(c, d, a), _turns(c, d, b)
    meet: NDArray[np.bool_] = (abc * abd < 0) & (cda * cdb < 0)
    for turn, p, q, point in ((abc, a, b, c), (abd, a, b, d), (cda, c, d, a), (cdb, c, d, b)):
        meet |= (turn == 0) & _within(p, q, point)
    return meet


def _within(p: Floats, q: Floats, point: Floats) -> NDArray[np.bool_]:
    """Return whether each `point`, which is on the line through p and q, is between them."""
    low, high = np.minimum(p, q), np.maximum(p, q)
    return np.asarray(((low <= point) & (point <= high)).all(axis=1), np.bool_)


def overlap_areas(boxes_xyxy: ArrayLike, polygons: Sequence[ArrayLike]) -> Floats:
    """Return the area `[N, S]` that each box shares with each simple polygon, exactly.

    Green's theorem: the shared area is the sum over the polygon's edges of the integral
    of (y clamped to the box - the box's top) dx, over the part of the edge within the box's
    x range. Each edge gives three straight pieces, so trapezoids are exact. All pairs at once.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    areas = np.zeros((len(boxes), len(polygons)))
    if not areas.size:
        return areas
    rings = stacked(polygons)
    low, high = rings.min(axis=1), rings.max(axis=1)
    x0, y0, x1, y1 = boxes.T[:, :, None]
    near = (x0 < high[:, 0]) & (y0 < high[:, 1]) & (x1 > low[:, 0]) & (y1 > low[:, 1])
    box, slot = np.nonzero(near)
    start = rings[slot]
    step = np.roll(start, -1, axis=1) - start
    x0, y0, x1, y1 = boxes[box].T[:, :, None]
    left, right = _share(x0 - start[..., 0], step[..., 0]), _share(x1 - start[..., 0], step[..., 0])
    enter, leave = np.minimum(left, right), np.maximum(left, right)
    ya, yb = start[..., 1] + enter * step[..., 1], start[..., 1] + leave * step[..., 1]
    up, down = _share(y0 - ya, yb - ya), _share(y1 - ya, yb - ya)
    early, late = np.minimum(up, down), np.maximum(up, down)
    at_start, at_end = np.clip(ya, y0, y1) - y0, np.clip(yb, y0, y1) - y0
    # The clamped height is constant before `early` and after `late`, and linear in between.
    height = at_start * early + (at_start + at_end) / 2 * (late - early) + at_end * (1 - late)
    areas[box, slot] = np.abs((height * (leave - enter) * step[..., 0]).sum(axis=1))
    return areas


def stacked(polygons: Sequence[ArrayLike]) -> Floats:
    """Stack polygons as `[S, K, 2]`; the last corner repeats, which adds no area."""
    rings = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
    counts = np.array([len(ring) for ring in rings])
    corner = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
    padded: Floats = np.concatenate(rings)[(np.cumsum(counts) - counts)[:, None] + corner]
    return padded


def _share(distance: Floats, length: Floats) -> Floats:
    """Return distance / length clamped to 0..1; 0 for a length of zero."""
    safe = np.where(length == 0, 1.0, length)
    return np.where(length == 0, 0.0, np.clip(distance / safe, 0.0, 1.0))


def match_boxes(boxes_xyxy: ArrayLike, scores: ArrayLike, slots: Sequence[ArrayLike]) -> Matches:
    """Assign each box to the slot that its footprint overlaps most, unless another box fits that
    slot better and a neighbouring slot is free for this one.

    A vehicle rises above the ground, so its box covers part of the slots behind it. Therefore only
    the box's lower part (`FOOTPRINT`) is compared. The camera's angle and the way outlines were
    drawn shift all vehicles of a picture off their slots in the same way. So boxes are matched
    once, moved back by the shift of the confident ones (`_lean`), and matched again. A box whose
    overlap stays below `MIN_OVERLAP` (a vehicle driving past or parked outside) gets no slot.
    """
    boxes = np.array(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    if not len(slots) or not len(boxes):
        nothing = np.zeros(len(slots))
        return Matches(nothing, np.full(len(slots), -1, dtype=np.intp), nothing.copy())
    areas = np.array([polygon_area(slot) for slot in slots])
    feet = boxes.copy()
    feet[:, 1] = boxes[:, 3] - FOOTPRINT * (boxes[:, 3] - boxes[:, 1])
    slot_of_box, box_of_slot = _assigned(boxes, feet, score, slots, areas)
    feet -= _lean(feet, boxes, score, slots, box_of_slot)
    slot_of_box, box_of_slot = _assigned(boxes, feet, score, slots, areas)
    hidden = overlap_areas(boxes, slots) / areas * np.minimum(1.0, 2 * score)[:, None]
    own = np.flatnonzero(slot_of_box >= 0)
    hidden[own, slot_of_box[own]] = 0
    best = np.where(box_of_slot >= 0, score[box_of_slot], 0.0)
    return Matches(best, box_of_slot, np.minimum(hidden.max(axis=0), 1.0))


def _assigned(
    boxes: Floats, feet: Floats, score: Floats, slots: Sequence[ArrayLike], areas: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the slot that each box overlaps most, and the best box of each slot (-1: none)."""
    shared = overlap_areas(feet, slots)
    feet_areas = np.prod(feet[:, 2:] - feet[:, :2], axis=1)
    union = np.maximum(feet_areas[:, None] + areas - shared, np.finfo(np.float64).tiny)
    overlap = shared / union
    slot_of_box = overlap.argmax(axis=1)
    counts = overlap.max(axis=1) >= MIN_OVERLAP
    claims = np.where(counts & (score >= CLAIMS_FROM), score, 0.0)
    _settle_contests(boxes, claims, overlap, slot_of_box)
    box_of_slot = np.full(len(slots), -1, dtype=np.intp)
    for box in np.flatnonzero(counts)[np.argsort(score[counts], kind="stable")]:
        box_of_slot[slot_of_box[box]] = box
    return np.where(overlap.max(axis=1) > 0, slot_of_box, -1), box_of_slot


def _lean(
    feet: Floats,
    boxes: Floats,
    score: Floats,
    slots: Sequence[ArrayLike],
    box_of_slot: NDArray[np.intp],
) -> Floats:
    """Return `[N, 4]`, how far boxes in this picture are shifted off their slots. This is the
    median distance, in box sizes, of confidently detected vehicles from the middle of their
    slots."""
    seen = np.flatnonzero((box_of_slot >= 0) & (score[box_of_slot] > LEAN_FROM))
    if not len(seen):
        return np.zeros_like(feet)
    sizes = boxes[:, 2:] - boxes[:, :2]
    rings = stacked(slots)[seen]
    middles = (rings.min(axis=1) + rings.max(axis=1)) / 2
    vehicles = box_of_slot[seen]
    off = (feet[vehicles, :2] + feet[vehicles, 2:]) / 2 - middles
    lean = np.median(off / np.maximum(sizes[vehicles], np.finfo(np.float64).tiny), axis=0)
    return np.tile(lean * len(seen) / (len(seen) + LEAN_PULL) * sizes, 2)


def _settle_contests(
    boxes: Floats, claims: Floats, overlap: Floats, slot_of_box: NDArray[np.intp]
) -> None:
    """If several vehicles claim one slot, assign it to the one that overlaps it most (uncertain
    ones count less). Each other vehicle gets its next best slot if no box claims that one. `claims`
    holds the score of each competing box and 0 for all others. Changes `slot_of_box`."""
    claimed = np.bincount(slot_of_box[claims > 0], minlength=overlap.shape[1])
    for slot in np.flatnonzero(claimed > 1):
        rivals = np.flatnonzero((claims > 0) & (slot_of_box == slot))
        winner = rivals[(overlap[rivals, slot] * claims[rivals]).argmax()]
        for box in rivals[rivals != winner]:
            others = np.where(np.arange(len(claimed)) == slot, 0.0, overlap[box])
            second = int(others.argmax())
            free = others[second] >= MIN_OVERLAP and not claimed[second]
            if free and _box_iou(boxes[box], boxes[winner]) < SAME_VEHICLE:
                slot_of_box[box] = second


def _box_iou(first: Floats, second: Floats) -> float:
    """Return the intersection area of two boxes divided by the area of their union."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return shared / max(areas - shared, float(np.finfo(np.float64).tiny))
