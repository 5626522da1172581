import threading

import pytest

from services.detector.ahead import Ahead


def test_results_come_in_order_and_errors_in_their_turn():
    def half(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    assert list(Ahead().each(half, [0, 2, 4, 6])) == [0, 1, 2, 3]
    assert list(Ahead().each(half, [])) == []
    got: list[int] = []
    with pytest.raises(ValueError, match="5"):
        got.extend(Ahead().each(half, [0, 2, 5, 6]))
    results = Ahead().each(half, [0, 2, 5])
    assert [next(results), next(results)] == [0, 1]


def test_the_next_is_worked_on_while_the_last_is_used():
    begun = [threading.Event() for _ in range(4)]

    def work(number: int) -> int:
        begun[number].set()
        return number

    for number in Ahead().each(work, range(4)):
        if number < 3:
            assert begun[number + 1].wait(10), "nothing runs ahead"
        if number < 2:
            assert not begun[number + 2].is_set(), "more than one runs ahead"


def test_a_single_piece_needs_no_other_thread():
    (name,) = Ahead().each(lambda _: threading.current_thread().name, [0])
    assert name == threading.current_thread().name
