"""Rows of slots, pure: cars side by side, the heading they share, and each slot's outline.

Everything here is on the ground, in metres, as parking.ground defines it.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parking.ground import CAR_M, HEADINGS, Camera, Floats, stands

SLOT_M: Final = (5.0, 2.5)
"""Length and width of a slot without neighbours."""

_PITCH_M: Final = (1.9, 3.6)
"""Neighbours in a row are so far apart across their length..."""
_SHIFT_M: Final = 2.8
"""... and shifted by no more along it: slots may stand at an angle to their row."""
_TURNED: Final = np.radians(25)
_NEAR_M: Final = 9.0
_SQUARE_WEIGHT: Final = 0.12
"""How much a heading square to the row is preferred, against a misfit of boxes."""
_OVERLAP_WEIGHT: Final = 0.5


class Slot(NamedTuple):
    """One slot on the ground. `source`: the place it comes from, -1 for a filled gap."""

    outline: Floats
    source: int


def find_rows(camera: Camera, boxes_xyxy: Floats) -> list[list[Slot]]:
    """Every box's slot, row by row. `boxes_xyxy` [N, 4] as parking.ground wants them."""
    at = stands(camera, boxes_xyxy)
    headings = _headings(at.centres, np.minimum(at.misfit, 1.0))
    each = np.arange(len(headings))
    centres = at.centres[each, headings]
    rows = []
    for members in _linked(centres, HEADINGS[headings]):
        rows.append(_row(members, at.centres, at.misfit))
    return rows


def _headings(centres: Floats, misfit: Floats) -> NDArray[np.intp]:
    """The heading (index) of each place: its box's fit, its neighbours' too, and no car inside
    another."""
    best = misfit.argmin(axis=1)
    each = np.arange(len(best))
    for _ in range(4):
        at = centres[each, best]
        between = at[None] - at[:, None]
        distance = np.linalg.norm(between, axis=-1)
        near = np.exp(-((distance / 4) ** 2))
        cost = near @ misfit / near.sum(axis=1, keepdims=True)
        cost = cost + misfit * 0.3
        close = (distance < 5.5) & (distance > 0.5)
        along = np.stack([np.cos(HEADINGS), np.sin(HEADINGS)])
        forward = np.abs(between @ along)
        across = np.abs(between @ np.stack([-along[1], along[0]]))
        free = np.maximum(across / _PITCH_M[0], forward / (CAR_M[0] * 0.95))
        inside = np.maximum(0, 1 - free) * close[..., None]
        cost = cost + _OVERLAP_WEIGHT * inside.sum(axis=1)
        # next to a neighbour: square to the line between them
        beside = close & (distance > _PITCH_M[0]) & (distance < 3.4)
        skew = (forward / np.maximum(distance, 0.5)[..., None]) * beside[..., None]
        cost = cost + _SQUARE_WEIGHT * skew.sum(axis=1) / np.maximum(1, beside.sum(axis=1))[:, None]
        now = cost.argmin(axis=1)
        if (now == best).all():
            break
        best = now
    return best


def _linked(centres: Floats, headings: Floats) -> list[list[int]]:
    """Places gathered into rows: side by side and turned alike."""
    count = len(centres)
    label = np.arange(count)
    for i in range(count):
        for j in range(i):
            if _side_by_side(centres[j] - centres[i], headings[i], headings[j]):
                label[label == label[i]] = label[j]
    return [np.flatnonzero(label == one).tolist() for one in dict.fromkeys(label.tolist())]


def _side_by_side(between: Floats, first: float, second: float) -> bool:
    turned = abs((first - second + np.pi / 2) % np.pi - np.pi / 2)
    if turned > _TURNED:
        return False
    heading = first + ((second - first + np.pi / 2) % np.pi - np.pi / 2) / 2
    along, across = _split(between, heading)
    return bool(
        _PITCH_M[0] * 0.85 <= abs(across) <= _PITCH_M[1] and abs(along) <= _SHIFT_M
    )


def _split(vectors: Floats, heading: float) -> tuple[Floats, Floats]:
    """Vectors [..., 2] as lengths along and across a heading."""
    cos, sin = np.cos(heading), np.sin(heading)
    return vectors @ np.array([cos, sin]), vectors @ np.array([-sin, cos])


def _row(members: list[int], centres: Floats, misfit: Floats) -> list[Slot]:
    cost = misfit[members].mean(axis=0)
    if len(members) > 1:
        middle = centres[members, int(cost.argmin())]
        line = _direction(middle)
        cost = cost + _SQUARE_WEIGHT * 2 * np.abs(np.cos(HEADINGS - line))
    heading = int(cost.argmin())
    at = centres[members, heading]
    angle = float(HEADINGS[heading])
    _, across = _split(at, angle)
    order = np.argsort(across, kind="stable")
    slots = []
    pitch = _pitch(across[order])
    for index in order:
        slots.append(Slot(_rectangle(at[index], angle, pitch), members[index]))
    return slots


def _pitch(across: Floats) -> float:
    """Median distance of neighbours, a missing one between them allowed for."""
    if len(across) < 2:
        return SLOT_M[1]
    steps = np.diff(across)
    steps = steps / np.maximum(1, np.round(steps / SLOT_M[1]))
    return float(np.clip(np.median(steps), 2.1, 3.2))


def _direction(points: Floats) -> float:
    _, _, axes = np.linalg.svd(points - points.mean(axis=0))
    return float(np.arctan2(axes[0, 1], axes[0, 0]))


def _rectangle(centre: Floats, heading: float, width: float) -> Floats:
    along = np.array([np.cos(heading), np.sin(heading)]) * SLOT_M[0] / 2
    across = np.array([-np.sin(heading), np.cos(heading)]) * width / 2
    return centre + np.array([along + across, along - across, -along - across, across - along])
