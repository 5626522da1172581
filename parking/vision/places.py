"""Find places where vehicles stand: stays in a recording's boxes, grouped by place. Pure.

A sighting is a box, x0 y0 x1 y1, optionally followed by further numbers, which are averaged like
the box. A stay is one vehicle that stands still: boxes in frames close to each other that overlap
almost completely. A place is where one or more stays were, but never two at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

STILL_IOU: Final = 0.7
"""Minimum overlap of a box with its stay. A car that moves a sixth of its length between two frames
falls below it."""

SAME_IOU: Final = 0.45
"""Minimum overlap of two stays at one place, for vehicles of any shape."""

_MISSED_FRAMES: Final = 3
"""A stay continues while its vehicle is not seen for up to this many frames (for example, because
someone walks past)."""

_SHARED: Final = 0.1
"""The largest share of a stay's frames in which its place may already be taken. The detector
sometimes gives one vehicle two boxes, but two vehicles are at two places."""


@dataclass(slots=True)
class Stay:
    """One vehicle at one spot. `frames` are the frames in which it was seen, and `box` is the mean
    xyxy."""

    box: Floats
    frames: list[int]

    def add(self, frame: int, box: Floats) -> None:
        """Add one sighting."""
        self.frames.append(frame)
        self.box = self.box + (box - self.box) / len(self.frames)


@dataclass(slots=True)
class Place:
    """Where vehicles stand. `box` is the median of its stays' boxes. `passed` counts sightings at
    the place that belong to no stay, of vehicles passing by."""

    box: Floats
    stays: list[Stay] = field(default_factory=list)
    passed: int = 0

    @property
    def frames(self) -> set[int]:
        """The frames in which something stands here."""
        return {frame for stay in self.stays for frame in stay.frames}


def overlaps(first: ArrayLike, second: ArrayLike) -> Floats:
    """Intersection over union [N, M] of boxes [N, 4 or more] and [M, 4 or more]."""
    a, b = rows_of(first)[:, None, :4], rows_of(second)[None, :, :4]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    area_a, area_b = (np.prod(box[..., 2:] - box[..., :2], axis=-1) for box in (a, b))
    union: Floats = np.maximum(area_a + area_b - shared, np.finfo(np.float64).tiny)
    ratio: Floats = shared / union
    return ratio


def rows_of(sightings: ArrayLike) -> Floats:
    """Sightings as rows [N, 4 or more]. No sightings give [0, 4]."""
    rows = np.asarray(sightings, np.float64)
    return rows.reshape(0, 4) if rows.size == 0 else np.atleast_2d(rows)


def find_stays(frames: Sequence[ArrayLike]) -> list[Stay]:
    """All stays, including those with a single sighting. `frames` holds the sightings [N, 4 or
    more] of each frame, in order of time."""
    done: list[Stay] = []
    open_: list[Stay] = []
    for number, boxes in enumerate(frames):
        found = rows_of(boxes)
        over = [stay for stay in open_ if number - stay.frames[-1] > _MISSED_FRAMES]
        done += over
        open_ = [stay for stay in open_ if number - stay.frames[-1] <= _MISSED_FRAMES]
        taken = set()
        for stay, box in _pairs(overlaps([stay.box for stay in open_], found), STILL_IOU):
            open_[stay].add(number, found[box])
            taken.add(box)
        open_ += [Stay(box, [number]) for i, box in enumerate(found) if i not in taken]
    return done + open_


def _pairs(scores: Floats, least: float) -> list[tuple[int, int]]:
    """Rows and columns paired off, best first. Each is used once."""
    pairs = []
    scores = scores.copy()
    while scores.size and scores.max() >= least:
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        pairs.append((row, column))
        scores[row], scores[:, column] = -1.0, -1.0
    return pairs


def gather(stays: Sequence[Stay], least: int = 2) -> list[Place]:
    """The places of all stays with at least `least` sightings, most used first."""
    standing = sorted(
        (stay for stay in stays if len(stay.frames) >= least),
        key=lambda stay: (-len(stay.frames), stay.frames[0], tuple(stay.box)),
    )
    places: list[Place] = []
    for _ in range(2):  # the second round starts from places shaped by all stays
        for place in places:
            place.stays = []
        for stay in standing:
            place = _place_of(stay, places)
            place.stays.append(stay)
        places = [place for place in places if place.stays]
        for place in places:
            place.box = _median(place.stays)
    for stay in stays:
        if len(stay.frames) < least and places:
            near = overlaps(stay.box, [place.box for place in places])[0]
            places[int(near.argmax())].passed += int(near.max() >= SAME_IOU)
    return sorted(places, key=lambda place: -len(place.frames))


def _place_of(stay: Stay, places: list[Place]) -> Place:
    near = overlaps(stay.box, [place.box for place in places])[0] if places else np.zeros(0)
    for index in np.argsort(-near, kind="stable").tolist():
        if near[index] < SAME_IOU:
            break
        shared = len(places[index].frames & set(stay.frames))
        if shared <= _SHARED * len(stay.frames):
            return places[int(index)]
    new = Place(stay.box)
    places.append(new)
    return new


def _median(stays: Sequence[Stay]) -> Floats:
    """The stays' median box. A stay's weight is the square root of its length."""
    boxes = np.array([stay.box for stay in stays])
    weights = np.sqrt([len(stay.frames) for stay in stays])
    order = boxes.argsort(axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0) >= weights.sum() / 2
    columns = np.arange(boxes.shape[1])
    middle: Floats = np.take_along_axis(boxes, order, axis=0)[reached.argmax(axis=0), columns]
    return middle
