"""Find vehicles that may occupy two slots, such as a lorry or a car parked on the dividing line.
Pure.

A tall vehicle seen from a low camera also covers the slot behind its own. The lower edge of the
box, where the vehicle meets the ground, separates the two cases: it is either at the near edge of
the vehicle's own slot or between the two slots. The slot network must confirm each candidate
(services/detector/astride.py), because a box alone is wrong too often.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parking.core.geometry import FOOTPRINT, LEAN_FROM, LEAN_PULL, Matches, overlap_areas, stacked

Floats = NDArray[np.float64]

SCORE_FROM: Final = 0.08
"""Minimum score of a box. Vehicles on a dividing line get lower scores than vehicles in a slot."""
SHARE_FROM: Final = 0.08
"""Minimum share of a footprint that is in the second slot."""
PLACED_FROM: Final = 0.35
"""How far the vehicle must be on the way from the middle of its own slot (0) to that of the other
(1)."""
PLACED_UNTIL: Final = 0.85
MOST_APART: Final = 1.7
"""Slots are not neighbours if their centres are further apart than this, in square roots of the
smaller one's bounding area."""


class Astride(NamedTuple):
    """A vehicle that may stand over two slots: the box's row, the row of the slot it covers most,
    and the row of the other slot."""

    box: int
    own: int
    other: int


def astride(
    boxes_xyxy: ArrayLike, scores: ArrayLike, slots: Sequence[ArrayLike], match: Matches
) -> list[Astride]:
    """Return the candidates. `match` must be for the same boxes and slots. A slot with a
    confidently detected vehicle of its own is never the other slot."""
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    score = np.asarray(scores, np.float64).reshape(-1)
    if not len(boxes) or len(slots) < 2:
        return []
    rings = stacked(slots)
    around = np.concatenate([rings.min(axis=1), rings.max(axis=1)], axis=1)
    sizes = boxes[:, 2:] - boxes[:, :2]
    feet = boxes - np.tile(_habits(boxes, around, match) * sizes, 2)
    feet[:, 1] = feet[:, 3] - FOOTPRINT * sizes[:, 1]
    shares = overlap_areas(feet, slots)
    shares /= np.maximum(np.prod(feet[:, 2:] - feet[:, :2], axis=1), _TINY)[:, None]
    stands, middles = _on_ground(feet), _on_ground(around)
    reach = MOST_APART * np.sqrt(np.prod(around[:, 2:] - around[:, :2], axis=1))
    found = []
    for box in np.flatnonzero(score >= SCORE_FROM):
        own = int(shares[box].argmax())
        for other in np.flatnonzero(shares[box] >= SHARE_FROM):
            rival = match.box_index[other] not in (-1, box) and match.scores[other] > LEAN_FROM
            way = middles[other] - middles[own]
            length = float(way @ way)
            if other == own or rival or not 0 < length <= min(reach[own], reach[other]) ** 2:
                continue
            if PLACED_FROM <= float((stands[box] - middles[own]) @ way) / length <= PLACED_UNTIL:
                found.append(Astride(int(box), own, int(other)))
    return found


_TINY: Final = float(np.finfo(np.float64).tiny)


def _on_ground(xyxy: Floats) -> Floats:
    """Return [N, 2]: the middle of each lower edge."""
    return np.column_stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]])


def _habits(boxes: Floats, around: Floats, match: Matches) -> Floats:
    """Return [N, 2]: the median offset, in box sizes, of this picture's other confident vehicles
    from their slots. It depends on the camera's angle and on how the outlines were drawn."""
    seen = np.flatnonzero((match.box_index >= 0) & (match.scores > LEAN_FROM))
    vehicles = match.box_index[seen]
    sizes = np.maximum(boxes[vehicles, 2:] - boxes[vehicles, :2], _TINY)
    off = (_on_ground(boxes[vehicles]) - _on_ground(around[seen])) / sizes
    if not len(seen):
        return np.zeros((len(boxes), 2))
    habits = np.tile(_pulled(np.median(off, axis=0), len(off)), (len(boxes), 1))
    habits[vehicles] = _pulled(_medians_of_others(off), len(off) - 1)
    return habits


def _pulled(medians: Floats, count: int) -> Floats:
    """Shrink the medians towards 0 if there are few vehicles."""
    pulled: Floats = medians * count / (count + LEAN_PULL)
    return pulled


def _medians_of_others(off: Floats) -> Floats:
    """Return [N, 2]: for each row, the median of all other rows, or 0 for a single row."""
    count = len(off)
    if count < 2:
        return np.zeros_like(off)
    ordered = np.sort(off, axis=0)
    rank = off.argsort(axis=0, kind="stable").argsort(axis=0)
    low, high = (
        np.take_along_axis(ordered, middle + (rank <= middle), axis=0)
        for middle in ((count - 2) // 2, (count - 1) // 2)
    )
    medians: Floats = (low + high) / 2
    return medians
