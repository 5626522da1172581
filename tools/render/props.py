"""What stands on and around a lot: people, lamp posts, trees, kerbs, buildings, the gate."""

import numpy as np

from tools.render.ground import lot_bounds
from tools.render.mesh import Mesh, ball, box, leaves, tube
from tools.render.site import Site

LAMP_HEIGHT = 6.0


def person(stride: float) -> list[Mesh]:
    """Return somebody walking towards +x; materials `top`, `legs` and `skin`."""
    parts = [
        tube((0, 0, 0.85), (0.03, 0, 1.42), (0.15, 0.2), "top"),
        ball((0.03, 0, 1.42), (0.13, 0.21, 0.1), "top"),
        ball((0.05, 0, 1.66), (0.1, 0.09, 0.12), "skin"),
        ball((0.02, 0, 1.71), (0.11, 0.095, 0.09), "legs"),
    ]
    for side in (-1, 1):
        foot = side * stride
        parts.append(tube((0, side * 0.09, 0.9), (foot, side * 0.1, 0.05), (0.1, 0.06), "legs"))
        parts.append(ball((foot + 0.07, side * 0.1, 0.05), (0.14, 0.05, 0.05), "legs"))
        hand = (-foot * 0.8 + 0.03, side * 0.27, 0.85)
        parts.append(tube((0.03, side * 0.22, 1.4), hand, (0.06, 0.045), "top"))
    return parts


def surroundings(site: Site) -> list[Mesh]:
    """Return everything that never moves."""
    rng = np.random.default_rng(site.seed + 1)
    parts = [*_kerbs(site)]
    for x, y, height in site.trees:
        parts += _tree(rng, x, y, height)
    for x, y in site.lamps:
        parts.append(tube((x, y, 0), (x, y, LAMP_HEIGHT), (0.09, 0.05), "steel"))
        parts.append(
            box((x - 0.4, y - 0.12, LAMP_HEIGHT), (x + 0.4, y + 0.12, LAMP_HEIGHT + 0.1), "steel")
        )
    for building in site.buildings:
        parts += _building(rng, building)
    return parts


def gate(x: float, open_lanes: frozenset[str]) -> list[Mesh]:
    """Return both barriers with a kiosk between the lanes; an open one points up."""
    parts = [
        box((x - 1.6, 8.2, 0), (x + 1.6, 8.8, 0.18), "concrete"),
        box((x - 0.3, 8.3, 0.18), (x + 0.2, 8.7, 1.3), "yellow"),
        box((x + 0.6, 8.35, 0.18), (x + 0.9, 8.65, 1.5), "steel"),
    ]
    for lane, side in (("entry", -1), ("exit", 1)):
        for piece in range(8):
            reach = (0.1 + 0.4 * piece, 0.5 + 0.4 * piece)
            material = "red" if piece % 2 else "white"
            if lane in open_lanes:
                low, high = (
                    (x - 0.05, 8.5 + side * 0.2 - 0.05, 1.0 + reach[0]),
                    (x + 0.05, 8.5 + side * 0.2 + 0.05, 1.0 + reach[1]),
                )
            else:
                ends = sorted((8.5 + side * (0.2 + reach[0]), 8.5 + side * (0.2 + reach[1])))
                low, high = (x - 0.05, ends[0], 1.0), (x + 0.05, ends[1], 1.1)
            parts.append(box(low, high, material))
    return parts


def _kerbs(site: Site) -> list[Mesh]:
    """Return the kerb around the lot, open towards the gate."""
    x0, y0, x1, y1 = lot_bounds(site)
    x0, x1 = x0 - 0.6, x1 + 2.2
    if site.gate_x is None:
        return []
    sides = [(x0, y0 - 0.2, x1, y0), (x0, y1, x1, y1 + 0.2), (x1, y0 - 0.2, x1 + 0.2, y1 + 0.2)]
    sides += [(x0 - 0.2, y0 - 0.2, x0, 5.0), (x0 - 0.2, 12.0, x0, y1 + 0.2)]
    return [box((a, b, 0), (c, d, 0.14), "concrete") for a, b, c, d in sides]


def _tree(rng: np.random.Generator, x: float, y: float, height: float) -> list[Mesh]:
    """Return a trunk with a crown of several clouds of leaves."""
    parts = [tube((x, y, 0), (x, y, height * 0.6), (0.16, 0.09), "bark")]
    for _ in range(7):
        centre = np.array([x, y, height * 0.72]) + rng.normal(0, (0.7, 0.7, 0.55))
        parts.append(leaves(rng, centre, rng.uniform(0.9, 1.5), 420, f"leaf{rng.integers(3)}"))
    return parts


def _building(rng: np.random.Generator, measures: tuple[float, ...]) -> list[Mesh]:
    """Return a block with rows of windows on the sides that face south and north."""
    x0, y0, x1, y1, height = measures
    parts = [
        box((x0, y0, 0), (x1, y1, height), f"wall{rng.integers(3)}"),
        box((x0 - 0.2, y0 - 0.2, height), (x1 + 0.2, y1 + 0.2, height + 0.3), "concrete"),
    ]
    windows = [
        box((x, y0 - 0.03, z), (x + 1.5, y1 + 0.03, z + 1.5), "window")
        for z in np.arange(1.0, height - 1.6, 3.0)
        for x in np.arange(x0 + 1.2, x1 - 2.0, 2.9)
    ]
    return parts + windows
