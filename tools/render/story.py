"""What happens on a lot: cars come and go, people walk, the sun sinks. Seeded and pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from tools.render.cars import SHAPES
from tools.render.site import Site, Slot

START = datetime(2026, 6, 12, 16, 30)  # noqa: DTZ001 -- the local time of a place that is not
STEP = timedelta(minutes=3)
COVERED = range(36, 44)
"""Frames on which the camera `south` is covered."""
HOLD = 4
"""The minimum number of frames between two changes of a slot, because the tracker needs two
observations of each state."""
LANES_Y = (6.9, 10.1)
"""Where arriving (eastbound) and leaving (westbound) cars drive, metres."""

COLOURS = {
    "white": (0.75, 0.75, 0.73), "silver": (0.5, 0.51, 0.52), "grey": (0.16, 0.17, 0.18),
    "black": (0.018, 0.018, 0.02), "blue": (0.03, 0.08, 0.3), "navy": (0.015, 0.03, 0.09),
    "red": (0.45, 0.02, 0.02), "green": (0.03, 0.12, 0.07), "beige": (0.5, 0.42, 0.3),
    "orange": (0.6, 0.2, 0.03), "yellow": (0.7, 0.5, 0.05), "brown": (0.14, 0.07, 0.04),
}  # fmt: skip
COLOUR_WEIGHTS = (24, 17, 14, 12, 8, 6, 8, 3, 3, 2, 1, 2)


@dataclass(frozen=True)
class Car:
    """A car at one moment; `slot_id` is None while it drives."""

    vehicle: str
    kind: str
    colour: tuple[float, float, float]
    position: tuple[float, float]
    heading_rad: float
    slot_id: str | None = None
    lights: bool = False
    snowed: bool = False
    """Snow lies on it."""


@dataclass(frozen=True)
class Person:
    """Somebody on foot at one moment."""

    position: tuple[float, float]
    heading_rad: float
    clothes: tuple[tuple[float, float, float], tuple[float, float, float]]
    stride: float


@dataclass(frozen=True)
class Light:
    """The light of one moment."""

    sun_elevation_deg: float
    sun_azimuth_deg: float
    turbidity: float = 3.0
    overcast: bool = False
    lamps: bool = False
    brightness: float = 1.0
    """How bright the camera shows it, because a camera does not make dusk look like noon."""
    beams: bool = False
    """The headlights that are on light up what is in front of them."""
    sky_glow: float = 1.0
    """How bright the night sky is, relative to a bright town's."""
    noise: float = 0.0
    """Added noise of the sensor, in grey levels."""


@dataclass(frozen=True)
class Surface:
    """The ground's condition. In the slots `bare`, a car stood while it snowed."""

    kind: Literal["dry", "wet", "snow"] = "dry"
    bare: frozenset[str] = frozenset()


DRY = Surface()


@dataclass(frozen=True)
class Moment:
    """One instant of a lot: what the renderer needs."""

    time: datetime
    cars: tuple[Car, ...]
    people: tuple[Person, ...]
    light: Light
    covered: frozenset[str] = frozenset()
    surface: Surface = DRY
    drops: bool = False
    """There are drops on the lens."""
    weather: str = ""
    """What the annotations call it; "" derives that from the light."""


@dataclass(frozen=True)
class GateEvent:
    """A car passes the gate."""

    time: datetime
    direction: str
    vehicle: str
    slot_id: str


def random_car(rng: np.random.Generator, name: str) -> Car:
    """Return a car of random kind and colour, not placed yet."""
    kinds = list(SHAPES)
    kind = str(rng.choice(kinds, p=np.array([26, 24, 14, 22, 8, 6]) / 100))
    weights = np.array(COLOUR_WEIGHTS) / sum(COLOUR_WEIGHTS)
    colour = np.array(list(COLOURS.values())[rng.choice(len(COLOURS), p=weights)])
    colour = np.clip(colour * rng.uniform(0.8, 1.2, 3) ** 0.5, 0, 0.8)
    return Car(name, kind, (colour[0], colour[1], colour[2]), (0.0, 0.0), 0.0)


def park(rng: np.random.Generator, car: Car, slot: Slot, slack: float = 1.0) -> Car:
    """Return the car in the slot, not quite straight, either nose in or backed in."""
    x, y = slot.centre + rng.normal(0, (0.08, 0.16), 2) * slack
    heading = slot.heading_rad + rng.normal(0, 0.022) * slack + np.pi * (rng.random() < 0.25)
    return replace(car, position=(x, y), heading_rad=float(heading), slot_id=slot.slot_id)


class DemoStory:
    """The demo site's afternoon, frame by frame."""

    def __init__(self, site: Site, frames: int, seed: int) -> None:
        """Plan the whole afternoon."""
        self._site, self._frames = site, frames
        self._rng = np.random.default_rng(seed)
        self._slots = {slot.slot_id: slot for slot in site.slots}
        self._born = 0
        self._parked: dict[str, Car] = {}
        self._changed: dict[str, int] = {}
        self.gate: list[GateEvent] = []
        for slot_id in self._rng.permutation(list(self._slots))[:15]:
            self._parked[str(slot_id)] = park(self._rng, self._new_car(), self._slots[slot_id])
        self.moments = self._plan()

    def _new_car(self) -> Car:
        self._born += 1
        return random_car(self._rng, f"car-{self._born:02d}")

    def _plan(self) -> list[Moment]:
        """Return all moments. An arriving car is visible driving on the frame before it is
        parked."""
        moments = []
        arriving: tuple[Car, Slot] | None = None
        walkers = self._walkers()
        for index in range(self._frames):
            driving = []
            if arriving:
                car, slot = arriving
                self._parked[slot.slot_id] = park(self._rng, car, slot)
                self._changed[slot.slot_id] = index
                arriving = None
            turn = index % 5
            if index >= 4 and turn in (1, 3):
                leaver = self._leave(index)
                driving += [leaver] if leaver else []
            if index >= 4 and turn in (0, 2, 3) and len(self._parked) < len(self._slots) - 3:
                arriving = self._arrive(index)
                driving += [arriving[0]] if arriving else []
            light = self._light(index)
            cars = (*self._parked.values(), *(replace(c, lights=light.lamps) for c in driving))
            covered = frozenset({"south"} if index in COVERED else ())
            moments.append(Moment(START + index * STEP, cars, walkers[index], light, covered))
        return moments

    def _arrive(self, index: int) -> tuple[Car, Slot] | None:
        """Let a car drive in the aisle towards a free slot."""
        free = [
            slot for slot_id, slot in self._slots.items()
            if slot_id not in self._parked and index + 1 - self._changed.get(slot_id, -9) >= HOLD
        ]  # fmt: skip
        if not free:
            return None
        slot = free[self._rng.integers(len(free))]
        x = slot.centre[0] - self._rng.uniform(3.0, 6.0)
        car = replace(self._new_car(), position=(float(x), LANES_Y[0]), heading_rad=0.0)
        time = START + index * STEP - timedelta(seconds=int(self._rng.integers(8, 30)))
        self.gate.append(GateEvent(time, "entry", car.vehicle, slot.slot_id))
        return car, slot

    def _leave(self, index: int) -> Car | None:
        """Let a car that has been parked long enough drive towards the exit."""
        ready = [s for s in self._parked if index - self._changed.get(s, -9) >= 2 * HOLD]
        if not ready or len(self._parked) < 9:
            return None
        slot_id = ready[self._rng.integers(len(ready))]
        car = self._parked.pop(slot_id)
        self._changed[slot_id] = index
        x = max(self._slots[slot_id].centre[0] - self._rng.uniform(4.0, 8.0), -4.0)
        time = START + index * STEP + timedelta(seconds=int(self._rng.integers(8, 40)))
        self.gate.append(GateEvent(time, "exit", car.vehicle, slot_id))
        return replace(car, position=(x, LANES_Y[1]), heading_rad=np.pi, slot_id=None)

    def _light(self, index: int) -> Light:
        """Return the sinking sun. The lamps go on before it sets."""
        done = index / max(self._frames - 1, 1)
        elevation = 44 * (1 - done) ** 1.15 + 1.2
        brightness = 0.55 + 0.45 * min(1.0, elevation / 18)
        return Light(elevation, 230 + 65 * done, 3.0 + 2 * done, False, elevation < 7, brightness)

    def _walkers(self) -> list[tuple[Person, ...]]:
        """Return who is on foot on each frame: along the slots' ends and the pavements."""
        present: list[list[Person]] = [[] for _ in range(self._frames)]
        for start in range(-3, self._frames, 2):
            y = float(self._rng.choice([5.7, 11.4, -1.6, 18.6]))
            x, step = self._rng.uniform(0, 34), self._rng.choice([-1, 1]) * self._rng.uniform(2, 4)
            for n in range(int(self._rng.integers(3, 6))):
                if 0 <= start + n < self._frames:
                    person = random_person(self._rng, (x + step * n, y), 0 if step > 0 else np.pi)
                    present[start + n].append(person)
        return [tuple(people) for people in present]


def random_person(rng: np.random.Generator, at: tuple[float, float], heading: float) -> Person:
    """Return somebody in random clothes."""
    top, legs = rng.uniform(0.03, 0.6, 3), rng.uniform(0.02, 0.2) * np.array([1, 1, 1.3])
    clothes = ((top[0], top[1], top[2]), (legs[0], legs[1], legs[2]))
    return Person(at, heading, clothes, float(rng.uniform(0.1, 0.35)))


def random_moment(site: Site, seed: int) -> Moment:
    """Return one moment of a random lot, for training only."""
    rng = np.random.default_rng([seed, 1])
    share = rng.uniform(0.25, 0.95)
    cars = [
        park(rng, random_car(rng, f"car-{i}"), slot, slack=2.0)
        for i, slot in enumerate(site.slots)
        if rng.random() < share
    ]
    edge = np.max([slot.plan.max(axis=0) for slot in site.slots], axis=0)
    for i in range(int(rng.integers(0, 4))):
        x, heading = rng.uniform(0, edge[0]), float(rng.choice([0, np.pi])) + rng.normal(0, 0.1)
        y = float(rng.choice([5 + AISLE_MIDDLE, -4.0]))
        cars.append(replace(random_car(rng, f"drive-{i}"), position=(x, y), heading_rad=heading))
    places = rng.uniform((0, -3), (edge[0], edge[1] + 3), (int(rng.integers(0, 6)), 2))
    people = [random_person(rng, (x, y), rng.uniform(0, 6.28)) for x, y in places]
    return Moment(START, tuple(cars), tuple(people), _random_light(rng))


AISLE_MIDDLE = 3.5


def _random_light(rng: np.random.Generator) -> Light:
    """Return sun, clouds, dusk or night."""
    azimuth = rng.uniform(0, 360)
    kind = rng.choice(["sun", "overcast", "dusk", "night"], p=[0.45, 0.25, 0.15, 0.15])
    if kind == "sun":
        return Light(rng.uniform(12, 70), azimuth, rng.uniform(2, 6))
    if kind == "overcast":
        return Light(45, azimuth, overcast=True, brightness=rng.uniform(0.7, 1))
    if kind == "dusk":
        return Light(rng.uniform(1, 8), azimuth, 4.0, lamps=True, brightness=rng.uniform(0.4, 0.9))
    return Light(-10, azimuth, lamps=True, brightness=rng.uniform(0.3, 0.8))
