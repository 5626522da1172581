"""Where to search for vehicles: rectangles around the slots that need it, packed into few canvases
of fixed size. Pure.

A model's time depends on the number of pixels, so it is given only the surroundings of the slots in
question, each as large as its slots need. The canvases have fixed sizes because OpenVINO compiles
each shape (0.7 s), and because identical packing gives identical results.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]

CANVASES_WH: Final = (
    (192, 192),
    (320, 320),
    (480, 288),
    (640, 384),
    (640, 640),
    (960, 544),
    (1280, 736),
    (1280, 960),
)
"""Canvas sizes by area; all are multiples of the model's stride."""

GAP_PX: Final = 16
"""The gap between two rectangles of a canvas."""

_AROUND: Final = 0.5
"""The margin on each side of a slot, as a multiple of its longer side. It leaves room for the
vehicle in the slot and its neighbours."""
_ABOVE: Final = 0.25
"""The additional margin above a slot, because a vehicle rises above the ground it is parked on."""
_MERGES_UNTIL: Final = 1.1
"""Two rectangles are joined if the model then gets at most this many times as many pixels."""
_MANY: Final = 48
"""Beyond this many slots one rectangle around all of them is as good, if they are close
together."""
_MOST_APART: Final = 128
"""Beyond this many slots one rectangle is always used, because joining them would take too long."""
_OVERLAP_PX: Final = 160
"""How much the parts of a rectangle overlap when it is too large for any canvas."""


class Region(NamedTuple):
    """A rectangle of the picture in pixels, and its scale for the model."""

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float

    @property
    def shown_wh(self) -> tuple[int, int]:
        """Its size on the canvas."""
        return (
            max(1, round((self.x1 - self.x0) * self.scale)),
            max(1, round((self.y1 - self.y0) * self.scale)),
        )


class Placed(NamedTuple):
    """A region, and the position of its top left corner on the canvas."""

    region: Region
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Canvas:
    """One picture for the model."""

    size_wh: tuple[int, int]
    placed: tuple[Placed, ...]


def regions_about(
    outlines: Sequence[Outline], scales: Sequence[float], size_wh: tuple[int, int]
) -> list[Region]:
    """Return the surroundings of the outlines (in pixels of a picture of `size_wh`), with nearby
    ones joined. `scales` says how much larger each outline must be shown."""
    around = [_about(o, s, size_wh) for o, s in zip(outlines, scales, strict=True)]
    if len(around) > _MANY:
        together = _union(around)
        close = _shown(together) <= _MERGES_UNTIL * sum(map(_shown, around))
        around = [together] if close or len(around) > _MOST_APART else around
    merged = _merged(around)
    return [part for region in merged for part in _parts(region)]


def whole(size_wh: tuple[int, int], scale: float) -> list[Region]:
    """Return the whole picture, in as many parts as the canvases need."""
    return _parts(Region(0, 0, *size_wh, scale))


def pack(regions: Sequence[Region]) -> list[Canvas]:
    """Pack the regions into canvases with as few pixels in all as possible: either the smallest
    canvas that holds all of them, or a smaller full one and another one for the rest."""
    left = sorted(regions, key=lambda region: -region.shown_wh[1])
    canvases: list[Canvas] = []
    while left:
        canvas = _best(left)
        taken = {one.region for one in canvas.placed}
        left = [region for region in left if region not in taken]
        canvases.append(canvas)
    return canvases


def _best(left: Sequence[Region]) -> Canvas:
    filled = [_fill(size_wh, left) for size_wh in CANVASES_WH]
    alone = next((one for one in filled if len(one.placed) == len(left)), None)
    if alone is None:
        return filled[-1]
    best, best_pixels = alone, _pixels(alone.size_wh)
    for first in filled[: CANVASES_WH.index(alone.size_wh)]:
        taken = {one.region for one in first.placed}
        rest = [region for region in left if region not in taken]
        second = next(
            (s for s in CANVASES_WH if len(_fill(s, rest).placed) == len(rest)), CANVASES_WH[-1]
        )
        if taken and _pixels(first.size_wh) + _pixels(second) < best_pixels:
            best, best_pixels = first, _pixels(first.size_wh) + _pixels(second)
    return best


def _fill(size_wh: tuple[int, int], regions: Iterable[Region]) -> Canvas:
    """Pack as many regions as fit, in rows. The first row that has room takes a region."""
    rows: list[list[int]] = []  # [y, height, next x]
    placed = []
    below = 0
    for region in regions:
        width, height = region.shown_wh
        row = next((r for r in rows if height <= r[1] and r[2] + width <= size_wh[0]), None)
        if row is None:
            if below + height > size_wh[1] or width > size_wh[0]:
                continue
            row = [below, height, 0]
            rows.append(row)
            below += height + GAP_PX
        placed.append(Placed(region, row[2], row[0]))
        row[2] += width + GAP_PX
    return Canvas(size_wh, tuple(placed))


def _about(outline: Outline, scale: float, size_wh: tuple[int, int]) -> Region:
    low, high = outline.min(axis=0), outline.max(axis=0)
    side = float((high - low).max())
    margin = _AROUND * side
    x0, y0 = np.floor(low - (margin, margin + _ABOVE * side)).astype(int)
    x1, y1 = np.ceil(high + margin).astype(int)
    width, height = size_wh
    return Region(
        int(np.clip(x0, 0, width - 1)),
        int(np.clip(y0, 0, height - 1)),
        int(np.clip(x1, 1, width)),
        int(np.clip(y1, 1, height)),
        scale,
    )


def _merged(regions: Sequence[Region]) -> list[Region]:
    """Join regions while that costs little."""
    merged: list[Region] = []
    for region in sorted(regions):
        joined = region
        searching = True
        while searching:
            searching = False
            for other in merged:
                both = _union([joined, other])
                if _shown(both) <= _MERGES_UNTIL * (_shown(joined) + _shown(other)):
                    merged.remove(other)
                    joined, searching = both, True
                    break
        merged.append(joined)
    return merged


def _union(regions: Sequence[Region]) -> Region:
    return Region(
        min(r.x0 for r in regions),
        min(r.y0 for r in regions),
        max(r.x1 for r in regions),
        max(r.y1 for r in regions),
        max(r.scale for r in regions),
    )


def _parts(region: Region) -> list[Region]:
    """Cut the region into overlapping halves until each part fits a canvas."""
    width, height = region.shown_wh
    if any(width <= w and height <= h for w, h in CANVASES_WH):
        return [region]
    overlap = round(_OVERLAP_PX / region.scale / 2)
    if width > CANVASES_WH[-1][0]:
        middle = (region.x0 + region.x1) // 2
        halves = [
            region._replace(x1=min(middle + overlap, region.x1)),
            region._replace(x0=max(middle - overlap, region.x0)),
        ]
    else:
        middle = (region.y0 + region.y1) // 2
        halves = [
            region._replace(y1=min(middle + overlap, region.y1)),
            region._replace(y0=max(middle - overlap, region.y0)),
        ]
    return [part for half in halves for part in _parts(half)]


def _shown(region: Region) -> float:
    return (region.x1 - region.x0) * (region.y1 - region.y0) * region.scale**2


def _pixels(size_wh: tuple[int, int]) -> int:
    return size_wh[0] * size_wh[1]
