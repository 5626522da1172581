"""Compare a picture with an earlier one of its camera, band by band from top to bottom, to find
torn pictures. Pure. A torn picture agrees in some bands and in the rest shows other content, or the
same content elsewhere. Light and vehicles change all bands a little.

Of 1,330 pairs of clean pictures from ten cameras, most of them 3 to 35 minutes apart, none is
reported as torn. With 8 to 30 % of the rows shifted, 161 of 171 pictures of two lots are, five
minutes after the previous picture.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from parking.vision.alignment import Anchor, anchor_of, shift_from
from parking.vision.registration import Floats, Grey, Matrix, Move, Reference

BANDS: Final = 16
_REF_BANDS: Final = 8
_LEAST_POINTS: Final = 40
_FOREIGN: Final = 0.2
"""Up to this agreement, a band's content counts as different."""
_APART: Final = 8.0
"""From this difference in grey levels, content counts as different. Less may be sensor noise."""
_KNOWN: Final = 0.5
"""From this agreement of the best band, the picture counts as one of the same camera in the same
light."""
_TORN_OFF: Final = 0.5
"""How much less the bands with other content must agree than the rest. None of 1,330 pairs of clean
pictures reaches it, and none of 832 pairs of the demo's pictures taken up to ten hours apart."""
_SAME_LIGHT: Final = 0.73
"""From this median agreement, a step in brightness counts. Shadows that moved for 15 minutes or
more make steps, too, but then it is at most 0.72. Between pictures three to five minutes apart it
is mostly above that."""
_AS_BEFORE: Final = 0.12
_MOST_BANDS: Final = 0.75
_COLUMNS: Final = 60
_STEP_ROWS: Final = 10  # a block of 16 pixels, and the row in which it began
_STEP: Final = 8.0
_OWN_STEP: Final = 0.35
_STEP_SHARE: Final = 0.5
_KEPT_MS: Final = 15 * 60_000
"""Older pictures were taken in different light."""
_RENEWED_MS: Final = 4 * 60_000
_DRIFTED: Final = 0.5
"""Below this agreement of a band, the light has changed so much that the picture is renewed at
once. Recordings are often played faster than they were taken."""
_ODDS: Final = 6
_AS_ODD: Final = 0.35
_EDGE: Final = 1.5  # grey levels per pixel; weaker gradients are mostly noise
_REF_FOREIGN: Final = 0.1
_REF_KNOWN: Final = 0.3
_REF_SHIFTED: Final = 0.35
_CLEAR: Final = 0.6
_LEAST_SHIFT_PX: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """A camera's recent picture, taken at `at_ms`, with its edges and the brightness of each row in
    `_COLUMNS` parts. Also the first of `odds` pictures in a row that agree with each other but not
    with that one."""

    anchor: Anchor
    light: Floats
    at_ms: int
    odd: Anchor | None = None
    odds: int = 0


def recent_of(grey: Grey, at_ms: int) -> Recent:
    """Remember a good picture."""
    return Recent(anchor_of(grey), _light(grey), at_ms)


def compare(recent: Recent | None, grey: Grey, time_ms: int) -> tuple[str | None, Recent]:
    """Return what is wrong with a picture whose bands do not all agree with the camera's picture of
    some minutes ago, or None if nothing is, and what to remember. After `_ODDS` such pictures that
    agree with each other, they are accepted as the camera's current view."""
    fresh = recent is not None and abs(time_ms - recent.at_ms) <= _KEPT_MS
    if recent is None or not fresh or recent.anchor.size_wh != grey.shape[1::-1]:
        return None, recent_of(grey, time_ms)
    bands = against(recent.anchor, grey)
    if _least(bands) < _FOREIGN:  # perhaps shifted by the wind
        shift = shift_from(recent.anchor, grey)
        bands = against(recent.anchor, grey, shift) if shift else bands
    if _least(bands) >= _FOREIGN:
        light = _light(grey)
        if _same_light(bands) and _steps(light, recent.light):
            return "from one row on, the picture is brighter or darker than before", recent
        late = abs(time_ms - recent.at_ms) >= _RENEWED_MS
        if recent.odds or late or _least(bands) < _DRIFTED:
            return None, recent_of(grey, time_ms)
        return None, replace(recent, light=light)
    known = recent.odd is not None and _least(against(recent.odd, grey)) > _AS_ODD
    if known and recent.odds + 1 >= _ODDS:
        return None, recent_of(grey, time_ms)
    odd = recent.odd if known else anchor_of(grey)
    now = replace(recent, odd=odd, odds=recent.odds + 1 if known else 1)
    if not is_torn(bands):  # every band has changed, so the comparison with the reference decides
        return None, now
    foreign = int((bands < _FOREIGN).sum())
    words = f"{foreign} of {BANDS} bands differ from minutes ago, the rest are unchanged"
    return words, now


def _least(bands: Floats) -> float:
    known = bands[~np.isnan(bands)]
    return float(known.min()) if len(known) > 1 else 1.0


def _same_light(bands: Floats) -> bool:
    """Whether enough is as before that a change of light alone cannot cause a step."""
    known = bands[~np.isnan(bands)]
    return len(known) > 1 and float(np.median(known)) > _SAME_LIGHT


def _light(grey: Grey) -> Floats:
    rows = cv2.resize(grey, (_COLUMNS, len(grey)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(rows.astype(np.float32), (1, 3)), np.float32)


def _steps(light: Floats, before: Floats) -> bool:
    """Whether a picture [H, C] becomes brighter or darker at one row, equally in all columns. This
    happens because a decoder that lost its place adds the same value to each block after it. The
    scene's own edges, which a change of light may amplify, do not count. None of 177 clean pictures
    had such a step in more than 0.29 of its columns."""
    centred = before - before.mean()
    gain = float((centred * light).sum()) / max(float(np.square(centred).sum()), 1.0)
    rest = light - np.float32(gain) * centred
    steps, own = rest[_STEP_ROWS:] - rest[:-_STEP_ROWS], before[_STEP_ROWS:] - before[:-_STEP_ROWS]
    middle = np.median(steps, axis=1)
    alike = np.abs(steps - middle[:, None]) < np.maximum(0.4 * np.abs(middle), 3.0)[:, None]
    fresh = np.abs(np.median(own, axis=1)) < _OWN_STEP * np.abs(middle)
    stepped = (np.abs(middle) > _STEP) & fresh & (alike.mean(axis=1) > _STEP_SHARE)
    return bool(stepped.any())


def against(anchor: Anchor, grey: Grey, shift_xy: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """Return [BANDS]: the agreement (-1..1) of the picture's edges with the anchor's at their
    current places, or NaN for a band with too few. It is at least `_FOREIGN` for a band that is as
    bright as before everywhere, because then its edges are noise. `shift_xy` is how many pixels
    right and down of the old places they are."""
    height, width = grey.shape
    smooth = cv2.GaussianBlur(grey, (3, 3), 0).astype(np.float32)
    x, y = (anchor.points + np.asarray(shift_xy, np.float32)).round().astype(np.intp).T
    x, y = np.clip(x, 1, width - 2), np.clip(y, 1, height - 2)
    right = (smooth[y, x + 1] - smooth[y, x - 1]) / 2
    down = (smooth[y + 1, x] - smooth[y - 1, x]) / 2
    mine = _directions(anchor.slopes[:, 0], anchor.slopes[:, 1])
    mine /= np.maximum(np.linalg.norm(mine, axis=1, keepdims=True), np.float32(1e-6))
    scores = (mine * _directions(right, down)).sum(axis=1)
    rows = anchor.points[:, 1]
    agreement = _by_band(rows, height, scores, BANDS)
    change = smooth[y, x] - anchor.values
    mean = _by_band(rows, height, change, BANDS)
    spread = np.sqrt(np.maximum(_by_band(rows, height, change**2, BANDS) - mean**2, 0))
    noise = spread < _APART
    return np.where(noise, np.maximum(agreement, np.float32(_FOREIGN)), agreement)


def is_torn(bands: Floats) -> bool:
    """Whether a part of the picture shows different content than some minutes ago while the rest
    shows the same. Hours of changing light make all bands agree less, some of them less than
    others."""
    known = bands[~np.isnan(bands)]
    foreign, same = known[known < _FOREIGN], known[known >= _FOREIGN]
    if not (len(foreign) and len(same)) or same.max() <= _KNOWN:
        return False
    return bool(np.median(same) - foreign.mean() > _TORN_OFF)


def against_reference(reference: Reference, field: Floats, move: Matrix | None = None) -> Floats:
    """Return [8]: the agreement with a layout's reference picture. `field` is the picture's
    `registration.edges`, at the reference's size. If `move` (`Move.matrix`) is given, edges are
    compared at the places that it gives, with NaN for a band that left the picture."""
    there, scores = reference.compared(field, move)
    y = reference.points[there, 1].astype(np.float32)
    return _by_band(y, field.shape[0], scores, _REF_BANDS)


def explains(reference: Reference, field: Floats, move: Move | None) -> bool:
    """Whether the whole picture has moved in the same way, so that no part of it is torn off."""
    if move is None:
        return False
    bands = against_reference(reference, field, move.matrix)
    known = bands[~np.isnan(bands)]
    return len(known) > 0 and float(known.min()) > _REF_FOREIGN


def as_before(bands: Floats, before: Floats) -> bool:
    """Whether most bands agree as well as before."""
    both = ~(np.isnan(bands) | np.isnan(before))
    return bool(both.any()) and bool(
        (bands[both] >= before[both] - _AS_BEFORE).mean() >= _MOST_BANDS
    )


def shifted_rows(reference: Reference, field: Floats, bands: Floats) -> bool:
    """Whether a band that does not agree with the reference picture shows content that the
    reference has elsewhere, in a place where no camera would show it. Light and seasons alone may
    make a band disagree. This is expensive (10 ms per band) and seldom needed."""
    known = bands[~np.isnan(bands)]
    if len(known) < 2 or known.min() >= _REF_FOREIGN or known.max() <= _REF_KNOWN:
        return False
    if _best_shift(reference.field, field, int(np.nanargmax(bands)))[0] >= _LEAST_SHIFT_PX:
        return False  # no band is in place, so the camera was moved sideways
    for band in np.flatnonzero(bands < _REF_FOREIGN):
        far, fit = _best_shift(reference.field, field, int(band))
        if far >= _LEAST_SHIFT_PX and fit > _REF_SHIFTED:
            return True
    return False


def _best_shift(reference: Floats, seen: Floats, band: int) -> tuple[int, float]:
    """At which shift, in pixels along one axis, a band's rows agree best with the reference around
    the edges, and how well. The rows may have been shifted or repeated."""
    height, width = seen.shape[:2]
    rows = slice(height * band // _REF_BANDS, height * (band + 1) // _REF_BANDS)
    part = np.zeros_like(seen)
    part[rows] = seen[rows]
    part[rows] *= (np.hypot(part[rows, :, 0], part[rows, :, 1]) > _CLEAR)[..., None]
    fits = np.zeros((height, width))
    for one in (0, 1):
        spectrum = np.fft.rfft2(part[..., one]) * np.conj(np.fft.rfft2(reference[..., one]))
        fits += np.fft.irfft2(spectrum, (height, width))
    down, right = np.unravel_index(int(fits.argmax()), fits.shape)
    total = max(float(np.hypot(part[rows, :, 0], part[rows, :, 1]).sum()), 1e-6)
    far = max(min(int(down), height - int(down)), min(int(right), width - int(right)))
    return far, float(fits[down, right]) / total


def _by_band(y: Floats, height: int, scores: Floats, bands: int) -> Floats:
    band = np.clip(y * bands / height, 0, bands - 1).astype(np.intp)
    count = np.bincount(band, minlength=bands)
    mean = np.bincount(band, scores, bands) / np.maximum(count, 1)
    return np.where(count >= _LEAST_POINTS, mean, np.nan).astype(np.float32)


def _directions(right: Floats, down: Floats) -> Floats:
    """Return [N, 2]: like `registration.edges`, but at single points."""
    right2, down2 = np.square(right), np.square(down)
    strength = right2 + down2 + np.float32(_EDGE**2)
    return np.column_stack([(right2 - down2) / strength, 2 * right * down / strength])
