"""One photograph: direct light and sky rendered separately, denoised with the known surfaces.

The light on a surface is smooth even where the picture of the surface is not. So dividing by the
surface's own colour before filtering keeps lines, leaves and number plates sharp with only a few
samples per pixel.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from tools.render import lights
from tools.render.scene import Stage, owner_of, sensor
from tools.render.site import Camera
from tools.render.story import Moment

Floats32 = NDArray[np.float32]
DARKEST = 0.06
"""The smallest colour value to divide by, because what a dark surface shows is a reflection and not
its colour."""


@dataclass(frozen=True)
class Shot:
    """One rendered view: linear light `[H, W, 3]`, and who is visible where."""

    light: Floats32
    owner: NDArray[np.int32]
    """Index into `names` for each pixel; -1 for everything that is not in `names`."""
    names: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """Size and effort of a picture."""

    size_wh: tuple[int, int]
    spp: int
    seed: int


class Photographer:
    """Takes several cameras' pictures of one moment."""

    def __init__(self, stage: Stage, moment: Moment, seed: int) -> None:
        """Build the moment's scene twice: under the sharp lights, and under the sky."""
        sharp = lights.direct(moment.light, stage.site, moment.cars)
        self._beams = moment.light.beams
        self._lamps = moment.light.lamps or self._beams
        self._sharp = stage.scene(moment, sharp) if sharp else None
        self._soft = stage.scene(moment, lights.sky(moment.light, seed))

    def shoot(self, camera: Camera, quality: Quality) -> Shot:
        """Render one view and find which vehicle or person each pixel belongs to."""
        path = {"type": "path", "max_depth": 3}
        soft = _render(self._soft, path, sensor(camera, quality.size_wh), quality)
        guides = _render(
            self._soft,
            {"type": "aov", "aovs": "colour:albedo,way:sh_normal"},
            sensor(camera, quality.size_wh),
            Quality(quality.size_wh, 4, quality.seed),
        )
        colour, way = np.clip(guides[..., -6:-3], DARKEST, 1), guides[..., -3:]
        guide = np.concatenate([colour * 2, way], axis=-1)
        light = smooth(soft / colour, guide) * colour
        if self._sharp:
            few = Quality(quality.size_wh, max(quality.spp // 2, 4), quality.seed)
            # With few samples, light that a headlight throws back leaves bright speckles.
            once = path | {"max_depth": 2} if self._beams else path
            direct = _render(self._sharp, once, sensor(camera, quality.size_wh), few)
            light += smooth(direct / colour, guide, 2) * colour if self._lamps else direct
        who = _render(
            self._soft,
            {"type": "aov", "aovs": "who:shape_index"},
            sensor(camera, quality.size_wh, "box"),
            Quality(quality.size_wh, 1, quality.seed),
        )
        owner, names = self._owners(who[..., -1])
        return Shot(light, owner, names)

    def _owners(self, who: Floats32) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Turn shape numbers (from 1; 0 is the sky) into vehicles and people."""
        owners = {
            _number(shape, place): owner_of(shape.id())
            for place, shape in enumerate(self._soft.shapes(), start=1)
        }
        names = tuple(sorted({owner for owner in owners.values() if owner}))
        table = np.full(max(owners) + 1, -1, dtype=np.int32)
        for number, owner in owners.items():
            table[number] = names.index(owner) if owner else -1
        return table[np.clip(np.round(who).astype(int), 0, max(owners))], names


def _number(shape: mi.Shape, place: int) -> int:
    """Return what `shape_index` writes for a shape: its position in the scene, counted from 1 or,
    in the compiled variants, its number in their registry."""
    if mi.variant().startswith("scalar"):
        return place
    return int(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape))[0])


def _render(scene: mi.Scene, integrator: dict[str, Any], view: mi.Sensor, how: Quality) -> Floats32:
    """Return all channels of one rendering."""
    tracer = mi.load_dict(integrator)
    result = mi.render(scene, sensor=view, integrator=tracer, spp=how.spp, seed=how.seed)
    return np.array(result, dtype=np.float32)


def smooth(picture: Floats32, guide: Floats32, rounds: int = 4) -> Floats32:
    """Average over ever wider neighbourhoods of similar guide values (an edge-avoiding wavelet
    filter)."""
    picture = np.minimum(picture, np.percentile(picture, 99.8))
    for turn in range(rounds):
        step = 2**turn
        total, weights = picture.copy(), np.ones(picture.shape[:2], np.float32)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            move = np.array([[1, 0, dx * step], [0, 1, dy * step]], np.float32)
            beside, hint = _moved(picture, move), _moved(guide, move)
            weight = np.exp(-12 * ((hint - guide) ** 2).sum(axis=-1)).astype(np.float32)
            weight *= 0.75 if dx * dy == 0 else 0.55
            total += beside * weight[..., None]
            weights += weight
        picture = total / weights[..., None]
    return picture


def _moved(picture: Floats32, move: Floats32) -> Floats32:
    """Return the picture moved by whole pixels, with its edge repeated."""
    dx, dy = int(move[0, 2]), int(move[1, 2])
    pad = ((max(dy, 0), max(-dy, 0)), (max(dx, 0), max(-dx, 0)), (0, 0))
    height, width = picture.shape[:2]
    padded = np.pad(picture, pad, mode="edge")
    return padded[max(-dy, 0) :, max(-dx, 0) :][:height, :width]


def develop(
    light: Floats32, brightness: float, rng: np.random.Generator, noise: float = 0.0
) -> NDArray[np.uint8]:
    """Turn linear light into a camera's 8-bit BGR picture: exposure, film curve, lens, noise.
    `noise` is added to the usual one, in grey levels."""
    luminance = light.mean(axis=-1)
    usual = np.exp(np.log(np.clip(luminance, 1e-4, None)).mean())
    exposed = light * (0.24 * brightness / usual)
    curve = exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14)
    height, width = luminance.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shown = np.clip(curve, 0, 1) * (1 - 0.14 * (x * x + y * y) / 2)[..., None]
    picture = 255 * shown ** (1 / 2.2)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.55)
    picture += rng.normal(0, 1.2 + 2.2 * (1 - brightness) + noise, picture.shape)
    return np.ascontiguousarray(np.clip(picture[..., ::-1], 0, 255), np.uint8)


def cover(size_wh: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return what a camera sees with a cloth over its lens: dim and brown, without detail."""
    width, height = size_wh
    folds = cv2.resize(
        rng.normal(0, 1, (4, 6)).astype(np.float32), size_wh, interpolation=cv2.INTER_CUBIC
    )
    weave = rng.normal(0, 1.5, (height, width, 1))
    picture = np.array([30.0, 38, 46]) * (1 + 0.12 * folds[..., None]) + weave
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
