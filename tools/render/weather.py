"""What weather does to the ground and to the lens. Pure."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.render.site import Site

Floats32 = NDArray[np.float32]
Picture = NDArray[np.uint8]


def wet_ground(painted: Floats32, rng: np.random.Generator) -> tuple[Floats32, Floats32]:
    """Return the darker colours of wet ground, and its roughness [H, W]: puddles mirror the
    lights, the rest shines."""
    height, width = painted.shape[:2]
    cells = (height // 90 + 3, width // 90 + 3)
    level = cv2.resize(
        rng.normal(0, 1, cells).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    puddle = np.clip((level - 0.6) * 4, 0, 1)
    roughness = 0.32 - 0.24 * puddle
    colour = painted * (0.55 - 0.2 * puddle)[..., None]
    return np.ascontiguousarray(colour, np.float32), np.ascontiguousarray(roughness, np.float32)


def snow_ground(
    painted: Floats32, site: Site, bare: frozenset[str], rng: np.random.Generator
) -> Floats32:
    """Return snowed-in ground. Tracks in it show the asphalt, and so do the slots in `bare`, where
    a car stood while it snowed. Row 0 is in the south, as in `paint_ground`."""
    height, width = painted.shape[:2]
    x0, y0, x1, y1 = site.extent
    scale = np.array([width / (x1 - x0), height / (y1 - y0)])
    thick = np.full((height, width), float(rng.uniform(0.75, 1.0)), np.float32)
    for slot in site.slots:
        corners = np.round((slot.plan - (x0, y0)) * scale).astype(np.int32)
        if slot.slot_id in bare:
            middle = corners.mean(axis=0)
            under = np.round(middle + (corners - middle) * 0.72).astype(np.int32)
            cv2.fillConvexPoly(thick, under, 0.05)
        elif rng.random() < 0.5:
            _tracks(thick, corners, float(scale[0]))
    soft = np.asarray(cv2.GaussianBlur(thick, (0, 0), 3), np.float32)[..., None]
    grain = rng.normal(0, 0.02, (height, width)).astype(np.float32)
    snow = np.array([0.78, 0.8, 0.84], np.float32) + grain[..., None]
    mixed = painted * (1 - soft) + snow * soft
    return np.ascontiguousarray(np.clip(mixed, 0.005, 0.9), np.float32)


def _tracks(thick: Floats32, corners: NDArray[np.int32], per_m: float) -> None:
    """Press two wheel tracks along a slot into the snow."""
    a, b, c, d = corners.astype(float)
    for share in (0.25, 0.75):
        start, end = a + share * (b - a), d + share * (c - d)
        ends = [tuple(np.round(point).astype(int).tolist()) for point in (start, end)]
        cv2.line(thick, ends[0], ends[1], 0.35, max(1, round(0.22 * per_m)))


def drops_on_lens(picture: Picture, rng: np.random.Generator) -> Picture:
    """Return the picture through a wet lens: each drop shows the scene small, upside down and
    blurred, and is bright where the scene has lamps."""
    height, width = picture.shape[:2]
    seen = picture.copy()
    inverted = np.asarray(cv2.GaussianBlur(picture[::-1, ::-1], (0, 0), width * 0.004), np.uint8)
    for _ in range(int(rng.integers(14, 40))):
        radius = max(4, round(width * float(rng.gamma(2.0, 0.007))))
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        _drop(seen, inverted, (x, y), radius, float(rng.uniform(1.0, 1.5)))
    return seen


def _drop(seen: Picture, inverted: Picture, at: tuple[int, int], radius: int, long: float) -> None:
    height, width = seen.shape[:2]
    tall = round(radius * long)
    left, top = max(0, at[0] - radius), max(0, at[1] - tall)
    right, bottom = min(width, at[0] + radius), min(height, at[1] + tall)
    if right <= left or bottom <= top:
        return
    ys, xs = np.mgrid[top:bottom, left:right].astype(np.float32)
    far = np.hypot((xs - at[0]) / radius, (ys - at[1]) / tall)
    strong = 1 / (1 + np.exp((far - 0.85) * 14))
    # A drop is a strong lens: it shows a large part of the scene in a small place.
    wide = min(6.0, 0.4 * width / radius)
    source_x = np.clip(width - 1 - at[0] + (xs - at[0]) * wide, 0, width - 1).astype(np.float32)
    source_y = np.clip(height - 1 - at[1] + (ys - at[1]) * wide, 0, height - 1).astype(np.float32)
    shown = cv2.remap(inverted, source_x, source_y, cv2.INTER_LINEAR).astype(np.float32)
    rim = 1 - 0.35 * np.exp(-(((far - 0.8) / 0.14) ** 2))
    blended = seen[top:bottom, left:right] * (1 - strong[..., None]) + (
        shown * rim[..., None] * strong[..., None]
    )
    seen[top:bottom, left:right] = np.clip(blended, 0, 255).astype(np.uint8)
