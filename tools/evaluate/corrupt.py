"""Damage a picture on purpose: twelve kinds, five strengths, reproducible.

Each kind takes a BGR picture `[H, W, 3]`, a strength from 1 (mild) to 5 (severe) and a generator,
and returns a picture of the same shape. Lengths are shares of the picture's width, so that a kind
means the same at every size. The numbers for each strength are in a table next to its kind.
"""

import zlib
from collections.abc import Callable
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
T = TypeVar("T")
Kind = Callable[[Picture, int, np.random.Generator], Picture]

STRENGTHS: Final = (1, 2, 3, 4, 5)


def corrupt(picture: Picture, kind: str, strength: int, seed: str) -> Picture:
    """Return the damaged picture. The same arguments give the same picture on every machine. Raises
    KeyError for an unknown kind and ValueError for a strength outside 1..5."""
    if strength not in STRENGTHS:
        raise ValueError(f"strength {strength}: must be 1 to 5")
    rng = np.random.default_rng(zlib.crc32(f"{seed}|{kind}|{strength}".encode()))
    return KINDS[kind](picture, strength, rng)


def dark(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Night without lamps: gamma and gain go down, and sensor noise goes up."""
    gamma, gain, noise = _pick(
        strength, (1.6, 0.7, 3), (2.0, 0.45, 5), (2.4, 0.28, 7), (2.8, 0.16, 9), (3.0, 0.08, 10)
    )
    light = (picture.astype(np.float32) / 255) ** gamma * 255 * gain
    return _bytes(light + rng.normal(0, noise, picture.shape).astype(np.float32))


def fog(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Koschmieder's law: with distance (up in the picture), airlight replaces the scene's light."""
    density = _pick(strength, 0.5, 1.0, 1.7, 2.6, 4.0)
    height, width = picture.shape[:2]
    distance = np.linspace(1.0, 0.35, height, dtype=np.float32)[:, None, None]
    swirl = cv2.resize(rng.uniform(0.8, 1.2, (5, 8)).astype(np.float32), (width, height))
    kept = np.exp(-density * distance * swirl[..., None])
    air = np.float32(215)
    hazy = picture.astype(np.float32) * kept + air * (1 - kept)
    return _bytes(hazy + rng.normal(0, 1.5, picture.shape).astype(np.float32))


def defocus(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A lens out of focus: each point becomes a disc."""
    del rng
    share = _pick(strength, 0.0016, 0.003, 0.005, 0.008, 0.014)
    radius = max(1, round(picture.shape[1] * share))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2).astype(np.float32)
    return _same(cv2.filter2D(picture, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT))


def motion(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A shaken camera: each point becomes a line, in any direction."""
    length = max(3, round(picture.shape[1] * _pick(strength, 0.004, 0.008, 0.014, 0.022, 0.035)))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, float(rng.uniform(0, 180)), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return _same(cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def cover_part(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Something close to the lens (a leaf, snow, a hand) over a part that reaches the edge."""
    share = _pick(strength, 0.08, 0.15, 0.25, 0.4, 0.6)
    return _covered(picture, share, rng)


def cover_whole(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A cover over everything. At lower strengths more of the scene shines through."""
    through = _pick(strength, 0.3, 0.18, 0.1, 0.05, 0.0)
    level = rng.uniform(40, 200)
    soft = cv2.GaussianBlur(picture, (0, 0), picture.shape[1] * 0.02).astype(np.float32)
    light = soft * through + level * (1 - through)
    return _bytes(light + rng.normal(0, 2, picture.shape).astype(np.float32))


def moved(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """The camera was knocked: the picture is shifted, rotated or zoomed, and its edges are
    filled by mirroring."""
    matrix = moved_by(picture, strength, rng)
    size_wh = (picture.shape[1], picture.shape[0])
    return _same(
        cv2.warpAffine(
            picture, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    )


def moved_by(picture: Picture, strength: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the matrix `[2, 3]` by which `moved` moves each point, in pixels. Shifts are shares of
    the width."""
    shift, turn_deg, zoom = _pick(
        strength,
        (0.012, 1.2, 0.025),
        (0.025, 2.5, 0.05),
        (0.05, 4, 0.08),
        (0.1, 7, 0.12),
        (0.2, 12, 0.2),
    )  # fmt: skip -- one row a strength
    height, width = picture.shape[:2]
    which = rng.integers(0, 4)
    sign = rng.choice((-1.0, 1.0), 3)
    turn = sign[0] * turn_deg if which in (1, 3) else 0.0
    scale = 1 + sign[1] * zoom if which in (2, 3) else 1.0
    matrix = np.asarray(
        cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, scale), np.float64
    )
    if which in (0, 3):
        angle = rng.uniform(0, 2 * np.pi)
        matrix[:, 2] += shift * width * np.array((np.cos(angle), np.sin(angle)))
    return matrix


def rain(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Bright streaks, all leaning one way, over a greyer picture."""
    count, length, haze = _pick(
        strength,
        (300, 0.012, 0.05),
        (700, 0.018, 0.1),
        (1500, 0.025, 0.18),
        (3000, 0.035, 0.28),
        (6000, 0.05, 0.4),
    )  # fmt: skip -- one row a strength
    height, width = picture.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    lean = rng.uniform(-0.3, 0.3)
    for x, y, share in rng.uniform((0, 0, 0.5), (width, height, 1), (count, 3)):
        tall = length * width * share
        end = (round(float(x + lean * tall)), round(float(y + tall)))
        cv2.line(streaks, (round(float(x)), round(float(y))), end, 255, max(1, width // 900))
    drops = cv2.GaussianBlur(streaks, (0, 0), 0.8).astype(np.float32)[..., None] / 255 * 0.55
    grey = picture.astype(np.float32) * (1 - haze) + 150 * haze
    return _bytes(grey * (1 - drops) + 225 * drops)


def glare(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Headlights or a low sun shine into the lens: burnt-out discs with halos."""
    lamps, size = _pick(strength, (1, 0.04), (2, 0.06), (2, 0.1), (3, 0.15), (4, 0.25))
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    light = np.zeros((height, width), np.float32)
    for x, y in rng.uniform((0.1, 0.2), (0.9, 0.9), (lamps, 2)):
        far = np.hypot(xs - x * width, ys - y * height) / (size * width)
        light += 600 * np.exp(-(far**2) * 2) + 90 * np.exp(-far)
    return _bytes(picture.astype(np.float32) + light[..., None])


def jpeg(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Far too much compression."""
    del rng
    quality = _pick(strength, 25, 15, 9, 5, 2)
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return _same(cv2.imdecode(data, cv2.IMREAD_COLOR))


def wet(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A part of the lens out of focus: condensation, a drop that runs, grease."""
    reach, share = _pick(
        strength, (0.15, 0.005), (0.2, 0.008), (0.26, 0.01), (0.33, 0.014), (0.4, 0.02)
    )
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    x, y = rng.uniform((0.25, 0.35), (0.75, 0.75))
    far = np.hypot(xs / width - x, (ys / height - y) * height / width)
    mask = (1 / (1 + np.exp((far / reach - 1) * 12)))[..., None].astype(np.float32)
    soft = cv2.GaussianBlur(picture, (0, 0), share * width)
    return _bytes(picture * (1 - mask) + soft * mask)


def torn(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A decoder's output for an incomplete picture: displaced rows, the last row repeated, a band
    shown twice, or one flat colour. A higher strength affects more rows."""
    height, width = picture.shape[:2]
    rows = round(height * _pick(strength, 0.12, 0.2, 0.3, 0.4, 0.5) / 16) * 16
    start = round(float(rng.uniform(0.3, 1.0)) * (height - rows) / 16) * 16
    damaged, band = picture.copy(), slice(start, start + rows)
    which = rng.integers(0, 4)
    if which == 0:
        damaged[band] = np.roll(damaged[band], int(rng.uniform(0.1, 0.9) * width), 1)
    elif which == 1:
        damaged[band] = damaged[max(start - 1, 0)]
    elif which == 2:
        above = damaged[max(start - rows, 0) : start]
        damaged[start : start + len(above)] = above
    else:
        damaged[band] = (0, 135, 0)
    return damaged


KINDS: Final[dict[str, Kind]] = {
    "dark": dark,
    "fog": fog,
    "defocus": defocus,
    "motion": motion,
    "cover-part": cover_part,
    "cover-whole": cover_whole,
    "moved": moved,
    "rain": rain,
    "glare": glare,
    "jpeg": jpeg,
    "wet": wet,
    "torn": torn,
}


def _covered(picture: Picture, share: float, rng: np.random.Generator) -> Picture:
    """Return a blob over about `share` of the picture, growing from a random edge, with a soft
    border."""
    height, width = picture.shape[:2]
    side = float(rng.uniform(0, 4))
    along = side % 1
    at = [(along, 0.0), (1.0, along), (along, 1.0), (0.0, along)][int(side)]
    rough = cv2.resize(rng.uniform(-0.25, 0.25, (4, 6)).astype(np.float32), (width, height))
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot((xs / width - at[0]) * width / height, ys / height - at[1]) + rough
    edge = np.quantile(far, share)
    mask = cv2.GaussianBlur((far < edge).astype(np.float32), (0, 0), width * 0.006)[..., None]
    tone = rng.uniform(20, 180, 3).astype(np.float32)
    shade = cv2.resize(rng.uniform(0.85, 1.15, (3, 3)).astype(np.float32), (width, height))
    cover = tone * shade[..., None] + rng.normal(0, 2, picture.shape).astype(np.float32)
    return _bytes(picture * (1 - mask) + cover * mask)


def _pick(strength: int, *rows: T) -> T:
    return rows[strength - 1]


def _bytes(values: NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)


def _same(picture: object) -> Picture:
    return np.asarray(picture, np.uint8)
