"""Crop individual slots from a picture for the network that classifies one slot at a time.

A crop is the square around a slot, `MARGIN` times as wide as the slot's longer side, with the
slot's outline as a fourth channel, so that the network knows which ground is meant. Training uses
the same code.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
Outline = NDArray[np.float64]

CROP_PX: Final = 96
MARGIN: Final = 1.6
_SUBPIXEL_BITS: Final = 4


def crop(
    picture: Picture, outline_px: Outline, size_px: int = CROP_PX, margin: float = MARGIN
) -> Picture:
    """Return [size, size, 4]: BGR and the outline's mask (0 or 255). `outline_px` is [K, 2] in
    pixels of `picture`. Where the crop extends beyond the picture, the picture's edge pixels are
    repeated."""
    mask = np.zeros((size_px, size_px), np.uint8)
    patch = _cut(picture, outline_px, mask, margin)
    return np.dstack([patch, mask])


def _cut(picture: Picture, outline_px: Outline, mask: Picture, margin: float) -> Picture:
    """Return the square around an outline [size, size, 3], BGR. Draws the outline into `mask`,
    which is [size, size] and all zeros."""
    size_px = len(mask)
    low, high = outline_px.min(axis=0), outline_px.max(axis=0)
    centre, side = (low + high) / 2, max(float((high - low).max()) * margin, 1.0)
    scale = size_px / side
    if scale < 0.5:  # warping would skip pixels, so average them first
        patch = _averaged(picture, centre, side, size_px)
    else:
        shift = size_px / 2 - centre * scale
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        patch = np.asarray(
            cv2.warpAffine(picture, matrix, (size_px, size_px), borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )
    corners = (outline_px - centre) * scale + size_px / 2
    fixed = np.round(corners * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], (255,), shift=_SUBPIXEL_BITS)
    return patch


def crops(picture: Picture, outlines: Sequence[Outline]) -> Floats:
    """Return the network input [N, 4, CROP_PX, CROP_PX]: RGB and mask, 0..1. `outlines` are
    normalised, so `picture` may be of any size."""
    wh = np.array(picture.shape[1::-1], np.float64)
    planes = np.zeros((len(outlines), 4, CROP_PX, CROP_PX), np.uint8)
    for (red, green, blue, mask), outline in zip(planes, outlines, strict=True):
        patch = _cut(picture, outline * wh, mask, MARGIN)
        for plane, channel in ((red, 2), (green, 1), (blue, 0)):
            cv2.extractChannel(patch, channel, plane)
    return np.divide(planes, np.float32(255), dtype=np.float32)


def _averaged(picture: Picture, centre: Outline, side: float, size_px: int) -> Picture:
    x0, y0 = (int(v) for v in np.floor(centre - side / 2))
    x1, y1 = (int(v) for v in np.ceil(centre + side / 2))
    height, width = picture.shape[:2]
    inner = picture[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    top, bottom = max(0, -y0), max(0, y1 - height)
    left, right = max(0, -x0), max(0, x1 - width)
    if top or bottom or left or right:
        bordered = cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_REPLICATE)
        inner = np.asarray(bordered, np.uint8)
    resized = cv2.resize(inner, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)
