"""The conditions that random lots are rendered under: night, wet ground, snow, drops on the lens.
Seeded and pure."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from tools.render.story import Car, Light, Moment, Surface

Sky = Literal["day", "lamps", "unlit"]


@dataclass(frozen=True)
class Condition:
    """What differs from a dry day. `headlights`: the driving and a few parked cars have their
    lights on."""

    sky: Sky = "day"
    headlights: bool = False
    ground: Literal["dry", "wet", "snow"] = "dry"
    drops: bool = False


CONDITIONS: Final[dict[str, Condition]] = {
    "day": Condition(),
    "day, wet ground": Condition(ground="wet"),
    "day, snow": Condition(ground="snow"),
    "day, drops on the lens": Condition(ground="wet", drops=True),
    "night, lamps": Condition("lamps"),
    "night, headlights only": Condition("unlit", headlights=True),
    "night, lamps and headlights": Condition("lamps", headlights=True),
    "night, wet ground": Condition("lamps", headlights=True, ground="wet"),
    "night, snow": Condition("lamps", headlights=True, ground="snow"),
    "night, drops on the lens": Condition("lamps", headlights=True, ground="wet", drops=True),
}
_LIT_SHARE: Final = 0.12
"""Share of the parked cars with their lights on, where headlights are on at all."""
_SNOWED_SHARE: Final = 0.7
"""Share of the parked cars that stand there since before it snowed."""
_BARE_SHARE: Final = 0.3
"""Share of the free slots in which a car stood while it snowed."""


def under(name: str, moment: Moment, free: list[str], seed: int) -> Moment:
    """Return the moment under a condition of `CONDITIONS`. `free` are the ids of its free slots.
    The same seed gives the same lights and the same snow under each condition."""
    condition = CONDITIONS[name]
    rng = np.random.default_rng([seed, 2])
    azimuth, elevation, dimmed = rng.uniform((0, 15, 0.35), (360, 60, 0.75)).tolist()
    lit = rng.random(len(moment.cars)) < _LIT_SHARE
    snowed = rng.random(len(moment.cars)) < _SNOWED_SHARE
    bare = frozenset(slot for slot in free if rng.random() < _BARE_SHARE)
    cars = tuple(
        _dressed(car, condition, bool(lit[i]), bool(snowed[i])) for i, car in enumerate(moment.cars)
    )
    surface = Surface(condition.ground, bare if condition.ground == "snow" else frozenset())
    light = _light(condition, azimuth, elevation, dimmed)
    return replace(
        moment, cars=cars, light=light, surface=surface, drops=condition.drops, weather=name
    )


def _dressed(car: Car, condition: Condition, lit: bool, snowed: bool) -> Car:
    parked = car.slot_id is not None
    return replace(
        car,
        lights=condition.headlights and (lit or not parked),
        snowed=condition.ground == "snow" and parked and snowed,
    )


def _light(condition: Condition, azimuth: float, elevation: float, dimmed: float) -> Light:
    if condition.sky == "day":
        if condition.ground == "dry":
            return Light(elevation, azimuth)
        return Light(45, azimuth, overcast=True, brightness=0.6 + 0.4 * dimmed)
    lamps = condition.sky == "lamps"
    return Light(
        -10,
        azimuth,
        lamps=lamps,
        brightness=dimmed if lamps else 0.6 * dimmed,
        beams=condition.headlights,
        sky_glow=0.15,
        noise=3.0 if lamps else 7.0,
    )
