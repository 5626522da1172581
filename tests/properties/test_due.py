"""Ticks that are sent only when something is due give the same result as ticks every second."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.core import due
from parking.core.events import Event, TickElapsed
from parking.core.occupancy import step
from parking.core.site import Site
from tests.support.tracking import START_MS, Teller, fold

SECOND_MS = 1_000
PARAMETERS = {"silence_ms": 15_000, "overstay_ms": 70_000, "maximum_stay_ms": 200_000}

happenings = st.tuples(
    st.integers(0, 45),
    st.sampled_from(["frame a", "frame b", "late frame", "entry", "exit", "offline", "online"]),
)


def records_of(drawn) -> list[Event]:
    t = Teller()
    begin: list[Event] = [t.adopt("a", "1"), t.adopt("b", "1", "2"), t.parameters(**PARAMETERS)]
    records: list[Event] = []
    for number, (after_s, what) in enumerate(drawn, start=1):
        t.now_ms += after_s * SECOND_MS + 300
        kind, _, name = what.partition(" ")
        if kind == "frame":
            t.now_ms -= SECOND_MS  # `see` takes it
            records.append(t.see(name, {"1": "o", "2": "f"}))
        elif kind == "late":
            t.now_ms -= 10 * SECOND_MS
            records.append(t.see("a", {"1": "f"}))
            t.now_ms += 9 * SECOND_MS
        elif kind in ("entry", "exit"):
            records.append(t.gate(kind, number))
        else:
            records.append(t.device("a", kind, 1, number))
    return [*begin, *records]


def tick(time_ms: int) -> TickElapsed:
    return TickElapsed(id=f"lot/tick/{time_ms}", site_id="lot", time_ms=time_ms)


def played(records: Sequence[Event], wanted: Callable[[Site, int], bool]) -> list[Event]:
    """Return the output for records at their times, with a tick in each second that `wanted`
    requests, until ten minutes after the last one."""
    site, outputs, ticks = Site(site_id="lot"), [], 0
    waiting = list(records)
    # A late frame comes after what is younger than it.
    moments, now_ms = [], START_MS
    for record in waiting:
        now_ms = max(now_ms, record.time_ms)
        moments.append(now_ms)
    for second_ms in range(START_MS, moments[-1] + 600_000, SECOND_MS):
        while waiting and moments[0] < second_ms:
            moments.pop(0)
            site, made = step(site, waiting.pop(0))
            outputs += made
        if wanted(site, second_ms):
            ticks += 1
            site, made = step(site, tick(second_ms))
            outputs += made
    return outputs


def each_second(site: Site, now_ms: int) -> bool:
    return True


def when_due(site: Site, now_ms: int) -> bool:
    at_ms = due.next_due_ms(site)
    return at_ms is not None and at_ms <= now_ms


@settings(max_examples=300, deadline=None)
@given(st.lists(happenings, max_size=12))
def test_ticks_when_due_tell_what_ticks_each_second_tell(drawn):
    records = records_of(drawn)
    assert played(records, when_due) == played(records, each_second)


def test_negative_control_ticks_each_minute_tell_later():
    records = records_of([(0, "frame a"), (1, "frame a")])
    assert played(records, lambda _, now_ms: now_ms % 60_000 == 0) != played(records, each_second)


def test_nothing_is_due_where_nothing_can_happen():
    assert due.next_due_ms(Site(site_id="lot")) is None
    t = Teller()
    site, _ = fold([t.adopt("a", "1")])
    assert due.next_due_ms(site) is None


def test_a_quiet_site_needs_few_ticks():
    t = Teller()
    site, _ = fold([t.adopt("a", "1"), t.see("a", {"1": "f"})])
    ticks = 0
    for second in range(1, 3_600):
        if when_due(site, t.now_ms + second * SECOND_MS):
            ticks += 1
            site, _ = step(site, tick(t.now_ms + second * SECOND_MS))
    assert ticks <= 4, "its silence, and no more"


@pytest.mark.parametrize("parameters", [{"maximum_stay_ms": 90_000}, {"empty_at_min": 0}])
def test_the_end_of_a_stay_is_due(parameters):
    t = Teller()
    site, _ = fold([t.parameters(**parameters), t.gate("entry", 1), t.tick()])
    for _ in range(100):
        at_ms = due.next_due_ms(site)
        assert at_ms is not None
        site, outputs = step(site, tick(at_ms))
        if outputs:
            break
    assert site.sessions == []
