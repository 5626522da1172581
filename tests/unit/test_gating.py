"""The change gate's rule, on patches made by hand. Whole pictures: tests/contracts/test_gate.py."""

import numpy as np
import pytest
from numpy.typing import NDArray

from parking.gating import (
    PATCH_PX,
    Limits,
    Memory,
    View,
    changed_slots,
    reason_to_search,
    repeated,
    searched,
)

RNG = np.random.default_rng(3)
TARMAC = RNG.normal(90, 4, (3, PATCH_PX, PATCH_PX)).astype(np.float32)
SCENE = RNG.uniform(30, 200, (18, 32)).astype(np.float32)
FREE = ("free",) * 3
SETTLED = Memory(View(TARMAC, SCENE, 1), FREE, agreed=2)


def view(patches: NDArray[np.float32] = TARMAC, scene=SCENE, context: object = 1) -> View:
    return View(patches, scene, context)


def noisy(sigma: float = 1.0, gain: float = 1.0, offset: float = 0.0) -> View:
    """The same scene under another exposure, with a patch pixel's usual noise."""
    patches, scene = (
        (gain * one + offset + RNG.normal(0, sigma, one.shape)).astype(np.float32)
        for one in (TARMAC, SCENE)
    )
    return View(patches, scene, 1)


def with_car(slot: int, rows: slice = slice(3, 9)) -> NDArray[np.float32]:
    patches = TARMAC.copy()
    patches[slot, rows, 2:10] = 30
    return patches


def test_noise_and_exposure_are_no_change():
    for gain in (0.9, 0.95, 1.0, 1.05, 1.1):
        for offset in (-5.0, 0.0, 5.0):
            assert not changed_slots(noisy(1.0, gain, offset), SETTLED.view).any()


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_car_is_a_change_of_its_slot_only(slot):
    assert np.flatnonzero(changed_slots(view(with_car(slot)), SETTLED.view)).tolist() == [slot]


def test_the_corner_of_a_car_is_a_change():
    assert changed_slots(view(with_car(1, slice(8, 12))), SETTLED.view)[1]


def test_a_plain_roof_over_plain_tarmac_is_a_change_though_it_has_no_pattern():
    patches = TARMAC.copy()
    patches[2] += 25
    assert np.flatnonzero(changed_slots(view(patches), SETTLED.view)).tolist() == [2]


def test_all_slots_brighter_with_the_scene_is_light_and_without_it_is_a_change():
    brighter = (TARMAC * 1.3).astype(np.float32)
    assert not changed_slots(view(brighter, (SCENE * 1.3).astype(np.float32)), SETTLED.view).any()
    assert changed_slots(view(brighter), SETTLED.view).all()


def test_slow_changes_add_up_because_the_last_inference_is_compared():
    memory = SETTLED
    for step in range(1, 30):
        now = view((TARMAC + step * (with_car(0) - TARMAC) / 30).astype(np.float32))
        if reason_to_search(now, memory) == "changed":
            return
        memory = repeated(memory)
        memory = Memory(memory.view, memory.states, memory.agreed, 0)
    pytest.fail("a car that fades in was never seen")


def test_why_a_picture_is_searched():
    assert reason_to_search(view(), None) == "first"
    assert reason_to_search(view(context=2), SETTLED) == "context"
    assert reason_to_search(view(TARMAC[:2]), SETTLED) == "context"
    assert reason_to_search(view(), Memory(view(), FREE)) == "unsettled"
    assert reason_to_search(view(with_car(0)), SETTLED) == "changed"
    assert reason_to_search(view(), SETTLED) is None


def test_a_result_is_repeated_a_bounded_number_of_times():
    memory, limits = SETTLED, Limits(refresh_after=3)
    for _ in range(3):
        assert reason_to_search(view(), memory, limits) is None
        memory = repeated(memory)
    assert reason_to_search(view(), memory, limits) == "refresh"
    assert reason_to_search(view(), searched(view(), FREE, memory), limits) is None


def test_a_result_is_repeated_only_once_two_inferences_agree():
    memory = searched(view(), FREE, None)
    assert reason_to_search(view(), memory) == "unsettled"
    memory = searched(view(), ("occupied", "free", "free"), memory)
    assert reason_to_search(view(), memory) == "unsettled"
    memory = searched(view(), ("occupied", "free", "free"), memory)
    assert reason_to_search(view(), memory) is None
    elsewhere = searched(view(context=2), ("occupied", "free", "free"), memory)
    assert reason_to_search(view(context=2), elsewhere) == "unsettled"


def test_a_camera_without_slots_repeats_its_boxes_until_the_refresh():
    nothing = np.empty((0, PATCH_PX, PATCH_PX), np.float32)
    memory = Memory(view(nothing), (), agreed=2)
    assert reason_to_search(view(nothing), memory) is None
