"""Compose pictures of one vehicle over two slots, from a labelled picture's own vehicles. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.geometry import polygon_area

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

LORRY: Final = 1.7
"""The size of a lorry, relative to a car."""
_NEAR: Final = 1.25
"""Neighbours are at most this far apart, in units of the square root of the smaller slot's area."""
_ALIKE: Final = (0.5, 2.0)
"""Limits for a slot's area relative to that of the vehicle's own slot. Beyond them the copy would
be out of scale."""
_MARGIN: Final = 0.08
"""The margin added around a vehicle's box for its shadow, in box sizes."""


@dataclass(frozen=True, slots=True, eq=False)
class Donor:
    """A parked vehicle: its box [4] and its slot's outline [K, 2], in pixels."""

    xyxy: Floats
    outline: Floats


def side_by_side(outlines: Sequence[Floats], free: Sequence[int]) -> list[tuple[int, int]]:
    """Return each free slot with its nearest free neighbour, each pair once, in order."""
    pairs: dict[tuple[int, int], None] = {}
    middles = np.array([outline.mean(axis=0) for outline in outlines])
    for slot in free:
        far = np.hypot(*(middles - middles[slot]).T)
        far[slot] = np.inf
        other = int(far.argmin())
        size = min(polygon_area(outlines[slot]), polygon_area(outlines[other])) ** 0.5
        if other in free and far[other] <= _NEAR * size:
            pairs[min(slot, other), max(slot, other)] = None
    return list(pairs)


def nearest(donors: Sequence[Donor], outlines: Sequence[Floats]) -> Donor | None:
    """Return the donor whose slot is most like the pair's in size, then in position."""
    area = float(np.mean([polygon_area(outline) for outline in outlines]))
    place = np.mean([outline.mean(axis=0) for outline in outlines], axis=0)
    alike = [one for one in donors if _ALIKE[0] <= area / polygon_area(one.outline) <= _ALIKE[1]]
    return min(
        alike, key=lambda one: float(np.hypot(*(one.outline.mean(axis=0) - place))), default=None
    )


def composed(
    picture: Picture, donor: Donor, pair: Sequence[Floats], share: float, size: float = 1.0
) -> tuple[Picture, Floats] | None:
    """Return the picture with a copy of the donor, and the copy's box [4]. The copy stands at
    `share` of the way from the first slot's middle to the second's. Returns None if it would leave
    the picture. `size` scales the copy relative to the donor, in addition to the perspective."""
    first, second = (outline.mean(axis=0) for outline in pair)
    area = float(np.mean([polygon_area(outline) for outline in pair]))
    scale = (area / polygon_area(donor.outline)) ** 0.5
    low, high = donor.xyxy[:2], donor.xyxy[2:]
    span = high - low
    cut = np.round(np.concatenate([low - _MARGIN * span, high + _MARGIN * span])).astype(int)
    height, width = picture.shape[:2]
    cut = np.clip(cut, 0, (width, height, width, height))
    patch = picture[cut[1] : cut[3], cut[0] : cut[2]]
    ground = np.array([(low[0] + high[0]) / 2, high[1] - 0.35 * span[1]])
    off = (ground - donor.outline.mean(axis=0)) * scale
    # The ground under the copy. A larger vehicle grows up and sideways from there.
    under = first + share * (second - first) + off
    wanted = np.maximum(np.round((cut[2:] - cut[:2]) * scale * size).astype(int), 4)
    corner = np.round(under - (ground - cut[:2]) * scale * size).astype(int)
    if (corner < 0).any() or (corner + wanted > (width, height)).any():
        return None
    copy = np.asarray(cv2.resize(patch, wanted.tolist(), interpolation=cv2.INTER_AREA), np.float64)
    place = np.s_[corner[1] : corner[1] + wanted[1], corner[0] : corner[0] + wanted[0]]
    mask = _mask(int(wanted[0]), int(wanted[1]))
    pasted = picture.copy()
    pasted[place] = (picture[place] * (1 - mask) + copy * mask).astype(np.uint8)
    return pasted, np.concatenate([corner, corner + wanted]).astype(np.float64)


def _mask(width: int, height: int) -> NDArray[Any]:
    """Return an ellipse with soft edges, [H, W, 1]."""
    mask = np.zeros((height, width), np.float32)
    axes = (max(1, int(width * 0.48)), max(1, int(height * 0.48)))
    cv2.ellipse(mask, (width // 2, height // 2), axes, 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, width * 0.02))
    return np.asarray(soft)[..., None]
