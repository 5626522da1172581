"""The window of used numbers: nothing is accepted twice, and nothing genuine is refused."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.replay import WINDOW, Number, Used


def frame(seq: int, boot_id: int = 7, captured_at_ms: int = 0, sender: str = "demo/cam") -> Number:
    return Number(sender, boot_id, seq, captured_at_ms)


def used(*numbers: Number) -> Used:
    made = Used()
    for number in numbers:
        made.add(number)
    return made


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(0, 3000))
def test_a_number_counts_as_used_when_it_was_or_is_far_behind(seqs: list[int], asked: int) -> None:
    made = Used()
    taken: list[int] = []
    for seq in seqs:
        if frame(seq) not in made:
            made.add(frame(seq))
            taken.append(seq)
    behind = max(taken) - asked if taken else -1
    assert (frame(asked) in made) == (asked in taken or behind >= WINDOW)
    assert len(taken) == len(set(taken))


def test_a_later_boot_starts_over_and_an_earlier_ones_messages_are_old() -> None:
    made = used(frame(5, 7, 1000), frame(1, 8, 2000))
    assert frame(5, 9) not in made
    assert frame(5, 7, 1000) in made
    assert frame(6, 7, 1999) in made


def test_a_device_flashed_again_is_heard() -> None:
    made = used(frame(500, 900, 1000))
    fresh = frame(1, 1, 2000)
    assert fresh not in made
    made.add(fresh)
    assert fresh in made
    assert frame(500, 900, 1000) not in made  # a higher boot: as if it had started again
    assert frame(1, 1) in made
    assert frame(1, 0) not in made  # without a clock nothing shows that it is old


def test_senders_are_apart_and_bounded() -> None:
    made = Used(max_senders=2)
    made.add(frame(1, sender="a"))
    assert frame(1, sender="b") not in made
    for sender in ("b", "c"):
        made.add(frame(1, sender=sender))
    assert frame(1, sender="a") not in made
    assert frame(1, sender="c") in made


def test_what_was_not_taken_after_all_may_come_again_and_nothing_else_may() -> None:
    made = used(*(frame(seq) for seq in range(1, 6)))
    made.forget(frame(3))
    assert [seq for seq in range(1, 7) if frame(seq) not in made] == [3, 6]
    for other in (frame(4, boot_id=6), frame(9), frame(4, sender="x"), frame(5 - WINDOW)):
        made.forget(other)
    assert [seq for seq in range(1, 6) if frame(seq) not in made] == [3]
