"""A simple baseline: DBSCAN over the centres of all boxes, with each cluster's mean box as a
slot."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REACH: Final = 0.35
"""Centres are neighbours if they are within this share of the square root of their box's area. The
value was chosen on the sets of docs/decisions/0013."""


def cluster_means(frames: Sequence[ArrayLike], size_wh: tuple[int, int]) -> list[Floats]:
    """Return outlines [4, 2], normalised, one for each cluster that is seen in at least two frames
    and in 2 % of all frames."""
    boxes = np.concatenate([np.asarray(f, np.float64).reshape(-1, 4) for f in frames])
    if not len(boxes):
        return []
    pixels = boxes * (*size_wh, *size_wh)
    labels = dbscan(pixels, max(2, round(0.02 * len(frames))), REACH)
    outlines = []
    for label in range(labels.max() + 1):
        x0, y0, x1, y1 = boxes[labels == label].mean(axis=0)
        outlines.append(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
    return outlines


def dbscan(boxes_xyxy: Floats, least: int, reach: float) -> NDArray[np.intp]:
    """Return the cluster of each box, or -1 for none."""
    centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    size = np.sqrt(np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1))
    neighbours = [
        np.flatnonzero(np.linalg.norm(centres - centre, axis=1) <= reach * own)
        for centre, own in zip(centres, size, strict=True)
    ]
    labels = np.full(len(boxes_xyxy), -1, np.intp)
    following = 0
    for start in range(len(boxes_xyxy)):
        if labels[start] >= 0 or len(neighbours[start]) < least:
            continue
        labels[start], stack = following, [start]
        while stack:
            here = stack.pop()
            if len(neighbours[here]) < least:
                continue
            new = neighbours[here][labels[neighbours[here]] < 0]
            labels[new] = following
            stack += new.tolist()
        following += 1
    return labels
