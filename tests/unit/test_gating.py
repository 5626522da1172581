"""The change gate's rule, on patches made by hand. tests/contracts/test_gate.py has whole
pictures."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from parking.vision.gating import PATCH_PX, Limits, Memory, View, changed_slots, due_slots, remember

RNG = np.random.default_rng(3)
TARMAC = RNG.normal(90, 4, (3, PATCH_PX, PATCH_PX)).astype(np.float32)
SCENE = RNG.uniform(30, 200, 96).astype(np.float32)
WHOLE = np.ones_like(TARMAC)
FREE = ("free",) * 3
ALL = np.ones(3, np.bool_)


def view(patches: NDArray[np.float32] = TARMAC, scene=SCENE, context: object = 1) -> View:
    return View(patches, np.ones_like(patches), scene, context)


def judged(times: int = 2, states=FREE) -> Memory:
    memory = None
    for _ in range(times):
        memory = remember(view(), memory, ALL, states)
    assert memory is not None
    return memory


def changed(now: View, then: View) -> list[bool]:
    scenes = np.tile(then.scene, (len(then.patches), 1))
    return [bool(one) for one in changed_slots(now, then.patches, scenes)]


def noisy(sigma: float = 1.0, gain: float = 1.0, offset: float = 0.0) -> View:
    """Return the same scene under another exposure, with the usual noise of a patch's pixels."""
    patches, scene = (
        (gain * one + offset + RNG.normal(0, sigma, one.shape)).astype(np.float32)
        for one in (TARMAC, SCENE)
    )
    return view(patches, scene)


def with_car(slot: int, rows: slice = slice(3, 9)) -> NDArray[np.float32]:
    patches = TARMAC.copy()
    patches[slot, rows, 2:10] = 30
    return patches


def test_noise_and_exposure_are_no_change():
    for gain in (0.9, 0.95, 1.0, 1.05, 1.1):
        for offset in (-5.0, 0.0, 5.0):
            assert not any(changed(noisy(1.0, gain, offset), view()))


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_car_is_a_change_of_its_slot_only(slot):
    assert np.flatnonzero(changed(view(with_car(slot)), view())).tolist() == [slot]


def test_the_corner_of_a_car_is_a_change():
    assert changed(view(with_car(1, slice(8, 12))), view())[1]


def test_a_difference_outside_the_outline_is_not_a_change():
    """A person stands beside the slot. The same patch is a change if the outline reaches there."""
    weights = WHOLE.copy()
    weights[:, :, :4] = 0
    patches = TARMAC.copy()
    patches[1, :, :4] = 20
    beside = View(patches, weights, SCENE, 1)
    assert not any(changed(beside, View(TARMAC, weights, SCENE, 1)))
    assert changed(view(patches), view())[1]


def test_a_plain_roof_over_plain_tarmac_is_a_change_though_it_has_no_pattern():
    patches = TARMAC.copy()
    patches[2] += 25
    assert np.flatnonzero(changed(view(patches), view())).tolist() == [2]


def test_all_slots_brighter_with_the_scene_is_light_and_without_it_is_a_change():
    brighter = (TARMAC * 1.3).astype(np.float32)
    assert not any(changed(view(brighter, (SCENE * 1.3).astype(np.float32)), view()))
    assert all(changed(view(brighter), view()))


def test_slow_changes_add_up_because_the_judged_picture_is_compared():
    memory = judged()
    for step in range(1, 30):
        now = view((TARMAC + step * (with_car(0) - TARMAC) / 30).astype(np.float32))
        due = due_slots(now, memory, Limits(refresh_after=10**6))
        if due.changed.any():
            assert due.changed.tolist() == [True, False, False]
            return
    pytest.fail("a car that fades in was never seen")


def test_why_slots_are_judged():
    everything = due_slots(view(), None)
    assert everything.changed.all()
    assert due_slots(view(context=2), judged()).changed.all()
    assert due_slots(view(TARMAC[:2]), judged()).changed.all()
    once = due_slots(view(), judged(1))
    assert not once.changed.any()
    assert once.unsettled.all()
    assert due_slots(view(with_car(0)), judged()).any.tolist() == [True, False, False]
    assert not due_slots(view(), judged()).any.any()


def test_each_slot_is_compared_with_the_frame_on_which_it_was_judged():
    memory = judged()
    car = view(with_car(0))
    only_first = np.array([True, False, False])
    memory = remember(car, memory, only_first, ("occupied", "free", "free"))
    assert due_slots(car, memory).any.tolist() == [True, False, False]  # judged once so far
    assert not due_slots(car, memory).changed.any()
    memory = remember(car, memory, only_first, ("occupied", "free", "free"))
    assert not due_slots(car, memory).any.any()
    assert due_slots(view(), memory).changed.tolist() == [True, False, False]


def test_a_slot_that_does_not_change_is_refreshed_and_not_all_at_once():
    memory, limits = judged(), Limits(refresh_after=3)
    due = []
    for _ in range(8):
        due.append(due_slots(view(), memory, limits).refresh.tolist())
        memory = replace(memory, repeats=memory.repeats + 1)
    assert [row.index(True) if any(row) else None for row in zip(*due, strict=True)] == [3, 4, 5]
    again = remember(view(), memory, ALL, FREE)
    assert not due_slots(view(), again, limits).any.any()


def test_a_judgement_is_repeated_only_once_two_in_a_row_agree():
    memory = judged(1)
    memory = remember(view(), memory, ALL, ("occupied", "free", "free"))
    assert due_slots(view(), memory).unsettled.tolist() == [True, False, False]
    memory = remember(view(), memory, ALL, ("occupied", "free", "free"))
    assert not due_slots(view(), memory).any.any()
    elsewhere = remember(view(context=2), memory, ALL, FREE)
    assert due_slots(view(context=2), elsewhere).unsettled.all()


def test_no_slots_are_never_due():
    nothing = view(np.empty((0, PATCH_PX, PATCH_PX), np.float32))
    memory = remember(nothing, None, np.zeros(0, np.bool_), ())
    assert not due_slots(nothing, memory).any.any()


def test_a_slot_of_which_nobody_knew_is_judged_again_soon_and_not_only_confirmed():
    memory, limits = judged(2, ("unknown", "free", "free")), Limits(unknown_after=2)
    due = []
    for _ in range(3):
        now = due_slots(view(), memory, limits)
        due.append(now.unsettled.tolist())
        assert not now.confirm[0]
        memory = replace(memory, repeats=memory.repeats + 1)
    assert [row[0] for row in due] == [False, False, True]
    assert not any(row[1] or row[2] for row in due)


def test_that_it_looks_the_same_is_enough_but_not_each_time():
    memory, confirms = judged(1), []
    for _ in range(8):
        confirms.append(bool(due_slots(view(), memory).confirm[0]))
        memory = remember(view(), memory, ALL, FREE)
    assert 0 < confirms.count(False) < confirms.count(True)


def test_a_changed_patch_may_be_a_shadow_but_not_each_time_nor_before_two_agreed():
    other = view(with_car(0))
    confirms = [bool(due_slots(other, judged(times)).confirm[0]) for times in range(1, 33)]
    assert confirms[0] is False
    assert 0 < confirms[1:].count(False) < confirms.count(True) / 8
