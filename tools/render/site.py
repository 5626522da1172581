"""The places that are rendered: slots on the ground, cameras, and what stands around them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tools.render.mesh import Floats

SLOT_SIZE = (2.6, 5.0)
AISLE = 7.0


@dataclass(frozen=True)
class Slot:
    """One parking slot: its corners in metres, and where a car that stands in it points."""

    slot_id: str
    zone_id: str
    plan: Floats
    heading_rad: float

    @property
    def centre(self) -> Floats:
        """Return the middle of the slot in metres."""
        middle: Floats = self.plan.mean(axis=0)
        return middle


@dataclass(frozen=True)
class Camera:
    """A pinhole camera, in metres. `fov_deg` is horizontal."""

    name: str
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_deg: float

    def project(self, points: ArrayLike, size_wh: tuple[int, int]) -> Floats:
        """Return pixels `[N, 2]` of points `[N, 3]`; NaN for points behind the camera."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        away = np.asarray(points, dtype=float) - self.position
        depth = away @ forward
        depth = np.where(depth > 0.1, depth, np.nan)
        width, height = size_wh
        focal = width / 2 / np.tan(np.radians(self.fov_deg) / 2)
        x = width / 2 + focal * (away @ right) / depth
        y = height / 2 - focal * (away @ np.cross(right, forward)) / depth
        return np.column_stack([x, y])


@dataclass(frozen=True)
class Site:
    """Everything that stays: slots, cameras, lamps, trees, buildings and the lanes."""

    slots: tuple[Slot, ...]
    cameras: tuple[Camera, ...]
    extent: tuple[float, float, float, float]
    """The paved ground: x0, y0, x1, y1."""
    lamps: tuple[tuple[float, float], ...] = ()
    trees: tuple[tuple[float, float, float], ...] = ()
    """x, y, height."""
    buildings: tuple[tuple[float, ...], ...] = ()
    """x0, y0, x1, y1, height."""
    gate_x: float | None = None
    ground_tone: float = 0.17
    seed: int = field(default=0)


def row(zone: str, start: tuple[float, float], count: int, turn: tuple[float, float]) -> list[Slot]:
    """Return `count` slots side by side from `start` towards the east. They extend to the north.

    `turn` is the row's lean from the perpendicular and the heading of its cars (radians).
    """
    lean, heading = turn
    width, depth = SLOT_SIZE
    across = np.array([width / np.cos(lean), 0.0])
    along = np.array([np.sin(lean), np.cos(lean)]) * depth
    slots = []
    for i in range(count):
        a = np.array(start) + i * across
        plan = np.array([a, a + across, a + across + along, a + along])
        slots.append(Slot(f"{zone}{i + 1:02d}", zone, plan, heading))
    return slots


def demo_site() -> Site:
    """Return the demo lot: 28 slots in two rows, two cameras that overlap, a gate in the west."""
    south = row("A", (0.0, 0.0), 14, (0.0, -np.pi / 2))
    north = row("B", (0.0, 5.0 + AISLE), 14, (0.0, np.pi / 2))
    cameras = (
        Camera("north", (12.5, 25.0, 8.2), (15.0, 7.9, 0.0), 80.0),
        Camera("south", (24.0, -8.0, 7.6), (21.5, 8.9, 0.0), 80.0),
    )
    return Site(
        slots=(*south, *north),
        cameras=cameras,
        extent=(-22.0, -22.0, 60.0, 44.0),
        lamps=((-1.5, -1.0), (18.2, 18.2), (37.6, 18.0), (37.6, -1.0), (10.0, -1.2)),
        trees=(
            *((x, -5.0, h) for x, h in ((-3, 5.5), (5, 6.5), (13, 5), (36, 6), (42, 7))),
            *((x, 22.0, h) for x, h in ((-2, 6), (25, 5.5), (32, 6.5), (41, 6))),
            (45.0, 4.0, 6.5),
            (46.0, 11.0, 5.5),
        ),
        buildings=(
            (-4, -19, 16, -11, 7.0),
            (21, -22, 40, -13, 9.5),
            (-6, 31, 20, 41, 8.5),
            (25, 30, 46, 42, 6.5),
        ),
        gate_x=-6.0,
        seed=4,
    )


def random_site(seed: int) -> Site:
    """Return a lot that varies in every way, for training only."""
    rng = np.random.default_rng(seed)
    lean = float(rng.choice([0.0, 0.0, 0.35, 0.6, -0.35]))
    count, rows = int(rng.integers(6, 15)), int(rng.integers(1, 5))
    slots: list[Slot] = []
    y = 0.0
    for i in range(rows):
        heading = np.pi / 2 - lean if i % 2 else -np.pi / 2 - lean
        slots += row("ABCD"[i], (0.0, y), count, (lean, heading))
        y += 5.0 * np.cos(lean) + (AISLE if i % 2 == 0 else 0.3)
    width = count * SLOT_SIZE[0] / np.cos(lean)
    cameras = tuple(_random_camera(rng, width, y, name) for name in ("one", "two"))
    edge = [(rng.uniform(-4, width + 4), float(rng.choice([-5.0, y + 4]))) for _ in range(12)]
    return Site(
        slots=tuple(slots),
        cameras=cameras,
        extent=(-25.0, -25.0, width + 25, y + 25),
        lamps=tuple((x, at) for x, at in edge[:4]),
        trees=tuple((x, at, rng.uniform(4, 8)) for x, at in edge[4 : 4 + rng.integers(0, 8)]),
        buildings=((-8, y + 12, width, y + 22, rng.uniform(4, 11)), (3, -22, width + 9, -13, 8.0)),
        ground_tone=float(rng.uniform(0.08, 0.34)),
        seed=seed,
    )


def _random_camera(rng: np.random.Generator, width: float, depth: float, name: str) -> Camera:
    """Return a camera at a random side of the lot, looking over it."""
    side = rng.integers(4)
    back = rng.uniform(3, 9)
    along = rng.uniform(0.15, 0.85)
    x = (along * width, width + back, along * width, -back)[side]
    y = (-back, along * depth, depth + back, along * depth)[side]
    look = np.array([rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * depth])
    height = float(rng.uniform(3.5, 15))
    return Camera(name, (x, y, height), (look[0], look[1], 0.5), float(rng.uniform(55, 95)))
