"""A stalled task is reported, and one that waits for others is not."""

from parking.runtime.ops import Health
from parking.runtime.stall import Stall

LIMIT_S = 30.0


class Seconds:
    """A clock in seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_expected_and_does_not_move_fails_until_it_does():
    clock, health = Seconds(), Health()
    stall = Stall(LIMIT_S, clock)
    stall.expect("a", "b")
    clock.now += LIMIT_S + 1
    stall.moved(["b"])
    stall.expect("a", "b")
    stall.report(health)
    assert health.failing == {"a": "no progress for 31 s"}
    stall.moved(["a"])
    stall.expect("a", "b")
    stall.report(health)
    assert health.failing == {}


def test_entries_no_longer_expected_are_forgotten():
    clock, health = Seconds(), Health()
    stall = Stall(LIMIT_S, clock)
    stall.expect("a")
    clock.now += LIMIT_S + 1
    stall.report(health)
    stall.expect()
    stall.report(health)
    assert health.failing == {}
