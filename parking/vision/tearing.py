"""Detect torn, smeared or filled-in pictures. Pure: the only input is the small grey picture.

Such pictures decode without an error, and part of each looks real. A decoder that lacks data
continues with the last row, repeats a band, fills in one colour, or puts rows in the wrong place.
Each check looks for a pattern that no lens produces. Of 879 clean pictures (261 frames of six
public sets, each whole, at 640 px and a quarter of it, and the demo's), none is reported. The
nearest values are noted at the thresholds.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LEAST_SIDE_PX: Final = 64
_SMEARED: Final = 0.25
"""Change from row to row, as a share of the change along a row. Clean rows have at least 0.4."""
_STRUCTURE: Final = 1.2  # grey levels from column to column; below it there is nothing to smear
_SMEARED_ROWS: Final = 0.04
_FLAT: Final = 0.35  # grey levels from pixel to pixel
_FLAT_ROWS: Final = 0.08
"""Share of the height. Clean pictures had at most 0.014."""
_ALL_ROWS: Final = 0.95
_ONE_COLOUR: Final = 2.0
_FILL: Final = (24, 232)
"""A flat band outside these levels is a black bar or an overexposed sky."""
_REPEATED_ROWS: Final = 0.05
_SAME_ROWS: Final = 1.5  # mean square of the difference, grey levels
_CONTENT: Final = 4  # times that, from each row to the next, or all rows are alike
_SAME_SHARE: Final = 0.15
"""More difference is allowed if rows differ a lot, because the bands are scaled down separately."""
_MOST_OFFSETS: Final = 400
_SUMMARY_PX: Final = 32
_NEAREST: Final = 6
_WRAPPED: Final = 0.5
"""Correlation of the left edge with the right one. Clean pictures had at most 0.44."""
_SEAM: Final = 3.0
_SEAM_ROWS: Final = 6
_OUTLINE: Final = 31


def damage(grey: Grey) -> str | None:
    """What is wrong with the picture in words, or None if nothing is. `grey` is [H, W] with
    `imagehealth.LONG_SIDE_PX` as its long side. Takes less than 2 ms."""
    if min(grey.shape) < _LEAST_SIDE_PX:
        return None
    down = _means(cv2.absdiff(grey[1:], grey[:-1]), rows=True)
    along = _means(cv2.absdiff(grey[:, 1:], grey[:, :-1]), rows=True)[1:]
    height = len(grey)
    smeared = _longest((down < _SMEARED * along) & (along > _STRUCTURE))
    if smeared > _SMEARED_ROWS * height:
        return f"{smeared / height:.0%} of its rows repeat the row above"
    level = _means(grey, rows=True)[1:]
    flat_rows = (down < _FLAT) & (along < _FLAT) & (level > _FILL[0]) & (level < _FILL[1])
    if flat_rows.any():
        flat_rows &= grey[1:].std(axis=1) < _ONE_COLOUR
    flat = _longest(flat_rows)
    if _FLAT_ROWS * height < flat < _ALL_ROWS * height:  # if all of it is flat, the lens is covered
        return f"{flat / height:.0%} of its rows are one flat colour"
    if _repeats(grey):
        return "one band of it appears twice"
    if _is_rolled(grey):
        return "its left part appears on the right"
    return None


def _means(picture: ArrayLike, *, rows: bool) -> Floats:
    """Means of each row or column."""
    values, way = np.asarray(picture, np.uint8), 1 if rows else 0
    means = cv2.reduce(values, way, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    return np.asarray(means, np.float32).reshape(-1)


def _longest(flags: NDArray[np.bool_]) -> int:
    """The longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _repeats(grey: Grey) -> bool:
    """Whether a band of rows is repeated below, pixel for pixel."""
    height = len(grey)
    rows = cv2.resize(grey.astype(np.float32), (_SUMMARY_PX, height), interpolation=cv2.INTER_AREA)
    rows = rows - rows.mean(axis=1, keepdims=True)
    power = np.square(rows).sum(axis=1)
    apart = (power[:, None] + power[None] - 2 * rows @ rows.T) / _SUMMARY_PX
    content = np.square(np.diff(rows, axis=0, append=rows[-1:])).mean(axis=1)
    length = max(8, round(_REPEATED_ROWS * height))
    alike = np.triu(apart < _SAME_ROWS + _SAME_SHARE * content[:, None], _NEAREST)
    if alike.any(axis=1).sum() < length:
        return False
    first, second = alike.nonzero()
    lively = content[first] > _CONTENT * _SAME_ROWS
    for apart_rows in np.unique(second - first)[:_MOST_OFFSETS]:
        here = lively & (second - first == apart_rows)
        rows_there = np.zeros(height, np.bool_)
        rows_there[first[here]] = True
        if _longest(rows_there) >= length:
            return True
    return False


def _is_rolled(grey: Grey) -> bool:
    """Whether the picture's outer edges continue each other and a seam runs down through it."""
    left, right = grey[:, :2].mean(axis=1), grey[:, -2:].mean(axis=1)
    if _correlation(left, right) < _WRAPPED:
        return False
    change = _means(cv2.absdiff(grey[:, 1:], grey[:, :-1]), rows=False)
    near = np.lib.stride_tricks.sliding_window_view(
        np.pad(change, _SEAM_ROWS, mode="edge"), 2 * _SEAM_ROWS + 1
    )
    return bool((change / (np.median(near, axis=1) + 1)).max() > _SEAM)


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The correlation of the detail in two lines."""
    fine = [line - cv2.blur(line[:, None], (1, _OUTLINE))[:, 0] for line in (one, other)]
    power = float(np.linalg.norm(fine[0]) * np.linalg.norm(fine[1]))
    return float(fine[0] @ fine[1]) / max(power, 1e-3)
