"""Sun, sky and lamps of a moment, as mitsuba emitters. The sky is painted here, so it renders
fast."""

from collections.abc import Sequence
from typing import Any

import cv2
import mitsuba as mi
import numpy as np

from tools.render import props
from tools.render.mesh import Floats
from tools.render.site import Site
from tools.render.story import Car, Light

EXTINCTION = np.array([0.10, 0.17, 0.33])
"""How much of red, green and blue clear air takes from a sun at the zenith."""
SUN_POWER = 3.2
LAMP_POWER = 9.0
LAMP_COLOUR = np.array([1.0, 0.82, 0.55])
BEAM_POWER = 30.0
BEAM_COLOUR = np.array([1.0, 0.95, 0.85])
SKY_SIZE = (96, 192)


def _rgb(colour: Floats) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(v) for v in colour]}


def sunlight(light: Light) -> Floats:
    """Return the sun's power on a surface that faces it, as RGB."""
    if light.overcast or light.sun_elevation_deg <= 0:
        return np.zeros(3)
    elevation = light.sun_elevation_deg
    mass = 1 / (np.sin(np.radians(elevation)) + 0.15 * (elevation + 3.885) ** -1.253)
    power: Floats = SUN_POWER * np.exp(-EXTINCTION * light.turbidity / 3 * mass)
    return power


def direct(light: Light, site: Site, cars: Sequence[Car] = ()) -> dict[str, Any]:
    """Return the sharp lights: the sun, the lamps when they are on, and the cars' headlights."""
    azimuth, elevation = np.radians(light.sun_azimuth_deg), np.radians(light.sun_elevation_deg)
    flat = np.cos(elevation)
    away = [-flat * np.sin(azimuth), -flat * np.cos(azimuth), -np.sin(elevation)]
    content: dict[str, Any] = {}
    power = sunlight(light)
    if power.any():
        content["sun"] = {"type": "directional", "direction": away, "irradiance": _rgb(power)}
    for i, (x, y) in enumerate(site.lamps if light.lamps else ()):
        z = props.LAMP_HEIGHT - 0.05
        at = mi.ScalarTransform4f().look_at([x, y, z], [x, y, 0.0], [0, 1, 0])
        lamp = {"type": "spot", "to_world": at, "cutoff_angle": 75.0, "beam_width": 45.0}
        content[f"lamp{i}"] = lamp | {"intensity": _rgb(LAMP_POWER * LAMP_COLOUR)}
    for car in cars:
        if light.beams and car.lights:
            content |= _beams(car)
    return content


def _beams(car: Car) -> dict[str, Any]:
    """Return both headlights of a car: cones ahead, slightly down."""
    forward = np.array([np.cos(car.heading_rad), np.sin(car.heading_rad)])
    aside = np.array([-forward[1], forward[0]])
    content: dict[str, Any] = {}
    for side in (-1, 1):
        x, y = np.array(car.position) + 2.6 * forward + side * 0.6 * aside
        ahead = np.array([x, y]) + 12 * forward
        at = mi.ScalarTransform4f().look_at([x, y, 0.65], [*ahead.tolist(), 0.1], [0, 0, 1])
        beam = {"type": "spot", "to_world": at, "cutoff_angle": 28.0, "beam_width": 14.0}
        content[f"beam{side}-{car.vehicle}"] = beam | {"intensity": _rgb(BEAM_POWER * BEAM_COLOUR)}
    return content


def sky(light: Light, seed: int) -> dict[str, Any]:
    """Return the surrounding sky: brighter near the horizon and the sun, with thin clouds."""
    rows, columns = SKY_SIZE
    up = np.linspace(1, -1, rows)[:, None] * np.ones(columns)
    height = np.sin(np.clip(up, 0, 1) * np.pi / 2)[..., None] ** 0.5
    day = np.clip(np.sin(np.radians(max(light.sun_elevation_deg, 0))) + 0.06, 0, 1) ** 0.6
    if light.overcast:
        colours, day = ((0.85, 0.87, 0.9), (1.0, 1.0, 1.0)), 0.6
    elif light.sun_elevation_deg < 0:
        colours, day = ((0.05, 0.05, 0.07), (0.02, 0.025, 0.04)), 0.25 * light.sky_glow
    else:
        low = np.clip(light.sun_elevation_deg / 20, 0, 1)
        horizon = np.array([1.0, 0.72, 0.5]) * (1 - low) + np.array([0.8, 0.9, 1.0]) * low
        colours = (tuple(horizon), (0.17, 0.3, 0.58))
    picture = np.array(colours[0]) * (1 - height) + np.array(colours[1]) * height
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(
        rng.normal(0, 1, (8, 12)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    veil = np.clip(clouds, 0, 1)[..., None] * 0.5
    picture = picture * (1 - veil) + veil * np.mean(colours[0]) * np.array([1, 0.97, 0.95])
    below = np.array([0.12, 0.12, 0.11])
    picture = np.where(up[..., None] > 0, picture, below) * day
    turn = mi.ScalarTransform4f().rotate([1, 0, 0], 90)
    bitmap = mi.Bitmap(picture.astype(np.float32))
    return {"sky": {"type": "envmap", "bitmap": bitmap, "scale": 0.55, "to_world": turn}}
