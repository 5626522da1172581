"""Startup may take as long as the process is working."""

from tools.stack.patience import MOST, WORK_S, Patience


class Process:
    """A process that uses `share` of a processor."""

    def __init__(self, share: float) -> None:
        self.share, self.now_s = share, 0.0

    def patience(self, limit_s: float) -> Patience:
        return Patience(1, limit_s, lambda _: self.share * self.now_s, lambda: self.now_s)


def ends_s(share: float, limit_s: float = 60.0) -> float:
    process = Process(share)
    patience = process.patience(limit_s)
    while not patience.is_over():
        process.now_s += 1.0
    return process.now_s


def test_a_process_that_does_nothing_is_given_up_at_the_limit():
    assert ends_s(0.0) == 60.0


def test_a_process_that_works_gets_more_time_but_not_for_ever():
    assert 60.0 * MOST < ends_s(0.5) <= 60.0 * (MOST + 1)


def test_hardly_any_work_is_no_progress():
    assert ends_s(0.5 * WORK_S / 60.0) == 60.0
