"""Estimate a camera's view of a flat lot from the boxes of parked cars. Pure.

All cars have about the same size. So the boxes of enough cars, small in the distance and large
nearby, determine the camera's focal length, tilt and height. These in turn determine the position
and heading of each box on the ground. The model assumes a level camera and a lens without
distortion.

In picture coordinates, the picture is 1 wide, x and y start at its centre, and y points down.
Ground coordinates are in metres, with x to the right and y forward of the camera. A heading is the
angle between a car's long axis and x, in radians within 0..pi, because front and back are
equivalent.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CAR_M: Final = (4.3, 1.75, 1.4)
"""Length, width and height of the car that boxes are compared with."""

HEADINGS: Final = np.arange(36) * np.pi / 36
"""The headings to try, 5 degrees apart."""

MIN_BOXES: Final = 6
"""Fewer boxes cannot determine a camera."""

_CORNERS: Final = np.array(
    [
        (x, y, z)
        for long, wide, z in ((1, 1, 0.15), (1, 1, 0.55), (0.35, 0.6, 1))
        for x in (-long / 2, long / 2)
        for y in (-wide / 2, wide / 2)
    ]
)
"""A car's outermost points as shares of its dimensions: the body, and a smaller roof."""

_NEAREST_M: Final = 0.5
_FARTHEST_M: Final = 300.0
_USUAL_FOCAL: Final = 0.85
_USUAL_M: Final = 12.0
_PULL: Final = 0.02
"""Weight of the prior for a typical camera, because boxes of a single row hardly determine its
focal length."""
_PITCH_M: Final = (2.4, 3.3)
_PITCH_WEIGHT: Final = 0.8
_EDGE_WEIGHT: Final = 0.1
_WORST: Final = 0.4
"""Upper limit of one box's misfit, so that a lorry or a hidden car cannot distort the estimate."""


_WAYS: Final = np.array(
    [
        (focal, tilt, height)
        for focal in (0, 1, -1)
        for tilt in (0, 1, -1)
        for height in (0, 1, -1)
        if focal or tilt or height
    ]
)
"""Steps of the search. The three parameters are coupled, because a longer lens looks like a lower
tilt."""


class Camera(NamedTuple):
    """A level camera at (0, 0, `height_m`) that looks along y, `tilt` radians down. `focal` is in
    picture widths."""

    focal: float
    tilt: float
    height_m: float

    def project(self, points: Floats) -> Floats:
        """Convert world points [..., 3] in metres to picture points [..., 2]."""
        sin, cos = np.sin(self.tilt), np.cos(self.tilt)
        drop = self.height_m - points[..., 2]
        depth = np.maximum(points[..., 1] * cos + drop * sin, _NEAREST_M)
        down = drop * cos - points[..., 1] * sin
        seen: Floats = np.stack([points[..., 0], down], axis=-1) * (self.focal / depth)[..., None]
        return seen

    def ground(self, points: Floats) -> Floats:
        """Convert picture points [..., 2] to ground points [..., 2]. Points above the horizon
        become very distant ones."""
        sin, cos = np.sin(self.tilt), np.cos(self.tilt)
        falls = self.focal * sin + points[..., 1] * cos
        times = np.minimum(self.height_m / np.maximum(falls, 1e-6), _FARTHEST_M / self.focal)
        forward = self.focal * cos - points[..., 1] * sin
        at: Floats = np.stack([points[..., 0], forward], axis=-1) * times[..., None]
        return at

    def outline(self, ground: Floats, above_m: float = 0.0) -> Floats:
        """Convert points [..., 2] on the ground, or on a plane `above_m` above it, to picture
        points."""
        level = np.full_like(ground[..., :1], above_m)
        return self.project(np.concatenate([ground, level], axis=-1))

    def boxes(self, centres: Floats, headings: Floats) -> Floats:
        """Boxes [..., 4] xyxy of cars that stand at `centres` [..., 2], turned by `headings`."""
        # The corners are the first axis, because numpy computes a minimum along a short last axis
        # slowly.
        corners = _CORNERS.reshape(-1, *[1] * (centres.ndim - 1), 3) * CAR_M
        along, across, above = np.moveaxis(corners, -1, 0)
        sin, cos = np.sin(headings), np.cos(headings)
        x = centres[..., 0] + along * cos - across * sin
        y = centres[..., 1] + along * sin + across * cos
        seen = self.project(np.stack(np.broadcast_arrays(x, y, above), axis=-1))
        return np.concatenate([seen.min(axis=0), seen.max(axis=0)], axis=-1)


class Stands(NamedTuple):
    """Where boxes [N] would stand for each of `HEADINGS` [K]."""

    centres: Floats
    """[N, K, 2], metres."""
    misfit: Floats
    """[N, K]: how far the box's width and height are from those of such a car, as logarithms."""
    cost: Floats
    """[N, K]: the misfit, capped at 1, plus how badly the heading fits the visible edges."""


def stands(camera: Camera, sightings: Floats) -> Stands:
    """Place a car with every heading so that the middle and the bottom of its box match the given
    box. `sightings` [N, 4 + B] has a box xyxy and, as shares, how much edge there is inside it in
    each of B directions over 0..pi (x right, y down). B may be 0."""
    boxes = sightings[:, None, :4]
    middle = (boxes[..., 0] + boxes[..., 2]) / 2
    target = np.stack([middle, boxes[..., 3]], axis=-1)
    anchor = np.broadcast_to(
        target - np.stack([0 * middle, 0.3 * (boxes[..., 3] - boxes[..., 1])], axis=-1),
        (len(boxes), len(HEADINGS), 2),
    )
    centres = camera.ground(anchor)
    for _ in range(3):
        found = camera.boxes(centres, HEADINGS)
        at = np.stack([(found[..., 0] + found[..., 2]) / 2, found[..., 3]], axis=-1)
        anchor = anchor + (target - at)
        centres = camera.ground(anchor)
    found = camera.boxes(centres, HEADINGS)
    size, wanted = found[..., 2:] - found[..., :2], boxes[..., 2:] - boxes[..., :2]
    off = np.abs(np.log(np.maximum(size, 1e-6) / np.maximum(wanted, 1e-6))).sum(axis=-1)
    cost = np.minimum(off, 1.0) - _EDGE_WEIGHT * _along_edges(camera, centres, sightings[:, 4:])
    return Stands(centres, off, cost)


def _along_edges(camera: Camera, centres: Floats, edges: Floats) -> Floats:
    """How much more edge than usual runs along each heading [N, K], -1..2, as a car's sides and
    painted lines do. Boxes alone cannot tell a car from its mirror image."""
    bins = edges.shape[1]
    if not bins:
        return np.zeros(centres.shape[:2])
    half = np.stack([np.cos(HEADINGS), np.sin(HEADINGS)], axis=-1) * (CAR_M[0] / 2)
    low, high = camera.outline(centres - half), camera.outline(centres + half)
    angle = np.arctan2(high[..., 1] - low[..., 1], high[..., 0] - low[..., 0]) % np.pi
    place = angle / np.pi * bins - 0.5
    lower = np.floor(place).astype(int)
    each = np.arange(len(edges))[:, None]
    share = edges[each, lower % bins] * (1 - (place - lower))
    share = share + edges[each, (lower + 1) % bins] * (place - lower)
    more: Floats = np.clip(share * bins - 1, -1, 2)
    return more


def settled(at: Stands, reach_m: float = 5.0) -> NDArray[np.intp]:
    """The heading (index) of each place, [N]. It is the one that fits both its own box and the
    boxes around it, because neighbouring cars are parked alike."""
    best: NDArray[np.intp] = at.cost.argmin(axis=1)
    each = np.arange(len(best))
    for _ in range(2):
        middle = at.centres[each, best]
        away = np.linalg.norm(middle[None] - middle[:, None], axis=-1)
        near = np.exp(-((away / reach_m) ** 2))
        best = (near @ at.cost / near.sum(axis=1, keepdims=True) + at.cost / 2).argmin(axis=1)
    return best


def misfit(camera: Camera, sightings: Floats) -> float:
    """How badly the boxes fit cars seen by the camera. The widths and heights of boxes count, and
    so does whether the nearest neighbour is about a slot's width away."""
    at = stands(camera, sightings)
    chosen = settled(at)
    each = np.arange(len(chosen))
    middle = at.centres[each, chosen]
    away = np.linalg.norm(middle[None] - middle[:, None], axis=-1) + np.eye(len(each)) * 1e3
    nearest = np.maximum(away.min(axis=1), 0.1)
    apart = np.abs(np.log(nearest / np.clip(nearest, *_PITCH_M)))
    usual = abs(np.log(camera.focal / _USUAL_FOCAL)) + abs(np.log(camera.height_m / _USUAL_M)) / 3
    return float(
        np.minimum(at.misfit[each, chosen], _WORST).mean()
        + _PITCH_WEIGHT * np.minimum(apart, _WORST).mean()
        + _PULL * usual
    )


def find_camera(sightings: Floats) -> Camera | None:
    """The camera for which the boxes [N, 4 + B] (see `stands`) fit cars best, or None if there are
    fewer than MIN_BOXES."""
    boxes = sightings
    if len(boxes) < MIN_BOXES:
        return None
    best, least = None, np.inf
    for focal in np.geomspace(0.55, 2.0, 7):
        for tilt in np.radians(np.arange(9, 79, 7)):
            camera = _at_height(boxes, float(focal), float(tilt))
            error = misfit(camera, boxes)
            if error < least:
                best, least = camera, error
    if best is None:
        return None
    step = np.array([0.12, np.radians(4), 0.12])
    while step[0] > 0.01:
        for way in _WAYS:
            change = way * step
            moved = Camera(
                float(np.clip(best.focal * np.exp(change[0]), 0.4, 3.0)),
                float(np.clip(best.tilt + change[1], np.radians(4), np.radians(88))),
                float(best.height_m * np.exp(change[2])),
            )
            error = misfit(moved, boxes)
            if error < least - 1e-6:
                best, least = moved, error
                break
        else:
            step = step / 2
    return best


def _at_height(boxes: Floats, focal: float, tilt: float) -> Camera:
    """The camera, raised or lowered until the median car is as large as the boxes."""
    camera = Camera(focal, tilt, 8.0)
    for _ in range(2):
        at = stands(camera, boxes)
        seen = camera.boxes(at.centres, HEADINGS)
        area = np.prod(np.maximum(seen[..., 2:] - seen[..., :2], 1e-6), axis=-1)
        wanted = np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1)[:, None]
        over = np.median(np.log(area / wanted).mean(axis=1)) / 2
        camera = camera._replace(height_m=float(np.clip(camera.height_m * np.exp(over), 1.5, 80)))
    return camera
