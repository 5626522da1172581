"""How well a picture agrees with an earlier one of its camera, band by band from top to bottom.
Pure. A torn picture agrees in some bands and shows other things, or the same ones elsewhere, in the
rest; light and vehicles change all bands a little.

Against the picture before it (5 minutes ago, three day sequences) the least agreeing band of 227
pictures had 0.39 to 0.87; with a part of its rows shifted 95 % had at most 0.12, the most 0.31.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from parking.alignment import Anchor, anchor_of, shift_from
from parking.registration import Floats, Grey, Matrix, Move, Reference

BANDS: Final = 8
_LEAST_POINTS: Final = 40
_FOREIGN: Final = 0.2
"""Agreement of a band up to which it shows other things than before."""
_KNOWN: Final = 0.5
"""Agreement of the best band from which the picture is the same camera's in the same light."""
_AS_BEFORE: Final = 0.12
_MOST_BANDS: Final = 0.75
_KEPT_MS: Final = 15 * 60_000
"""Older pictures are of another light."""
_RENEWED_MS: Final = 4 * 60_000
_ODDS: Final = 6
_AS_ODD: Final = 0.35
_EDGE: Final = 1.5  # grey levels a pixel; below it a gradient is mostly noise
_REF_FOREIGN: Final = 0.1
_REF_KNOWN: Final = 0.3
_REF_SHIFTED: Final = 0.35
_CLEAR: Final = 0.6
_LEAST_SHIFT_PX: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """What a camera showed lately: its picture at `at_ms`; then the first of `odds` pictures in a
    row that agree with each other, but not with that one."""

    anchor: Anchor
    at_ms: int
    odd: Anchor | None = None
    odds: int = 0


def compare(recent: Recent | None, grey: Grey, time_ms: int) -> tuple[str | None, Recent]:
    """What is wrong with a picture whose bands do not agree alike with what its camera showed
    minutes ago, None where nothing is; and what to remember. `_ODDS` such pictures that agree with
    each other are what the camera shows now."""
    fresh = recent is not None and abs(time_ms - recent.at_ms) <= _KEPT_MS
    if recent is None or not fresh or recent.anchor.size_wh != grey.shape[1::-1]:
        return None, Recent(anchor_of(grey), time_ms)
    bands = against(recent.anchor, grey)
    if is_torn(bands):  # perhaps by the wind
        shift = shift_from(recent.anchor, grey)
        bands = against(recent.anchor, grey, shift) if shift else bands
    if not is_torn(bands):
        if recent.odds or abs(time_ms - recent.at_ms) >= _RENEWED_MS:
            return None, Recent(anchor_of(grey), time_ms)
        return None, recent
    known = recent.odd is not None and _agrees(against(recent.odd, grey))
    if known and recent.odds + 1 >= _ODDS:
        return None, Recent(anchor_of(grey), time_ms)
    foreign = int((bands < _FOREIGN).sum())
    return (
        f"{foreign} of {BANDS} bands show other things than minutes ago, the rest the same",
        replace(
            recent,
            odd=recent.odd if known else anchor_of(grey),
            odds=recent.odds + 1 if known else 1,
        ),
    )


def against(anchor: Anchor, grey: Grey, shift_xy: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """[BANDS]: the agreement (-1..1) of the picture's edges with the anchor's, where these lie now;
    NaN where a band has too few. `shift_xy`: pixels right and down of where they were."""
    height, width = grey.shape
    smooth = cv2.GaussianBlur(grey, (3, 3), 0).astype(np.float32)
    x, y = (anchor.points + np.asarray(shift_xy, np.float32)).round().astype(np.intp).T
    x, y = np.clip(x, 1, width - 2), np.clip(y, 1, height - 2)
    right = (smooth[y, x + 1] - smooth[y, x - 1]) / 2
    down = (smooth[y + 1, x] - smooth[y - 1, x]) / 2
    mine = _directions(anchor.slopes[:, 0], anchor.slopes[:, 1])
    mine /= np.maximum(np.linalg.norm(mine, axis=1, keepdims=True), np.float32(1e-6))
    scores = (mine * _directions(right, down)).sum(axis=1)
    return _by_band(anchor.points[:, 1], height, scores)


def is_torn(bands: Floats) -> bool:
    """Whether a part of the picture shows other things than the camera did minutes ago, while the
    rest shows the same."""
    known = bands[~np.isnan(bands)]
    return len(known) > 1 and bool(known.min() < _FOREIGN and known.max() > _KNOWN)


def against_reference(reference: Reference, field: Floats, move: Matrix | None = None) -> Floats:
    """[BANDS]: the agreement with a layout's reference picture; `field` is the picture's
    `registration.edges`, of the reference's size. With `move` (`Move.matrix`): where that says that
    things lie; NaN for a band that left the picture."""
    there, scores = reference.compared(field, move)
    return _by_band(reference.points[there, 1].astype(np.float32), field.shape[0], scores)


def explains(reference: Reference, field: Floats, move: Move | None) -> bool:
    """Whether all of the picture lies as the move says, so that no part of it is torn off."""
    if move is None:
        return False
    bands = against_reference(reference, field, move.matrix)
    known = bands[~np.isnan(bands)]
    return len(known) > 0 and float(known.min()) > _REF_FOREIGN


def _agrees(bands: Floats) -> bool:
    known = bands[~np.isnan(bands)]
    return len(known) > 0 and float(known.min()) > _AS_ODD


def as_before(bands: Floats, before: Floats) -> bool:
    """Whether most bands agree as well as they did."""
    both = ~(np.isnan(bands) | np.isnan(before))
    return bool(both.any()) and bool(
        (bands[both] >= before[both] - _AS_BEFORE).mean() >= _MOST_BANDS
    )


def shifted_rows(reference: Reference, field: Floats, bands: Floats) -> bool:
    """Whether a band that does not agree with the reference picture would, if its rows were shifted
    sideways: rows are where no camera shows them. Light and seasons alone may make a band disagree.
    """
    known = bands[~np.isnan(bands)]
    if len(known) < 2 or known.min() >= _REF_FOREIGN or known.max() <= _REF_KNOWN:
        return False
    if _best_shift(reference.field, field, int(np.nanargmax(bands)))[0] >= _LEAST_SHIFT_PX:
        return False  # no band is in place: the camera was moved sideways
    for band in np.flatnonzero(bands < _REF_FOREIGN):
        far, fit = _best_shift(reference.field, field, int(band))
        if far >= _LEAST_SHIFT_PX and fit > _REF_SHIFTED:
            return True
    return False


def _best_shift(reference: Floats, seen: Floats, band: int) -> tuple[int, float]:
    """How many pixels sideways, around the edge, a band's rows agree best, and how well."""
    height = len(seen)
    rows = slice(height * band // BANDS, height * (band + 1) // BANDS)
    clear = reference[rows]
    clear = clear * (np.hypot(clear[..., 0], clear[..., 1]) > _CLEAR)[..., None]
    one, other = np.fft.rfft(clear, axis=1), np.fft.rfft(seen[rows], axis=1)
    fits = np.fft.irfft((np.conj(one) * other).sum(axis=(0, 2)), clear.shape[1])
    best = int(fits.argmax())
    total = max(float(np.hypot(clear[..., 0], clear[..., 1]).sum()), 1e-6)
    return min(best, len(fits) - best), float(fits[best]) / total


def _by_band(y: Floats, height: int, scores: Floats) -> Floats:
    band = np.clip(y * BANDS / height, 0, BANDS - 1).astype(np.intp)
    count = np.bincount(band, minlength=BANDS)
    mean = np.bincount(band, scores, BANDS) / np.maximum(count, 1)
    return np.where(count >= _LEAST_POINTS, mean, np.nan).astype(np.float32)


def _directions(right: Floats, down: Floats) -> Floats:
    """[N, 2]: as `registration.edges`, at single points."""
    right2, down2 = np.square(right), np.square(down)
    strength = right2 + down2 + np.float32(_EDGE**2)
    return np.column_stack([(right2 - down2) / strength, 2 * right * down / strength])
