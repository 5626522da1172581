"""The ground's picture: asphalt, painted lines, pavements and grass, drawn from above."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.render.mesh import Floats
from tools.render.site import Site

PIXELS_PER_M = 34
LINE_M = 0.11

Floats32 = NDArray[np.float32]


def paint_ground(site: Site) -> Floats32:
    """Return the ground as linear RGB `[H, W, 3]`, row 0 in the south (v = 0)."""
    rng = np.random.default_rng(site.seed)
    x0, y0, x1, y1 = site.extent
    height, width = round((y1 - y0) * PIXELS_PER_M), round((x1 - x0) * PIXELS_PER_M)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = (0.09, 0.12, 0.045)
    picture *= 1 + 0.5 * _noise(rng, (height, width), (3, 12, 60))[..., None]
    paved = np.zeros((height, width), np.uint8)
    walk = np.zeros((height, width), np.uint8)
    for corners in _pavement(site):
        cv2.fillPoly(walk, [_to_pixels(site, corners)], 255)
    for corners in _asphalt(site):
        cv2.fillPoly(paved, [_to_pixels(site, corners)], 255)
    concrete = 0.36 * (1 + 0.2 * _noise(rng, (height, width), (2, 9, 80)))
    picture[walk > 0] = (concrete[..., None] * np.array([1, 0.97, 0.92]))[walk > 0]
    asphalt = site.ground_tone * (1 + 0.22 * _noise(rng, (height, width), (1, 4, 30, 200)))
    asphalt *= 1 - 0.35 * _stains(rng, site, (height, width))
    picture[paved > 0] = (asphalt[..., None] * np.array([1.0, 1.0, 1.02]))[paved > 0]
    lines = _lines(site, (height, width)).astype(np.float32) / 255
    worn = np.clip(0.85 + 0.45 * _noise(rng, (height, width), (2, 8, 50)), 0, 1) * lines
    lined = np.clip(picture + (0.72 - picture) * worn[..., None], 0.005, 0.9)
    return np.ascontiguousarray(lined[::-1], np.float32)


def _to_pixels(site: Site, corners: Floats) -> NDArray[np.int32]:
    """Return texture pixels of ground points in metres."""
    x0, _, _, y1 = site.extent
    points = np.asarray(corners, dtype=float)[:, :2]
    scaled = (points - (x0, y1)) * (PIXELS_PER_M, -PIXELS_PER_M)
    return np.round(scaled).astype(np.int32)


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, ...]) -> Floats32:
    """Return smooth noise of several scales (pixels per cell), about -1..1."""
    total = np.zeros(size, np.float32)
    for cell in cells:
        small = rng.normal(0, 0.5, (size[0] // cell + 2, size[1] // cell + 2)).astype(np.float32)
        total += cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(total / len(cells) ** 0.5, np.float32)


def _box(x0: float, y0: float, x1: float, y1: float) -> Floats:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def lot_bounds(site: Site) -> tuple[float, float, float, float]:
    """Return the smallest rectangle around all slots: x0, y0, x1, y1."""
    corners = np.concatenate([slot.plan for slot in site.slots])
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _asphalt(site: Site) -> list[Floats]:
    """Return the paved areas: the lot, its lanes to the gate and the street behind it."""
    x0, y0, x1, y1 = lot_bounds(site)
    south = 0.0 if site.gate_x is not None else 3.0
    areas = [_box(x0 - 0.6, y0 - south, x1 + 2.2, y1 + south)]
    if site.gate_x is not None:
        areas += [_box(-14, 5, 1, 12), _box(-20, site.extent[1], -13, site.extent[3])]
    return areas


def _pavement(site: Site) -> list[Floats]:
    """Return the pavement around the lot."""
    x0, y0, x1, y1 = lot_bounds(site)
    return [_box(x0 - 3, y0 - 2.6, x1 + 4.5, y1 + 2.6)]


def _stains(rng: np.random.Generator, site: Site, size: tuple[int, int]) -> Floats32:
    """Return dark oil stains under the slots and some cracks, 0..1."""
    stains = np.zeros(size, np.float32)
    for slot in site.slots:
        at = _to_pixels(site, slot.centre[None] + rng.normal(0, 0.5, (1, 2)))[0]
        radii = (int(rng.integers(8, 22)), int(rng.integers(8, 34)))
        cv2.ellipse(stains, at.tolist(), radii, 0, 0, 360, float(rng.uniform(0.2, 1)), -1)
    x0, y0, x1, y1 = lot_bounds(site)
    for _ in range(22):
        points = np.cumsum(rng.normal(0, 0.5, (14, 2)), axis=0) + rng.uniform((x0, y0), (x1, y1))
        cv2.polylines(stains, [_to_pixels(site, points)], False, 1.0, 1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(stains, (0, 0), 1.6), np.float32)


def _lines(site: Site, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the painted lines, 0..255: slots open to the aisle, arrows and the stop lines."""
    lines = np.zeros(size, np.uint8)
    thick = max(round(LINE_M * PIXELS_PER_M), 1)
    for slot in site.slots:
        a, b, c, d = _to_pixels(site, slot.plan).tolist()
        for start, end in ((a, d), (b, c)):
            cv2.line(lines, start, end, 255, thick, cv2.LINE_AA)
    if site.gate_x is None:
        return lines
    for x in np.arange(-12.0, 34.0, 4.0):
        dash = _to_pixels(site, np.array([[x, 8.5], [x + 1.6, 8.5]])).tolist()
        cv2.line(lines, dash[0], dash[1], 255, thick, cv2.LINE_AA)
    for x, y, way in ((3.0, 6.8, 1), (20.0, 6.8, 1), (10.0, 10.2, -1), (28.0, 10.2, -1)):
        shaft = np.array([[x, y], [x + way * 1.6, y]])
        head = np.array([[x + way * 2.4, y], [x + way * 1.5, y - 0.4], [x + way * 1.5, y + 0.4]])
        start, end = _to_pixels(site, shaft).tolist()
        cv2.line(lines, start, end, 255, thick, cv2.LINE_AA)
        cv2.fillPoly(lines, [_to_pixels(site, head)], 255, cv2.LINE_AA)
    return lines
