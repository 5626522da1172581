"""Cut the patches of slots from a small grey picture, even when wind moves the camera."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.events import LayoutSlot
from parking.vision.gating import PATCH_PX, Floats, View
from services.detector.model import Picture

_SCENE_WH = (12, 8)
_REACH = 1
"""An outline is widened by this many patch pixels, because a vehicle hides the edges of its
slot."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The patches of a layout's slots in a grey picture of `size_wh` pixels: the edges of their
    pixels along x and y, [S, PATCH_PX + 1] each, and `weights` [S, PATCH_PX, PATCH_PX], which are 1
    inside the outline and 0 outside."""

    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    weights: Floats
    size_wh: tuple[int, int]


def grid_of(slots: Sequence[LayoutSlot], size_wh: tuple[int, int]) -> Grid:
    """Return the rectangle around each outline, divided into PATCH_PX by PATCH_PX pixels."""
    steps = np.linspace(0, 1, PATCH_PX + 1)
    xs = np.empty((len(slots), PATCH_PX + 1))
    ys = np.empty_like(xs)
    weights = np.empty((len(slots), PATCH_PX, PATCH_PX), np.float32)
    for index, slot in enumerate(slots):
        corners = np.asarray(slot.polygon, np.float64) * size_wh
        low = corners.min(axis=0)
        span = np.maximum(corners.max(axis=0) - low, 1.0)
        low = np.minimum(low, np.asarray(size_wh) - span)
        xs[index], ys[index] = low[0] + steps * span[0], low[1] + steps * span[1]
        weights[index] = _inside((corners - low) / span * PATCH_PX)
    return Grid(xs, ys, weights, size_wh)


def _inside(corners: NDArray[np.float64]) -> Floats:
    """Return [PATCH_PX, PATCH_PX]: 1 inside the outline, which is given in pixels of the patch."""
    mask = np.zeros((PATCH_PX, PATCH_PX), np.uint8)
    fixed = np.round((corners - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], (1,), shift=4)
    cv2.polylines(mask, [fixed], True, (1,), _REACH, shift=4)
    return mask.astype(np.float32)


def view_of(
    grey: Picture, grid: Grid, context: Hashable, offset_xy: tuple[float, float] = (0.0, 0.0)
) -> View:
    """Return the patches of a picture that is shifted by `offset_xy` pixels right and down from
    where the outlines were drawn. Each patch pixel is the exact mean of the area it covers: it is
    computed from four sums of the integral picture, interpolated between its points."""
    total = np.asarray(cv2.integral(grey, sdepth=cv2.CV_64F), np.float64)
    xs = np.asarray(np.clip(grid.xs + offset_xy[0], 0, grid.size_wh[0]), np.float64)
    ys = np.asarray(np.clip(grid.ys + offset_xy[1], 0, grid.size_wh[1]), np.float64)
    sums = _interpolated(total, xs, ys)
    boxes = sums[:, 1:, 1:] - sums[:, :-1, 1:] - sums[:, 1:, :-1] + sums[:, :-1, :-1]
    areas = np.diff(ys, axis=1)[:, :, None] * np.diff(xs, axis=1)[:, None, :]
    patches = (boxes / np.maximum(areas, 1e-6)).astype(np.float32)
    scene = cv2.resize(grey, _SCENE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
    return View(patches, grid.weights, scene.reshape(-1), context)


def _interpolated(
    total: NDArray[np.float64], xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return [S, Y, X]: the integral picture where each slot's xs and ys cross."""
    x0 = np.minimum(xs.astype(np.intp), total.shape[1] - 2)
    y0 = np.minimum(ys.astype(np.intp), total.shape[0] - 2)
    fx, fy = (xs - x0)[:, None, :], (ys - y0)[:, :, None]
    rows, columns = y0[:, :, None], x0[:, None, :]
    upper = total[rows, columns] * (1 - fx) + total[rows, columns + 1] * fx
    lower = total[rows + 1, columns] * (1 - fx) + total[rows + 1, columns + 1] * fx
    interpolated: NDArray[np.float64] = upper * (1 - fy) + lower * fy
    return interpolated
