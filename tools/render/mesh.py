"""Small triangle meshes as numpy arrays: lofts, boxes, tubes, leaves. Metres, z up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Mesh:
    """Triangles of one material; vertices `[V, 3]`, faces `[F, 3]`."""

    vertices: Floats
    faces: Ints
    material: str
    smooth: bool = True

    def placed(self, position: ArrayLike, heading_rad: float = 0.0) -> "Mesh":
        """Return the mesh turned about z, then moved."""
        c, s = np.cos(heading_rad), np.sin(heading_rad)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
        moved = self.vertices @ turn + np.asarray(position)
        return Mesh(moved, self.faces, self.material, self.smooth)


def grid_faces(rows: int, columns: int) -> Ints:
    """Return the quads `[rows - 1, columns - 1, 4]` of a grid of vertices, row by row."""
    first = np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)
    return np.stack([first, first + 1, first + columns + 1, first + columns], axis=-1)


def from_quads(vertices: Floats, quads: Ints, material: str, smooth: bool = True) -> Mesh:
    """Make a mesh of the quads' triangles, keeping only the vertices they use."""
    quads = quads.reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    used, compact = np.unique(faces, return_inverse=True)
    return Mesh(vertices[used], compact.reshape(-1, 3), material, smooth)


def box(low: ArrayLike, high: ArrayLike, material: str) -> Mesh:
    """Return an axis-aligned box with flat faces."""
    corners = np.array([low, high], dtype=float)
    index = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)])
    vertices = corners[index, [0, 1, 2]]
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    return from_quads(vertices, np.array(quads), material, smooth=False)


def tube(start: ArrayLike, end: ArrayLike, radii: tuple[float, float], material: str) -> Mesh:
    """Return a cone frustum with capped ends from `start` to `end`."""
    a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    axis = (b - a) / np.linalg.norm(b - a)
    side = np.cross(axis, [0.0, 0, 1] if abs(axis[2]) < 0.9 else [1.0, 0, 0])
    side /= np.linalg.norm(side)
    angle = np.linspace(0, 2 * np.pi, 17)
    ring = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(axis, side)
    rings = [a + ring * 1e-4, a + ring * radii[0], b + ring * radii[1], b + ring * 1e-4]
    return from_quads(np.concatenate(rings), grid_faces(4, 17), material, smooth=False)


def ball(centre: ArrayLike, radii: ArrayLike, material: str) -> Mesh:
    """Return an ellipsoid."""
    up, around = np.meshgrid(np.linspace(0, np.pi, 10), np.linspace(0, 2 * np.pi, 17))
    unit = np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.cos(up)], axis=-1)
    vertices = unit.reshape(-1, 3) * np.asarray(radii) + np.asarray(centre)
    return from_quads(vertices, grid_faces(17, 10), material)


def leaves(
    rng: np.random.Generator, centre: ArrayLike, radius: float, count: int, material: str
) -> Mesh:
    """Return a cloud of small random quads, denser at its surface: a crown of leaves."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    at = direction * radius * rng.uniform(0.5, 1.0, (count, 1)) ** 0.5 + np.asarray(centre)
    spread = rng.normal(size=(2, count, 3)) * 0.16
    corners = [at - spread[0], at - spread[1], at + spread[0], at + spread[1]]
    vertices = np.stack(corners, axis=1).reshape(-1, 3)
    return from_quads(vertices, np.arange(count * 4).reshape(-1, 4), material, smooth=False)
