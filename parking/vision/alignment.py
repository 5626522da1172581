"""Measure a picture's shift relative to an earlier one of the same camera. Pure. The shifts are
those of a mast in the wind: a pixel or two, with nothing else changed.

The shift is fitted to the edges of the earlier picture (Lucas and Kanade, 1981), together with a
gain and an offset of the light. Points that do not fit, because vehicles or people moved there,
lose their weight.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

REACH_PX: Final = 2.5
"""The largest shift that is tracked, in pixels of the small grey picture. A moved camera is shifted
further."""
_POINTS: Final = 2000
_EDGE: Final = 24.0  # of a Sobel mask; weaker gradients are mostly noise
_LEAST_POINTS: Final = 60
_ROUNDS: Final = 5
_FITS_WITHIN: Final = 6.0  # grey levels
_FITTING_SHARE: Final = 0.35
"""Share of the points that must fit for the shift to count."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """A picture prepared for comparison with later ones. `points` [N, 2] are the x, y of its clear
    edges, with `values` [N] and `slopes` [N, 2] there. `offset_xy` is the picture's own shift
    relative to the camera's first one, in pixels."""

    points: Floats
    values: Floats
    slopes: Floats
    size_wh: tuple[int, int]
    offset_xy: tuple[float, float] = (0.0, 0.0)


def anchor_of(grey: Grey, offset_xy: tuple[float, float] = (0.0, 0.0)) -> Anchor:
    """Prepare a small grey picture [H, W]."""
    smooth = cv2.GaussianBlur(grey, (3, 3), 0)
    right = cv2.Sobel(smooth, cv2.CV_16S, 1, 0)
    down = cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    strength = np.abs(right).astype(np.int32) + np.abs(down)
    margin = 4
    strength[:margin], strength[-margin:] = 0, 0
    strength[:, :margin], strength[:, -margin:] = 0, 0
    flat = np.flatnonzero(strength > _EDGE)
    flat = flat[:: max(1, -(-len(flat) // _POINTS))]
    y, x = np.divmod(flat, grey.shape[1])
    return Anchor(
        np.column_stack([x, y]).astype(np.float32),
        smooth[y, x].astype(np.float32),
        np.column_stack([right[y, x], down[y, x]]).astype(np.float32) / np.float32(8),
        (grey.shape[1], grey.shape[0]),
        offset_xy,
    )


def shift_from(anchor: Anchor, grey: Grey) -> tuple[float, float] | None:
    """The shift of `grey`, right and down, from the anchor, plus the anchor's own offset. None if
    it cannot be measured because there are too few edges, there are too many changes, or the shift
    exceeds `REACH_PX`."""
    if len(anchor.points) < _LEAST_POINTS or grey.shape[1::-1] != anchor.size_wh:
        return None
    smooth = cv2.GaussianBlur(grey, (3, 3), 0).astype(np.float32)
    shift = np.zeros(2, np.float32)
    weight = np.ones(len(anchor.points), np.float32)
    for _ in range(_ROUNDS):
        at = anchor.points + shift
        seen = cv2.remap(
            smooth, at[:, 0], at[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        rest, step = _fit(anchor, np.asarray(seen, np.float32).reshape(-1), weight)
        shift = shift - step
        weight = (1 / (1 + (rest / np.float32(_FITS_WITHIN)) ** 2)).astype(np.float32)
        if float(np.abs(step).max()) < 0.01:
            break
    if float(np.abs(shift).max()) > REACH_PX:
        return None
    if float((np.abs(rest) < _FITS_WITHIN).mean()) < _FITTING_SHARE:
        return None
    return (
        anchor.offset_xy[0] + float(shift[0]),
        anchor.offset_xy[1] + float(shift[1]),
    )


def _fit(anchor: Anchor, seen: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The remaining difference at each point [N], and the error of the shift [2]."""
    ones = np.ones_like(seen)
    design = np.column_stack([anchor.slopes, anchor.values, ones])
    weighted = design * weight[:, None]
    square = (design.T @ weighted).astype(np.float64) + np.diag([1e-3, 1e-3, 1e-3, 1e-3])
    found = np.linalg.solve(square, (weighted.T @ seen).astype(np.float64))
    solved = found.astype(np.float32)
    rest = np.asarray(seen - design @ solved, np.float32)
    return rest, np.asarray(solved[:2] / max(float(solved[2]), 0.2), np.float32)
