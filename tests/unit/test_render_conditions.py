"""Rendered night, wet ground, snow and drops on the lens: what changes, and what must not."""

import numpy as np

from tools.render.conditions import CONDITIONS, under
from tools.render.ground import paint_ground
from tools.render.site import Site, random_site, row
from tools.render.story import random_moment
from tools.render.weather import drops_on_lens, snow_ground, wet_ground

LOT = 330_000
SITE = random_site(LOT)
PLAIN = random_moment(SITE, LOT)
FREE = [s.slot_id for s in SITE.slots if s.slot_id not in {car.slot_id for car in PLAIN.cars}]


SMALL = Site(slots=tuple(row("A", (0.0, 0.0), 2, (0.0, 0.0))), cameras=(), extent=(-3, -3, 9, 9))


def moment(name):
    return under(name, PLAIN, FREE, LOT)


def test_every_condition_shows_the_same_cars_in_the_same_places():
    places = [(car.vehicle, car.position, car.slot_id) for car in PLAIN.cars]
    for name in CONDITIONS:
        seen = moment(name)
        assert [(car.vehicle, car.position, car.slot_id) for car in seen.cars] == places
        assert seen.weather == name
        assert seen == moment(name)


def test_at_night_the_sun_is_down_and_only_then_the_headlights_shine():
    for name in CONDITIONS:
        seen = moment(name)
        night = name.startswith("night")
        assert (seen.light.sun_elevation_deg < 0) == night, name
        assert night or not any(car.lights for car in seen.cars), name
    unlit = moment("night, headlights only")
    assert not unlit.light.lamps
    assert all(car.lights for car in unlit.cars if car.slot_id is None)
    assert moment("night, lamps").light.lamps
    assert not moment("night, lamps").light.beams


def test_snow_lies_on_parked_cars_and_not_where_one_has_just_left():
    seen = moment("day, snow")
    assert any(car.snowed for car in seen.cars)
    assert not any(car.snowed for car in seen.cars if car.slot_id is None)
    assert seen.surface.bare
    assert seen.surface.bare <= set(FREE)
    assert moment("day, wet ground").surface.bare == frozenset()


def mean_at(ground, slot):
    """Return the ground's mean brightness in the middle of a slot."""
    x0, y0, x1, y1 = SMALL.extent
    x, y = (slot.centre - (x0, y0)) / (x1 - x0, y1 - y0) * (ground.shape[1], ground.shape[0])
    return float(ground[round(y) - 15 : round(y) + 15, round(x) - 15 : round(x) + 15].mean())


def test_snow_hides_the_ground_but_in_bare_slots():
    dry = paint_ground(SMALL)
    bare, covered = SMALL.slots
    snowed = snow_ground(dry, SMALL, frozenset({bare.slot_id}), np.random.default_rng(1))
    assert mean_at(snowed, covered) > 0.45
    assert mean_at(snowed, bare) < mean_at(dry, bare) + 0.1


def test_wet_ground_is_darker_and_its_puddles_are_smooth():
    dry = paint_ground(SMALL)
    colour, roughness = wet_ground(dry, np.random.default_rng(1))
    assert colour.mean() < 0.6 * dry.mean()
    assert roughness.shape == dry.shape[:2]
    assert roughness.min() < 0.1 < 0.3 < roughness.max()


def test_drops_change_parts_of_the_picture_only():
    rng = np.random.default_rng(2)
    clear = rng.integers(0, 255, (320, 480, 3)).astype(np.uint8)
    wet = drops_on_lens(clear, np.random.default_rng(3))
    changed = np.abs(wet.astype(int) - clear).max(axis=2) > 4
    assert wet.shape == clear.shape
    assert 0.02 < changed.mean() < 0.9
    assert (wet == drops_on_lens(clear, np.random.default_rng(3))).all()
