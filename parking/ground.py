"""Where the ground lies, pure: a camera over a flat lot, learnt from the boxes of parked cars.

Cars are all about as large. So the boxes of enough of them, small far away and large nearby, tell
the camera's focal length, its tilt and its height, and with these where on the ground a box stands
and how it is turned. The camera is held level, its lens is taken as free of distortion.

Picture coordinates here: the picture is 1 wide, x and y run from its centre, y down. Ground
coordinates: metres, x right and y forward of the camera. A heading is the angle of a car's length
against x, radians in 0..pi: front and back are the same.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CAR_M: Final = (4.3, 1.75, 1.48)
"""Length, width and height of the car that boxes are compared with."""

HEADINGS: Final = np.arange(36) * np.pi / 36
"""The headings that are tried, 5 degrees apart."""

MIN_BOXES: Final = 6
"""Fewer boxes do not tell a camera."""

_CORNERS: Final = np.array(
    [
        (x, y, z)
        for long, wide, z in ((1, 1, 0.15), (1, 1, 0.55), (0.45, 0.75, 1))
        for x in (-long / 2, long / 2)
        for y in (-wide / 2, wide / 2)
    ]
)
"""A car's outermost points in shares of its sizes: the body, and a roof smaller than it."""

_NEAREST_M: Final = 0.5
_FARTHEST_M: Final = 300.0
_USUAL_FOCAL: Final = 0.85
_USUAL_M: Final = 12.0
_PULL: Final = 0.02
"""How much a camera is expected to be usual: boxes of one row hardly tell its focal length."""
_WORST: Final = 0.4
"""Most that one box's misfit counts: a lorry or a hidden car must not turn the camera."""


class Camera(NamedTuple):
    """A level camera at (0, 0, `height_m`) that looks along y, `tilt` radians down. `focal` is in
    picture widths."""

    focal: float
    tilt: float
    height_m: float

    def project(self, points: Floats) -> Floats:
        """World points [..., 3], metres, as picture points [..., 2]."""
        sin, cos = np.sin(self.tilt), np.cos(self.tilt)
        drop = self.height_m - points[..., 2]
        depth = np.maximum(points[..., 1] * cos + drop * sin, _NEAREST_M)
        down = drop * cos - points[..., 1] * sin
        return np.stack([points[..., 0], down], axis=-1) * (self.focal / depth)[..., None]

    def ground(self, points: Floats) -> Floats:
        """Picture points [..., 2] as ground points [..., 2]; above the horizon: very far away."""
        sin, cos = np.sin(self.tilt), np.cos(self.tilt)
        falls = self.focal * sin + points[..., 1] * cos
        times = np.minimum(self.height_m / np.maximum(falls, 1e-6), _FARTHEST_M / self.focal)
        forward = self.focal * cos - points[..., 1] * sin
        return np.stack([points[..., 0], forward], axis=-1) * times[..., None]

    def outline(self, ground: Floats) -> Floats:
        """Ground points [..., 2] as picture points [..., 2]."""
        return self.project(np.concatenate([ground, np.zeros_like(ground[..., :1])], axis=-1))

    def boxes(self, centres: Floats, headings: Floats) -> Floats:
        """Boxes [..., 4] xyxy of cars that stand at `centres` [..., 2], turned by `headings`."""
        length, width, height = CAR_M
        along = _CORNERS[:, 0] * length
        across = _CORNERS[:, 1] * width
        sin, cos = np.sin(headings)[..., None], np.cos(headings)[..., None]
        corners = np.stack(
            np.broadcast_arrays(
                centres[..., 0:1] + along * cos - across * sin,
                centres[..., 1:2] + along * sin + across * cos,
                _CORNERS[:, 2] * height,
            ),
            axis=-1,
        )
        seen = self.project(corners)
        return np.concatenate([seen.min(axis=-2), seen.max(axis=-2)], axis=-1)


class Stands(NamedTuple):
    """Where boxes [N] would stand for each of `HEADINGS` [K]."""

    centres: Floats
    """[N, K, 2], metres."""
    misfit: Floats
    """[N, K]: how far the box's width and height are from such a car's, as logarithms."""


def stands(camera: Camera, boxes_xyxy: Floats) -> Stands:
    """Place a car of every heading so that the middle and the bottom of its box are the box's."""
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 1, 4)
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
    off = np.log(np.maximum(size, 1e-6) / np.maximum(wanted, 1e-6))
    return Stands(centres, np.abs(off).sum(axis=-1))


def misfit(camera: Camera, boxes_xyxy: Floats) -> float:
    """How badly the boxes fit cars seen by the camera, each at its best heading: 0.1 is about
    5 % in width and in height."""
    best = stands(camera, boxes_xyxy).misfit.min(axis=1)
    usual = abs(np.log(camera.focal / _USUAL_FOCAL)) + abs(np.log(camera.height_m / _USUAL_M)) / 3
    return float(np.minimum(best, _WORST).mean() + _PULL * usual)


def find_camera(boxes_xyxy: Floats, half_height: float) -> Camera | None:
    """The camera under which the boxes [N, 4] fit cars best; None where fewer than MIN_BOXES.
    `half_height` is half of the picture's height over its width: the horizon lies above its
    middle, or the tilt is small."""
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
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
    step = np.array([0.12, np.radians(4), 0.1])
    while step[0] > 0.01:
        for change in [*np.diag(step), *np.diag(-step)]:
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
    """The camera raised or lowered until cars are as large as the boxes, in the middle."""
    camera = Camera(focal, tilt, 8.0)
    for _ in range(2):
        at = stands(camera, boxes)
        seen = camera.boxes(at.centres, HEADINGS)
        area = np.prod(np.maximum(seen[..., 2:] - seen[..., :2], 1e-6), axis=-1)
        wanted = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
        over = np.median(np.log(area / wanted).mean(axis=1)) / 2
        camera = camera._replace(height_m=float(np.clip(camera.height_m * np.exp(over), 1.5, 80)))
    return camera
