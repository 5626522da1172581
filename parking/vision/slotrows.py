"""Find rows of slots: cars side by side, their common heading, and each slot's outline. Pure.

All coordinates are ground coordinates in metres, as defined in ground.py.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from parking.vision.ground import HEADINGS, Camera, Floats, Stands, settled, stands

SLOT_M: Final = (5.3, 2.5)
"""Length and width of a slot without neighbours."""

_ACROSS_M: Final = (1.7, 3.7)
"""Range of distances between neighbours in a row, across their long axis..."""
_SHIFT_M: Final = 2.9
"""... and the largest shift along it, because slots may stand at an angle to their row."""
_WIDTH_M: Final = (2.1, 3.2)
_TURNED: Final = np.radians(25)
_BENT: Final = np.cos(np.radians(35))
"""A row continues roughly straight."""
_OFF: Final = 0.3
"""Largest distance of a row's next slot from its expected position, in steps."""
_MISSING: Final = 3
"""Longest gap within a row, in steps. Before a single place, only a gap of one is allowed."""
_SQUARE_WEIGHT: Final = 0.05
"""Weight of the preference for headings perpendicular to the row, relative to box misfits."""


class Slot(NamedTuple):
    """One slot on the ground. `source` is the place it comes from, or -1 for a filled gap."""

    outline: Floats
    source: int


def find_rows(camera: Camera, sightings: Floats) -> list[list[Slot]]:
    """Every box's slot, row by row. A single slot is its own row. `sightings` are as in
    ground.py."""
    at = stands(camera, sightings)
    headings = settled(at)
    each = np.arange(len(headings))
    chains: list[list[int]] = []
    for _ in range(3):
        centres = at.centres[each, headings]
        chains = _chains(centres, HEADINGS[headings])
        for chain in chains:
            headings[chain] = _heading(chain, at, centres)
    centres = at.centres[each, headings]
    angles = HEADINGS[headings]
    rows = _joined(chains, centres, angles)
    return [_slots(row, centres, float(angles[row.members[0]])) for row in rows]


def _heading(chain: list[int], at: Stands, centres: Floats) -> int:
    """The heading (index) that all of a row's slots share."""
    cost = at.cost[chain].mean(axis=0)
    if len(chain) > 1:
        line = _direction(centres[chain])
        cost = cost + _SQUARE_WEIGHT * np.abs(np.cos(HEADINGS - line))
        across = np.abs(np.sin(HEADINGS - line))
        step = float(np.median(np.linalg.norm(np.diff(centres[chain], axis=0), axis=1)))
        cost = cost + np.maximum(0, 1 - across * step / _ACROSS_M[0])  # no car inside another
    return int(cost.argmin())


def _chains(centres: Floats, angles: Floats) -> list[list[int]]:
    """Chains of places in order along each row. Neighbours are side by side with similar headings
    and roughly in a straight line, and the nearest are linked first. A single place is also a
    chain."""
    count = len(centres)
    links = sorted(
        (float(np.linalg.norm(centres[j] - centres[i])), i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if _side_by_side(centres[j] - centres[i], angles[i], angles[j])
    )
    after: list[list[int]] = [[] for _ in range(count)]
    label = list(range(count))
    for _, i, j in links:
        if label[i] == label[j] or not (
            _open(i, j, after, centres) and _open(j, i, after, centres)
        ):
            continue
        after[i].append(j)
        after[j].append(i)
        old, new = label[j], label[i]
        label = [new if one == old else one for one in label]
    chains, done = [], set()
    for start in sorted(range(count), key=lambda i: len(after[i])):
        if start in done:
            continue
        chain = [start]
        while step := [i for i in after[chain[-1]] if i not in chain[-2:]]:
            chain.append(step[0])
        done.update(chain)
        chains.append(chain)
    return chains


def _open(place: int, other: int, after: list[list[int]], centres: Floats) -> bool:
    """Tell whether a row may continue from `place` to `other`."""
    if len(after[place]) != 1:
        return not after[place]
    back, on = centres[place] - centres[after[place][0]], centres[other] - centres[place]
    return bool(back @ on >= _BENT * np.linalg.norm(back) * np.linalg.norm(on))


def _side_by_side(between: Floats, first: float, second: float) -> bool:
    turn = (second - first + np.pi / 2) % np.pi - np.pi / 2
    heading = first + turn / 2
    along, across = _split(between, heading)
    return bool(
        abs(turn) <= _TURNED
        and _ACROSS_M[0] <= abs(across) <= _ACROSS_M[1]
        and abs(along) <= _SHIFT_M
    )


def _split(vectors: Floats, heading: float) -> tuple[Floats, Floats]:
    """Split vectors [..., 2] into lengths along and across a heading."""
    cos, sin = np.cos(heading), np.sin(heading)
    return vectors @ np.array([cos, sin]), vectors @ np.array([-sin, cos])


def _direction(points: Floats) -> float:
    _, _, axes = np.linalg.svd(points - points.mean(axis=0))
    return float(np.arctan2(axes[0, 1], axes[0, 0]))


@dataclass(slots=True)
class _Chain:
    """A row being built. `at` is the number of each member in the row. Gaps skip numbers."""

    members: list[int]
    at: list[int]


def _joined(chains: list[list[int]], centres: Floats, angles: Floats) -> list[_Chain]:
    """Join rows across gaps if one or a few steps of a row lead to another row's end."""
    rows = [_Chain(chain, list(range(len(chain)))) for chain in chains]
    rows.sort(key=lambda row: -len(row.members))
    grown = True
    while grown:
        grown = False
        for row in rows:
            if len(row.members) < 3:
                continue
            other = next(
                (o for o in rows if o is not row and _joins(row, o, centres, angles)), None
            )
            if other is not None:
                rows = [one for one in rows if one is not other]
                grown = True
                break
    return rows


def _joins(row: _Chain, other: _Chain, centres: Floats, angles: Floats) -> bool:
    """Append `other` to `row` if it is in line with it. Returns whether it did."""
    turn = angles[other.members[0]] - angles[row.members[0]]
    if abs((turn + np.pi / 2) % np.pi - np.pi / 2) > _TURNED:
        return False
    for _ in range(2):
        numbers, points = np.array(row.at[-4:]), centres[row.members[-4:]]
        step = (points[-1] - points[0]) / (numbers[-1] - numbers[0])
        for _ in range(2):
            to = centres[other.members[0]] - points[-1]
            count = round(float(to @ step) / float(step @ step))
            off = float(np.linalg.norm(to - count * step) / np.linalg.norm(step))
            most = _MISSING + 1 if len(other.members) > 1 else 2
            if 1 <= count <= most and off <= _OFF * max(1.0, count**0.5):
                row.at += [row.at[-1] + count + n - other.at[0] for n in other.at]
                row.members += other.members
                return True
            _turn_round(other)
        _turn_round(row)
    return False


def _turn_round(row: _Chain) -> None:
    row.members.reverse()
    last = max(row.at)
    row.at = [last - number for number in reversed(row.at)]


def _slots(row: _Chain, centres: Floats, heading: float) -> list[Slot]:
    """Outlines of a row with its gaps filled. Vehicles do not stand exactly in the middle of their
    slots, so a smooth line is fitted through them."""
    at, points = np.array(row.at, np.float64), centres[row.members]
    if len(at) < 2:
        return [Slot(_rectangle(points[0], heading, SLOT_M[1]), row.members[0])]
    degree = min(2, (len(at) - 1) // 2)
    line = np.polyfit(at, points, degree) if degree else np.zeros((0, 2))
    numbers = np.arange(int(at.max()) + 1)
    if degree:
        smooth = np.stack([np.polyval(line[:, axis], numbers) for axis in (0, 1)], axis=-1)
    else:
        smooth = points
    steps = np.diff(smooth, axis=0)
    width = float(np.median(np.abs(_split(steps, heading)[1])))
    width = float(np.clip(width, *_WIDTH_M))
    source = dict(zip(row.at, row.members, strict=True))
    return [Slot(_rectangle(smooth[n], heading, width), source.get(int(n), -1)) for n in numbers]


def _rectangle(centre: Floats, heading: float, width: float) -> Floats:
    along = np.array([np.cos(heading), np.sin(heading)]) * SLOT_M[0] / 2
    across = np.array([-np.sin(heading), np.cos(heading)]) * width / 2
    corners: Floats = centre + np.array(
        [along + across, along - across, -along - across, across - along]
    )
    return corners
