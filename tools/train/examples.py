"""Crops of slots with labels: the training data of the slot network.

It has three sources. Annotated slots cover few kinds of lots, each in its author's drawing style.
So outlines are also placed around the vehicles that the base model sees, even where there is no
slot: on the ground under a vehicle (occupied), and behind it, beside it or where nothing stands
(free). From these the network learns that a vehicle in front can cover a slot without standing in
it. Rendered lots add the same with exact truth.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.crops import crop
from tools.train.labels import Floats, Frame, Predict

STORED_PX: Final = 144
STORED_MARGIN: Final = 2.2
"""Wider than the network's input, because augmentation shifts, turns and scales within it."""

SURE: Final = 0.45
POSSIBLE: Final = 0.04
OWN_SHAPE: Final = 0.55
EDGE_PX: Final = 3
PLACED_PER_FRAME: Final = 40
TRIES: Final = 12
Crops = NDArray[np.uint8]


class Examples(NamedTuple):
    """`crops` [N, STORED_PX, STORED_PX, 4] are BGR and mask, `occupied` [N] is 0 or 1, and `group`
    [N] is where each comes from."""

    crops: Crops
    occupied: NDArray[np.float32]
    group: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class _Example:
    crop: Crops
    occupied: bool
    group: str


def annotated(frames: Iterable[Frame]) -> Iterator[_Example]:
    """Yield every labelled slot."""
    for frame in frames:
        picture = read(frame)
        for slot, outline in zip(frame.annotation["slots"], frame.polygons, strict=True):
            if slot["occupied"] is not None:
                yield _Example(_stored(picture, outline), slot["occupied"] == 1, frame.group)


def placed(
    frames: Sequence[Frame], predict: Predict, seed: int, each: int = PLACED_PER_FRAME
) -> Iterator[_Example]:
    """Yield outlines placed around vehicles, `each` per frame, shaped like slots of these frames or
    like random rectangles on the ground."""
    rng = np.random.default_rng(seed)
    shapes = [outline for frame in frames for outline in frame.polygons]
    for frame in frames:
        boxes, scores = predict(frame.path)
        picture = read(frame)
        placer = Placer(boxes, scores, picture.shape[1::-1], rng)
        found = 0
        for _ in range(each * TRIES if placer.sure.size else 0):
            shape = shapes[rng.integers(len(shapes))] if rng.random() < OWN_SHAPE else None
            if (one := placer.place(shape)) is not None:
                yield _Example(_stored(picture, one[0]), one[1], frame.group)
                found += 1
            if found == each:
                break


class Placer:
    """Places outlines around one picture's vehicles and labels them."""

    def __init__(
        self,
        boxes: Floats,
        scores: Floats,
        size_wh: Sequence[int],
        rng: np.random.Generator,
    ) -> None:
        """`boxes` [N, 4] are xyxy in pixels, with `scores` [N]. A place with a weak box is never
        labelled free."""
        self._boxes, self._scores, self._rng = boxes, scores, rng
        self._size = np.asarray(size_wh[:2], float)
        whole = (
            (boxes[:, 0] > EDGE_PX)
            & (boxes[:, 2] < self._size[0] - EDGE_PX)
            & (boxes[:, 3] < self._size[1] - EDGE_PX)
        )
        self.sure = np.flatnonzero((scores > SURE) & whole)
        """The vehicles to place outlines around: confident ones that the edge does not cut off."""

    def place(self, shape: Floats | None) -> tuple[Floats, bool] | None:
        """Return an outline [K, 2] in pixels and whether a vehicle stands on it, or None if that is
        not certain or the outline would leave the picture."""
        rng = self._rng
        box = int(rng.choice(self.sure))
        x0, _, x1, y1 = self._boxes[box]
        sized = self._sized(self._ground() if shape is None else shape - shape.mean(axis=0), box)
        if sized is None:
            return None
        size = np.ptp(sized, axis=0)
        under = np.array([(x0 + x1) / 2, y1 - size[1] / 2 * rng.uniform(0.95, 1.1)])
        centre = under + self._shift(size, box)
        outline = sized + centre
        low, high = outline.min(axis=0), outline.max(axis=0)
        if (low < -EDGE_PX).any() or (high > self._size + EDGE_PX).any():
            return None
        occupied = self._occupied(centre, size, box)
        return None if occupied is None else (outline, occupied)

    def _ground(self) -> Floats:
        """Return a rectangle on the ground, seen from a random position."""
        rng = self._rng
        turn, lean, height = rng.uniform(-0.5, 0.5), rng.uniform(-1, 1), rng.uniform(0.3, 0.9)
        half = lean * height / 2
        corners = np.array([[-0.5, -1], [0.5, -1], [0.5, 1], [-0.5, 1]]) * [1, height / 2]
        corners[:, 0] += np.where(corners[:, 1] < 0, half, -half)
        cos, sin = np.cos(turn), np.sin(turn)
        return np.asarray(corners @ [[cos, sin], [-sin, cos]], np.float64)

    def _sized(self, shape: Floats, box: int) -> Floats | None:
        """Scale the shape to about the width of the vehicle and at most its height. Returns None if
        it is too flat to be seen."""
        x0, y0, x1, y1 = self._boxes[box]
        rng = self._rng
        shape = shape * ((x1 - x0) * rng.uniform(0.85, 1.3) / np.ptp(shape[:, 0]))
        height = float(np.ptp(shape[:, 1]))
        if height < 0.25 * (y1 - y0):
            return None
        if height > 1.15 * (y1 - y0):
            shape = shape * [1, (y1 - y0) * rng.uniform(0.6, 1.1) / height]
        return np.asarray(shape, np.float64)

    def _shift(self, size: Floats, box: int) -> Floats:
        """Return the offset from the place under the vehicle: hardly any, behind, beside, or
        anywhere near."""
        rng, (width, height) = self._rng, size
        kind = rng.random()
        if kind < 0.42:
            return np.asarray(rng.normal(0, 0.1, 2) * size, np.float64)
        if kind < 0.75:
            deep = max(height, 0.35 * (self._boxes[box, 3] - self._boxes[box, 1]))
            return np.array([rng.normal(0, 0.25) * width, -rng.uniform(0.55, 1.5) * deep])
        if kind < 0.9:
            side = rng.choice([-1, 1]) * rng.uniform(0.65, 1.3)
            return np.array([side * width, rng.normal(0, 0.15) * height])
        return np.asarray(rng.uniform(-2, 2, 2) * size, np.float64)

    def _occupied(self, centre: Floats, size: Floats, box: int) -> bool | None:
        """Return True if the vehicle that it was placed around stands on it, False if none does,
        not even a suspected one, and None if neither is certain."""
        x0, y0, x1, y1 = self._boxes.T
        away_x = np.abs(centre[0] - (x0 + x1) / 2) / np.maximum(size[0], 0.7 * (x1 - x0))
        away_y = np.abs(centre[1] - (y1 - 0.51 * size[1])) / np.maximum(size[1], 0.35 * (y1 - y0))
        if away_x[box] < 0.22 and away_y[box] < 0.25:
            return True
        near = (away_x < 0.6) & (away_y < 0.52) & (self._scores > POSSIBLE)
        return None if near.any() else False


def gathered(examples: Iterable[_Example]) -> Examples:
    """Return all examples as arrays."""
    kept = list(examples)
    return Examples(
        np.stack([one.crop for one in kept]),
        np.array([one.occupied for one in kept], np.float32),
        np.array([one.group for one in kept], np.str_),
    )


def joined(examples: Mapping[str, Examples], left_out: Collection[str]) -> Examples:
    """Return all examples except those of the data sets `left_out`. Raises KeyError for an unknown
    one, because a typo must not train the network on what it will be judged on."""
    for name in left_out:
        examples[name]
    seen = [some for name, some in examples.items() if name not in left_out]
    return Examples(*(np.concatenate(column) for column in zip(*seen, strict=True)))


def read(frame: Frame) -> Crops:
    """Read the picture as BGR. Raises FileNotFoundError."""
    picture = cv2.imread(str(frame.path))
    if picture is None:
        raise FileNotFoundError(frame.path)
    return np.asarray(picture, np.uint8)


def _stored(picture: Crops, outline: Floats) -> Crops:
    return crop(picture, outline, STORED_PX, STORED_MARGIN)
