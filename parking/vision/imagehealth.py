"""Decide whether a picture can be trusted. Pure: the inputs are a small grey picture and the
camera's previous one.

Measured on the 349 healthy frames of six public parking sets and the demo at 480 px (from dusk and
shade to full sun), the least sharp frame of each set had 0.68 to 0.73, the least detailed 0.46, and
the darkest a bright end of 0.47. Each threshold notes the values of the damaged versions from
tools/evaluate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from parking.core.events import Health, ImageHealth, LookLearned
from parking.vision.bands import Recent
from parking.vision.lens import Fine, Sums, fine_of, gradients
from parking.vision.placement import Placement
from parking.vision.tearing import damage

Grey = NDArray[np.uint8]
Flags = NDArray[np.bool_]

LONG_SIDE_PX: Final = 480
"""The long side of the grey picture on which the thresholds were measured."""

_BLUR_TAPS: Final = 9
# Down, right and taps, with similar lengths. The first two also show where the picture is sharp.
_WAYS: Final = ((1, 0, _BLUR_TAPS), (0, 1, _BLUR_TAPS), (1, 1, 7), (1, -1, 7))
_NOTHING_STD: Final = 2.0  # grey levels; a sensor's noise, averaged down, stays below
_BLOCKS: Final = 16
_BLOCK_STD: Final = 4.0  # grey levels; sensor noise, averaged down, stays below
_TILE_PX: Final = 16
_ENDS: Final = (5, 95)  # percentiles, because a few lamps do not make a night picture usable


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of trust. Shares are 0..1, and `frozen_after` 0 turns that check off."""

    dark_below: float = 0.17
    """The picture is dark if 95 % of it is below this brightness. Of 48 clean pictures one had 0.19
    and the next 0.52. At the third strength of `dark` in tools/evaluate they have 0.06 to 0.23."""
    covered_below: float = 0.25
    """The picture is covered if a smaller share of its blocks shows any detail."""
    fogged_above: float = 0.33
    """Fog brightens the dark parts: 95 % of the picture is above this brightness."""
    fogged_within: float = 0.36
    """Fog darkens the bright parts: the brightness that 95 % of the picture is below is within this
    distance of the dark end."""
    fogged_locally: float = 0.35
    """Range within 9 x 9 pixels that 95 % of the picture is below. Most empty, grey lots have at
    least 0.36, and fog of the third strength at most 0.32."""
    blurred_below: float = 0.52
    """Sharpness: the share of fine gradients that a blur would remove."""
    frozen_after: int = 5
    """How often the same picture must repeat in a row. A sensor's noise makes each picture
    different."""
    clock_within: float = 0.06
    """Share of the picture's tiles that may change while all others stay bit-identical, as with a
    clock drawn into a frozen picture. Noise of 0.2 grey levels changes three quarters of all tiles,
    at any JPEG quality."""


LEAST: Final = Thresholds(covered_below=0.1, blurred_below=0.4)
"""The limits for a picture that a person chose as a reference."""
_SPARSE: Final = (0.4, 0.2, 0.15)
"""A dark, empty lot (bright end below the first value) shows detail in few blocks. It is not
covered if it shows the second value's share and has edges (`Measured.edges`) of the third. Behind
a cover that lets 30 % of the light through, edges are at most 0.08."""
_CLEAR_EDGES: Final = 0.45
"""Edges that are this strong are never behind fog: of the third strength it leaves at most 0.43."""
_DULL: Final = (0.25, 0.42)
"""Fog that leaves a contrast below the first value has brightened the dark end beyond the second,
in 240 foggy pictures to at least 0.49. A duller picture with so little contrast is just grey."""
_LEAST_FOG: Final = (0.16, 0.25)
"""A bright picture with less contrast and local range than this is fogged, whatever is usual. The
models' accuracy on paler ones is in docs/accuracy.md."""
FOG_FROM: Final = 0.3
"""A darker dark end is never fog, so the local range is not measured."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is remembered about a camera's last picture. `clock` holds the tiles that changed while
    it was repeated. `unplaced` counts the pictures since it was compared with the layout's
    reference. `recent` is what the bands of the next pictures must agree with, and `day` what was
    learnt about the camera's usual look."""

    grey: Grey
    repeats: int = 0
    place: Placement | None = None
    unplaced: int = 0
    clock: Flags | None = None
    recent: Recent | None = None
    day: LookLearned | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a picture shows on its own, without the camera's history. `damage` tells in words why it
    is not usable. `fine` tells where it is sharp, and is None for a tiny picture. `local` and
    `edges` are the ranges within 9 x 9 pixels that 95 and 99 % of the picture are below. They are 1
    where no verdict needs them."""

    grey: Grey
    dark_end: float
    bright_end: float
    detail: float
    sharp: float
    local: float
    damage: str | None = None
    fine: Fine | None = None
    edges: float = 1.0


def measured(grey: Grey, stored: Grey | None = None) -> Measured:
    """Measure a picture, which is the expensive part. `grey` is [H, W] with `LONG_SIDE_PX` as its
    long side. `stored` is the same picture as the camera sent it, if it was turned, because torn
    rows are rows of that one."""
    dark_end, bright_end = (level / 255 for level in _percentiles(grey))
    sharp, fine = _sharpness(grey)
    detail = _detail(grey)
    pale, local, edges = dark_end > FOG_FROM, 1.0, 1.0
    if pale or detail < Thresholds().covered_below:
        local, edges = _local_ranges(grey)
    torn = damage(grey if stored is None else stored)
    local = local if pale else 1.0
    return Measured(grey, dark_end, bright_end, detail, sharp, local, torn, fine, edges)


def limits_for(usual: Measured, limits: Thresholds) -> Thresholds:
    """The limits for a camera whose reference picture has the values `usual`. A soft lens, a
    privacy mask or washed-out light may be its normal look. Limits are only ever relaxed, and never
    beyond fixed bounds. A washed-out camera counts as fogged when it has much less contrast than
    usual."""
    washed = usual.dark_end > FOG_FROM
    contrast = usual.bright_end - usual.dark_end if washed else 1.0
    local = usual.local if washed else 1.0
    return replace(
        limits,
        covered_below=_relaxed(limits.covered_below, 0.5 * usual.detail, LEAST.covered_below),
        blurred_below=_relaxed(limits.blurred_below, 0.85 * usual.sharp, LEAST.blurred_below),
        fogged_within=_relaxed(limits.fogged_within, 0.8 * contrast, _LEAST_FOG[0]),
        fogged_locally=_relaxed(limits.fogged_locally, 0.65 * local, _LEAST_FOG[1]),
    )


def _relaxed(limit: float, usual: float, least: float) -> float:
    return min(limit, max(usual, least))


def assess(
    seen: Measured | Grey, earlier: Look | None, limits: Thresholds = Thresholds()
) -> tuple[ImageHealth, Look]:
    """Return the picture's health and what to remember. Without an earlier look (a new camera or a
    restart) no picture is `frozen`. Nothing is remembered about a damaged picture."""
    if not isinstance(seen, Measured):
        seen = measured(seen)
    grey = seen.grey
    clock = _clock(grey, earlier, limits) if earlier else None
    repeats = earlier.repeats + 1 if earlier and clock is not None else 0
    status, reason = _verdict(seen, repeats, limits)
    health = ImageHealth(
        status=status,
        brightness=round(float(grey.mean()) / 255, 4),
        sharpness=round(seen.sharp, 4),
        detail=round(seen.detail, 4),
        reason=reason,
    )
    if earlier is None:
        return health, Look(grey)
    if seen.damage:
        return health, earlier
    return health, replace(earlier, grey=grey, repeats=repeats, clock=clock)


def _verdict(seen: Measured, repeats: int, limits: Thresholds) -> tuple[Health, str | None]:
    """The first fault, which explains the others. For example, a dark picture is neither sharp nor
    detailed."""
    if seen.damage:
        return "damaged", seen.damage
    if seen.bright_end < limits.dark_below:
        return "dark", f"{_ENDS[1]} % of the picture is darker than {seen.bright_end:.2f} of 1"
    if seen.detail < limits.covered_below and not _sparse(seen):
        return "covered", f"only {seen.detail:.0%} of the picture shows any detail"
    contrast = seen.bright_end - seen.dark_end
    hazy = seen.dark_end > limits.fogged_above and contrast < limits.fogged_within
    dull = contrast < _DULL[0] and seen.dark_end < _DULL[1]
    clear = dull or seen.edges >= _CLEAR_EDGES
    if hazy and not clear and seen.local < limits.fogged_locally:
        return "fogged", f"no part is dark, and all brightness is within {contrast:.2f} of 1"
    if seen.sharp < limits.blurred_below:
        return "blurred", f"sharpness {seen.sharp:.2f} is below {limits.blurred_below:.2f}"
    if limits.frozen_after and repeats >= limits.frozen_after:
        return "frozen", f"the same picture {repeats + 1} times in a row"
    return "ok", None


def _sparse(seen: Measured) -> bool:
    dark, detail, edges = _SPARSE
    return seen.bright_end < dark and seen.detail >= detail and seen.edges >= edges


def _clock(grey: Grey, earlier: Look, limits: Thresholds) -> Flags | None:
    """The few tiles, if any, in which the picture has changed since it began to repeat, or None if
    it is a new picture."""
    if grey.shape != earlier.grey.shape:
        return None
    changed = cv2.compare(grey, earlier.grey, cv2.CMP_NE)
    tiles = (max(1, grey.shape[1] // _TILE_PX), max(1, grey.shape[0] // _TILE_PX))
    shares = cv2.resize(changed.astype(np.float32), tiles, interpolation=cv2.INTER_AREA)
    clock: Flags = shares > 0
    if earlier.clock is not None and earlier.repeats:
        clock |= earlier.clock
    return clock if float(clock.mean()) <= limits.clock_within else None


def _percentiles(grey: Grey, percents: Sequence[int] = _ENDS) -> list[float]:
    """The grey levels that these percentages of the pixels are below. They come from a histogram,
    because sorting a picture takes ten times as long."""
    below = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    ranks = [(grey.size - 1) * percent / 100 for percent in percents]
    levels = [np.searchsorted(below, [int(rank), -int(-rank // 1)], "right") for rank in ranks]
    return [
        float(low + (high - low) * (rank - int(rank)))
        for rank, (low, high) in zip(ranks, levels, strict=True)
    ]


def _local_ranges(grey: Grey) -> tuple[float, float]:
    """The ranges within 9 x 9 pixels that 95 and 99 % of the picture are below, 0..1."""
    kernel = np.ones((9, 9), np.uint8)
    ranges = cv2.subtract(cv2.dilate(grey, kernel), cv2.erode(grey, kernel))
    local, edges = _percentiles(np.asarray(ranges, np.uint8), (95, 99))
    return local / 255, edges / 255


def _detail(grey: Grey) -> float:
    """The share of 16 x 16 blocks whose grey levels vary. It is 0 for a picture smaller than one
    block."""
    height, width = (side // _BLOCKS for side in grey.shape)
    if not height or not width:
        return 0.0
    whole = grey[: height * _BLOCKS, : width * _BLOCKS].astype(np.float32)
    means, squares = (
        cv2.resize(one, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
        for one in (whole, cv2.multiply(whole, whole))
    )
    return float((squares - means * means > _BLOCK_STD**2).mean())


def _sharpness(grey: Grey) -> tuple[float, Fine | None]:
    """Crete's blur measure, inverted (SPIE 6492, 2007), 0..1, and where in the picture the fine
    gradients are. Blurring changes a sharp picture a lot and a blurred one little, and contrast
    cancels out. The worst of four directions counts, so that camera shake in any of them is
    detected."""
    if min(grey.shape) <= _BLUR_TAPS:
        return 0.0, None
    down, right = gradients(grey, *_WAYS[0]), gradients(grey, *_WAYS[1])
    fine = fine_of(down, right, grey)
    shares = [_lost_share(*down), _lost_share(*right)]
    del down, right  # reuse their memory: new pages are expensive
    shares += [_lost_share(*gradients(grey, *way)) for way in _WAYS[2:]]
    return min(shares), fine


def _lost_share(sharp: Sums, lost: Sums) -> float:
    return float(cv2.sumElems(lost)[0] / max(cv2.sumElems(sharp)[0], 1.0))


def blank_shares(grey: Grey, polygons: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """For each outline (0..1 of the picture), the share of its bounding box that shows nothing at
    all, which means no more than sensor noise in any 9 x 9 pixels. Of 2,543 slots in clean pictures
    of seven lots, one had more than half. For a slot behind a cover or in a lamp's glare it is
    nearly all."""
    values = grey.astype(np.float32)
    mean = cv2.boxFilter(values, -1, (9, 9))
    spread = cv2.subtract(
        cv2.boxFilter(cv2.multiply(values, values), -1, (9, 9)), cv2.multiply(mean, mean)
    )
    total = cv2.integral((spread < _NOTHING_STD**2).astype(np.uint8))
    if not len(polygons):
        return np.zeros(0)
    height, width = grey.shape
    low = np.array([np.min(polygon, axis=0) for polygon in polygons]) * (width, height)
    high = np.array([np.max(polygon, axis=0) for polygon in polygons]) * (width, height)
    x0, y0 = np.clip(np.floor(low), 0, (width - 1, height - 1)).astype(int).T
    x1, y1 = np.clip(np.ceil(high) + 1, 1, (width, height)).astype(int).T
    inside = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
    shares: NDArray[np.float64] = inside / np.maximum((x1 - x0) * (y1 - y0), 1)
    return shares
