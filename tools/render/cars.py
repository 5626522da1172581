"""Procedural cars: a lofted body and a lofted cabin. A face's position decides whether it is window
or trim."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tools.render.mesh import Floats, Mesh, ball, box, from_quads, grid_faces, tube

STATIONS = 49
"""Cross-sections along a car; an odd number, so that one is in the middle."""


@dataclass(frozen=True)
class Shape:
    """Dimensions of one kind of car in metres. x runs from the nose (0) to the tail (length)."""

    length: float
    width: float
    height: float
    belt: float
    """Height of the lower edge of the side windows."""
    hood: float
    """Height of the bonnet at the nose."""
    deck: float
    """Height of the tail."""
    cabin: tuple[float, float, float, float]
    """Fractions of the length: windscreen's foot, roof's start, roof's end, rear foot."""
    glass_to: float
    """Fraction of the length where the side windows end."""
    pillars: tuple[float, ...]
    wheel: float = 0.33


SHAPES = {
    "hatchback": Shape(
        4.0, 1.76, 1.48, 0.95, 0.72, 0.92, (0.24, 0.42, 0.86, 0.985), 0.86, (0.56, 0.75), 0.31
    ),
    "sedan": Shape(4.65, 1.82, 1.44, 0.95, 0.72, 0.95, (0.27, 0.43, 0.68, 0.86), 0.78, (0.54,)),
    "estate": Shape(4.75, 1.82, 1.48, 0.95, 0.72, 0.93, (0.26, 0.41, 0.9, 0.99), 0.92, (0.52, 0.7)),
    "suv": Shape(4.6, 1.9, 1.7, 1.1, 0.9, 1.05, (0.24, 0.38, 0.88, 0.985), 0.89, (0.5, 0.7), 0.37),
    "van": Shape(5.1, 1.95, 1.98, 1.15, 0.95, 1.1, (0.12, 0.27, 0.965, 0.995), 0.32, (0.3,), 0.34),
    "pickup": Shape(5.3, 1.9, 1.8, 1.12, 0.98, 1.08, (0.24, 0.36, 0.58, 0.62), 0.58, (0.47,), 0.38),
}


@cache
def build(kind: str) -> tuple[Mesh, ...]:
    """Return a car's meshes, with its centre over the origin and its nose towards +x.

    The material `paint` takes the car's own colour; the others are shared by all cars.
    """
    shape = SHAPES[kind]
    parts = [*_body(shape), *_cabin(shape), *_wheels(shape), *_details(shape)]
    if kind == "pickup":
        x0, x1, half = 0.64 * shape.length, 0.975 * shape.length, 0.4 * shape.width
        parts.append(box((x0, -half, 0.9), (x1, half, shape.deck + 0.012), "trim"))
    flip = np.array([-1.0, 1.0, 1.0])
    shift = np.array([shape.length / 2, 0, 0])
    return tuple(
        Mesh(part.vertices * flip + shift, part.faces[:, ::-1], part.material, part.smooth)
        for part in parts
    )


def _ease(x: Floats, start: float, end: float) -> Floats:
    """Return a smooth step from 0 at `start` to 1 at `end`."""
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def _body(shape: Shape) -> list[Mesh]:
    """Loft the part below the windows; its lowest band is dark trim."""
    u = np.linspace(0, 1, STATIONS)
    u = (u + _ease(u, 0, 1)) / 2
    foot, tail = shape.cabin[0], shape.cabin[3]
    top = shape.hood + (shape.belt - shape.hood) * _ease(u, 0.0, foot + 0.06)
    top += (shape.deck - shape.belt) * _ease(u, min(tail - 0.08, 0.9), 1.0)
    nose, rear = _ease(u, -0.02, 0.035), 1 - _ease(u, 0.965, 1.02)
    ends = nose * rear
    half = shape.width / 2 * (0.8 + 0.2 * _ease(u, -0.02, 0.16) * (1 - _ease(u, 0.86, 1.04)))
    bottom = 0.2 + 0.12 * (1 - _ease(u, 0, 0.12)) + 0.14 * _ease(u, 0.88, 1)
    top = bottom + (top - bottom) * (0.82 + 0.18 * ends)
    # One side of the section, from the middle of the floor over the sill to that of the bonnet.
    wide = np.array([0, 0.9, 0.985, 1.0, 1.0, 0.985, 0.95, 0.87, 0.6, 0])
    high = np.array([0, 0, 0.08, 0.22, 0.55, 0.78, 0.92, 0.985, 1.0, 1.012])
    wide, high = np.r_[wide, -wide[-2::-1]], np.r_[high, high[-2::-1]]
    x = np.broadcast_to((u * shape.length)[:, None], (STATIONS, len(wide)))
    y = half[:, None] * wide
    z = bottom[:, None] + (top - bottom)[:, None] * high
    vertices = np.stack([x, y, z], axis=-1)
    quads = grid_faces(STATIONS, len(wide))
    flat = vertices.reshape(-1, 3)
    sill = (high[:-1] + high[1:]) / 2 < 0.16
    caps = [_cap(vertices[0], "paint"), _cap(vertices[-1][::-1], "paint")]
    return [
        from_quads(flat, quads[:, ~sill], "paint"),
        from_quads(flat, quads[:, sill], "trim"),
        *caps,
    ]


def _cap(ring: Floats, material: str) -> Mesh:
    """Close a section with a fan around its middle."""
    count = len(ring)
    vertices = np.concatenate([ring, ring.mean(axis=0, keepdims=True)])
    quads = [[i, count, count, (i + 1) % count] for i in range(count)]
    return from_quads(vertices, np.array(quads), material, smooth=False)


def _cabin(shape: Shape) -> list[Mesh]:
    """Loft the cabin. Faces where a window is are glass."""
    foot, roof, roof_end, tail = shape.cabin
    u = np.unique(np.r_[np.linspace(foot, tail, 40), roof, roof_end, shape.glass_to])
    rise = shape.height - shape.belt
    up = np.clip((u - foot) / (roof - foot), 0, 1) ** 0.85
    down = np.clip((tail - u) / (tail - roof_end), 0, 1) ** 0.8
    lift = rise * np.minimum(up, down) * (1 - 0.05 * ((u - foot) / (tail - foot)) ** 2)
    high = np.array([0.0, 0.06, 0.3, 0.55, 0.8, 0.93, 0.985, 1.0, 1.015])
    wide = np.array([1.0, 0.99, 0.95, 0.91, 0.86, 0.82, 0.74, 0.45, 0.0])
    high, wide = np.r_[high, high[-2::-1]], np.r_[wide, -wide[-2::-1]]
    half = shape.width / 2 * 0.93
    # At the screens, which slope, the section is low and as wide as the belt.
    share = (lift / rise)[:, None]
    y = (
        half
        * np.sign(wide)
        * (
            1
            - share * (1 - np.abs(wide))
            - (1 - share) * (np.abs(wide) < 0.5) * (1 - np.abs(wide) / 0.8)
        )
    )
    x = np.broadcast_to((u * shape.length)[:, None], y.shape)
    z = shape.belt - 0.03 + (lift[:, None] + 0.03) * high
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    quads = grid_faces(len(u), len(wide))
    glass = _windows(shape, (u[:-1] + u[1:]) / 2, (high[:-1] + high[1:]) / 2)
    return [
        from_quads(vertices, quads[~glass], "paint"),
        from_quads(vertices, quads[glass], "glass"),
    ]


def _windows(shape: Shape, u: Floats, high: Floats) -> np.ndarray:
    """Tell which faces `[stations, section]` of the cabin are glass."""
    foot, roof, roof_end, tail = shape.cabin
    side = (high > 0.05) & (high < 0.9)
    along = (u > foot + 0.05) & (u < shape.glass_to - 0.015)
    for pillar in shape.pillars:
        along &= np.abs(u - pillar) > 0.011
    front = (u > foot + 0.012) & (u < roof - 0.008)
    back = (u > roof_end + 0.012) & (u < tail - 0.02) & (shape.glass_to > 0.4)
    top = high >= 0.95
    windows: np.ndarray = (along[:, None] & side) | ((front | back)[:, None] & top)
    return windows


def _wheels(shape: Shape) -> list[Mesh]:
    """Return tyres, rims and the dark arches around them."""
    parts = []
    for share in (0.185, 0.8):
        for side in (-1, 1):
            x, y, r = share * shape.length, side * (shape.width / 2 - 0.1), shape.wheel
            outer = side * (shape.width / 2 + 0.012)
            parts.append(
                tube((x, y, r + 0.07), (x, outer - side * 0.02, r + 0.07), (r + 0.09,) * 2, "trim")
            )
            parts.append(tube((x, y, r), (x, outer, r), (r, r), "tyre"))
            parts.append(tube((x, y, r), (x, outer + side * 0.008, r), (r * 0.66,) * 2, "rim"))
    return parts


def _details(shape: Shape) -> list[Mesh]:
    """Return lights, grille, plates and mirrors."""
    nose, tail, half = 0.03, shape.length - 0.03, shape.width / 2
    light_z, rear_z = shape.hood - 0.1, shape.deck - 0.17
    mirror_x = (shape.cabin[0] + 0.06) * shape.length
    parts = [
        box((-0.02, -0.4 * half, 0.36), (nose + 0.05, 0.4 * half, shape.hood - 0.16), "trim"),
        box((-0.035, -0.26, 0.4), (0.0, 0.26, 0.51), "plate"),
        box((tail, -0.26, 0.55), (tail + 0.045, 0.26, 0.66), "plate"),
    ]
    for side in (-1, 1):
        parts += [
            ball((nose + 0.06, side * 0.66 * half, light_z), (0.13, 0.19, 0.085), "headlight"),
            ball((tail - 0.06, side * 0.7 * half, rear_z), (0.1, 0.17, 0.11), "taillight"),
            ball((mirror_x, side * (half + 0.07), shape.belt + 0.04), (0.07, 0.12, 0.08), "paint"),
        ]
    return parts
