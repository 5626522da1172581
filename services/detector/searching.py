"""Search parts of a picture for vehicles, and keep what is known about the rest."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.wire.ports import Boxes, Detector
from services.detector.model import NMS_IOU, PAD_GREY, Picture
from services.detector.regions import Canvas, Placed, Region, pack

Floats = NDArray[np.float32]

NO_BOXES: Final = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
_CUT_WITHIN: Final = 0.02
"""If a box ends this close to a region's edge (relative to the region's sides), its vehicle is cut
by that edge."""


def search(picture: Picture, regions: Sequence[Region], detector: Detector) -> Boxes:
    """Return the vehicles in these parts of a BGR picture, normalised to the whole picture, best
    first. Vehicles cut by a region's edge are left out if their middle is near it. Blocks."""
    found: list[tuple[Floats, Floats]] = []
    for canvas in pack(regions):
        (boxes,) = detector.detect([draw(picture, canvas)], max(canvas.size_wh))
        found += [_boxes_in(boxes, one, canvas.size_wh, picture) for one in canvas.placed]
    if not found:
        return NO_BOXES
    return _deduplicate(
        Boxes(np.concatenate([b for b, _ in found]), np.concatenate([s for _, s in found]))
    )


def update(known: Boxes, found: Boxes, regions: Sequence[Region], wh: tuple[int, int]) -> Boxes:
    """Return what is known about the whole picture after these regions were searched again.
    Vehicles whose middle is in a region were either found again or have left. A vehicle cut by a
    region's edge could not be found there, so it stays."""
    if not len(known.scores):
        return found
    middles = (known.xyxy[:, :2] + known.xyxy[:, 2:]) / 2 * np.asarray(wh, np.float32)
    inside = np.zeros(len(middles), np.bool_)
    for region in regions:
        low, high = (region.x0, region.y0), (region.x1, region.y1)
        mine = ((middles >= low) & (middles < high)).all(axis=1)
        span = np.array((region.x1 - region.x0, region.y1 - region.y0) * 2, np.float32)
        shares = (known.xyxy * np.array((*wh, *wh)) - np.array(low * 2)) / span
        inside |= mine & ~_cut(shares, region, wh)
    return _deduplicate(
        Boxes(
            np.concatenate([found.xyxy, known.xyxy[~inside]]),
            np.concatenate([found.scores, known.scores[~inside]]),
        )
    )


def draw(picture: Picture, canvas: Canvas) -> Picture:
    """Return the canvas [H, W, 3] with its regions, and grey between them."""
    width, height = canvas.size_wh
    image = np.full((height, width, 3), PAD_GREY, np.uint8)
    for region, x, y in canvas.placed:
        part = picture[region.y0 : region.y1, region.x0 : region.x1]
        w, h = region.shown_wh
        method = cv2.INTER_AREA if region.scale < 0.5 else cv2.INTER_LINEAR
        image[y : y + h, x : x + w] = cv2.resize(part, (w, h), interpolation=method)
    return image


def _boxes_in(
    boxes: Boxes, placed: Placed, canvas_wh: tuple[int, int], picture: Picture
) -> tuple[Floats, Floats]:
    """Return the boxes whose centre is in the region, normalised to the picture."""
    region, x, y = placed
    w, h = region.shown_wh
    xyxy = boxes.xyxy * np.asarray((*canvas_wh, *canvas_wh), np.float32)
    middles = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    mine = ((middles >= (x, y)) & (middles < (x + w, y + h))).all(axis=1)
    corners = np.array((x, y, x, y), np.float32)
    sides = np.array((w, h, w, h), np.float32)
    shares = np.clip((xyxy[mine] - corners) / sides, 0, 1)
    height, width = picture.shape[:2]
    kept = ~_cut(shares, region, (width, height))
    span = np.array((region.x1 - region.x0, region.y1 - region.y0) * 2, np.float32)
    there = shares[kept] * span + np.array((region.x0, region.y0) * 2, np.float32)
    normal = there / np.array((width, height) * 2, np.float32)
    return normal.astype(np.float32), boxes.scores[mine][kept]


def _cut(shares: Floats, region: Region, wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which boxes (relative to the region) end at an edge of the region that is not the
    picture's edge, and have their middle in the outer fifth on that side: their vehicle extends
    beyond the region."""
    x, y = (shares[:, 0] + shares[:, 2]) / 2, (shares[:, 1] + shares[:, 3]) / 2
    near, outer = _CUT_WITHIN, 0.2
    cut: NDArray[np.bool_] = (
        ((shares[:, 0] < near) & (x < outer) & (region.x0 > 0))
        | ((shares[:, 1] < near) & (y < outer) & (region.y0 > 0))
        | ((shares[:, 2] > 1 - near) & (x > 1 - outer) & (region.x1 < wh[0]))
        | ((shares[:, 3] > 1 - near) & (y > 1 - outer) & (region.y1 < wh[1]))
    )
    return cut


def _deduplicate(boxes: Boxes) -> Boxes:
    """Keep each vehicle once, best first, because two regions may contain the same one."""
    if not len(boxes.scores):
        return boxes
    xywh = np.column_stack([boxes.xyxy[:, :2], boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]])
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), boxes.scores.tolist(), 0.0, NMS_IOU)
    keep = np.asarray(kept, np.intp).reshape(-1)
    return Boxes(boxes.xyxy[keep], boxes.scores[keep])
