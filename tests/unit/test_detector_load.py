"""What a busy detector leaves out, in which order, and when it resumes. Only the test's clock is
used."""

import pytest

from services.detector.load import PACE, Load


class Machine:
    """Pictures that each take `work_s`, one every `every_s` or as soon as the last one is done."""

    def __init__(self, budget: float = 0.8) -> None:
        self.now_s = 0.0
        self.load = Load(budget, lambda: self.now_s)
        self.levels: list[int] = []

    def run(self, work_s: float, every_s: float, for_s: float) -> int:
        end_s = self.now_s + for_s
        while self.now_s < end_s:
            self.now_s += work_s
            self.load.add_work(work_s)
            self.now_s += max(0.0, every_s - work_s)
            self.levels.append(self.load.level)
        return self.load.level


def test_what_fits_leaves_nothing_out():
    assert Machine().run(work_s=0.3, every_s=0.5, for_s=60) == 0


def test_too_much_gives_way_step_by_step_to_the_last():
    machine = Machine()
    assert machine.run(work_s=1, every_s=1, for_s=30) == PACE
    assert sorted(set(machine.levels)) == [0, 1, 2, 3, 4]
    assert machine.levels == sorted(machine.levels)


def test_room_takes_it_back_step_by_step_and_not_at_once():
    machine = Machine()
    machine.run(1, 1, 30)
    start = len(machine.levels)
    machine.run(0.05, 1, 5)
    assert machine.load.level == PACE
    assert machine.run(0.05, 1, 120) == 0
    assert machine.levels[start:] == sorted(machine.levels[start:], reverse=True)


def test_full_and_not_too_full_changes_nothing():
    machine = Machine(budget=0.8)
    machine.run(1, 1, 5)
    level = machine.run(0.7, 1, 5)
    assert 0 < level < PACE
    assert machine.run(0.7, 1, 300) == level


def test_what_was_taken_back_too_early_waits_longer_the_next_time():
    machine = Machine()
    machine.run(1, 1, 30)
    changes = []
    for _ in range(3):
        start_s = machine.now_s
        while machine.load.level == PACE:
            machine.run(0.3, 1, 1)
        changes.append(machine.now_s - start_s)
        machine.run(1, 1, 10)
        assert machine.load.level == PACE
    assert changes[0] < changes[1] < changes[2]


def test_at_the_last_level_changed_slots_are_judged_within_the_budget():
    machine = Machine(budget=0.5)
    machine.run(1, 1, 30)
    start_s, judged = machine.now_s, 0
    for _ in range(100):
        if machine.load.may_judge("a"):
            judged += 1
            machine.now_s += 0.4
            machine.load.add_work(0.4)
        else:
            machine.now_s += 0.1
            machine.load.add_work(0.1, judged=False)
    assert judged * 0.4 == pytest.approx(0.5 * (machine.now_s - start_s), rel=0.2)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_below_the_last_level_nothing_waits(level):
    machine = Machine()
    machine.load.level = level
    machine.load.add_work(0.5)
    assert machine.load.may_judge("a")


def test_the_camera_that_has_waited_longest_comes_first():
    machine = Machine()
    for camera in ("a", "b", "c"):
        machine.now_s += 1
        machine.load.defer(camera)
    machine.load.defer("a")  # still the same change
    machine.load.settle("b")
    assert sorted(["d", "c", "b", "a"], key=machine.load.order) == ["a", "c", "d", "b"]


def rounds(machine: Machine, cameras: str, for_s: float) -> dict[str, float]:
    """Every camera's scene changes with each picture, one a second, and one of the cameras always
    comes first. Return the longest time between two judgements of each."""
    last, longest = dict.fromkeys(cameras, machine.now_s), dict.fromkeys(cameras, 0.0)
    end_s = machine.now_s + for_s
    while machine.now_s < end_s:
        next_s = machine.now_s + 1
        for camera in cameras:
            judged = machine.load.may_judge(camera)
            if judged:
                machine.load.settle(camera)
                longest[camera] = max(longest[camera], machine.now_s - last[camera])
                last[camera] = machine.now_s
            else:
                machine.load.defer(camera)
            machine.now_s += 0.5 if judged else 0.01
            machine.load.add_work(0.5 if judged else 0.01, judged=judged)
        machine.now_s = max(machine.now_s, next_s)
    return {camera: max(longest[camera], end_s - last[camera]) for camera in cameras}


def test_every_camera_has_its_turn_though_others_always_come_first():
    machine = Machine(budget=0.5)
    machine.run(1, 1, 30)
    fair_s = 6 * 0.5 / 0.5
    assert max(rounds(machine, "abcdef", 300).values()) < 2.5 * fair_s


def test_a_camera_that_never_comes_again_keeps_nobody_from_a_turn():
    machine = Machine(budget=0.5)
    machine.run(1, 1, 30)
    machine.load.defer("gone")
    assert max(rounds(machine, "ab", 300).values()) < 15


def test_a_detector_that_leaves_nothing_out_never_does():
    machine = Machine(budget=float("inf"))
    assert machine.run(5, 1, 100) == 0


def test_a_detector_that_leaves_something_out_is_overloaded_while_it_works():
    machine = Machine()
    machine.run(work_s=0.3, every_s=0.5, for_s=30)
    overloaded = [machine.load.overloaded]
    machine.run(work_s=1, every_s=1, for_s=30)
    overloaded.append(machine.load.overloaded)
    machine.now_s += 11  # no camera sends anything, so the level stays as it was
    overloaded.append(machine.load.overloaded)
    assert machine.load.level == PACE
    assert overloaded == [False, True, False]
