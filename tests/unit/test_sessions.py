"""Sessions: opened, closed, overstayed, corrected, and never fewer than zero."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import GateEventReceived
from parking.core.gatenumbers import GATE_MEMORY, ID_MEMORY, RUN_MEMORY
from parking.core.occupancy import step
from parking.core.sessions import OPEN_LIMIT
from parking.core.site import Device, Site
from tests.support.tracking import Teller, fold, sessions


def reports_of(outputs) -> list[tuple[str, str | None]]:
    return [(o.kind, o.reason) for o in sessions(outputs)]


def test_an_exit_closes_the_oldest_and_tells_how_long_it_stayed():
    t = Teller()
    first, second = t.gate("entry", 1), t.gate("entry", 2)
    leave = t.pass_ms(5_000).gate("exit", 3)
    site, outputs = fold([first, second, leave])
    closed = sessions(outputs)[-1]
    assert (closed.kind, closed.session_id) == ("closed", first.id)
    assert closed.dwell_ms == leave.time_ms - first.time_ms
    assert [s.session_id for s in site.sessions] == [second.id]


def test_a_plate_finds_its_own_session():
    t = Teller()
    records = [t.gate("entry", 1), t.gate("entry", 2, plate="p"), t.gate("exit", 3, plate="p")]
    _, outputs = fold(records)
    last = sessions(outputs)[-1]
    assert (last.session_id, last.reason) == (records[1].id, "plate")


def test_a_strange_plate_leaves_other_plates_alone_while_it_can():
    t = Teller()
    records = [t.gate("entry", 1, plate="p"), t.gate("entry", 2), t.gate("exit", 3, plate="q")]
    assert sessions(fold(records)[1])[-1].session_id == records[1].id


def test_the_same_plate_again_corrects_the_session_whose_exit_was_missed():
    t = Teller()
    records = [t.gate("entry", 1, plate="p"), t.gate("entry", 2, plate="p")]
    site, outputs = fold(records)
    assert reports_of(outputs) == [
        ("opened", None),
        ("corrected", "entered-again"),
        ("opened", None),
    ]
    assert [s.session_id for s in site.sessions] == [records[1].id]


def test_an_exit_without_an_entry_is_corrected_and_counts_nothing():
    t = Teller()
    site, outputs = fold([t.gate("exit", 1)])
    assert reports_of(outputs) == [("corrected", "exit-without-entry")]
    assert site.sessions == []


def test_overstay_is_reported_once():
    t = Teller()
    records = [t.parameters(overstay_ms=60_000), t.gate("entry", 1), t.tick(60_000)]
    records += [t.tick(1), t.tick(1_000)]
    _, outputs = fold(records)
    assert reports_of(outputs) == [("opened", None), ("overstay", None)]


def test_a_doubled_event_does_nothing_also_from_the_api():
    t = Teller()
    once = [t.gate("entry", 1), t.gate_by_api("entry", "k"), t.gate("exit", 2)]
    site, _ = fold(once)
    for event in once:
        assert step(site, event)[0] is site


def test_an_idempotency_key_is_known_for_so_many_events_and_no_longer():
    t = Teller()
    first = t.gate_by_api("entry", "first")
    later = [t.gate_by_api("entry", str(n)) for n in range(ID_MEMORY)]
    known, _ = fold([first, *later[:-1]])
    assert step(known, first)[0] is known
    forgotten, _ = step(known, later[-1])
    assert step(forgotten, first)[0] is not forgotten


def full(t: Teller, boot_id: int = 1) -> list[GateEventReceived]:
    """Return one event more than the site remembers. Sequence numbers below those remembered count
    as low."""
    return [t.gate("entry", seq, boot_id) for seq in range(1, GATE_MEMORY + 2)]


def test_a_copy_is_recognised_after_any_number_of_events():
    t = Teller()
    events = full(t)
    site, _ = fold(events)
    assert step(site, events[0])[0] is site


def test_forgotten_passages_are_not_counted_and_an_operator_is_informed():
    t = Teller()
    events = [t.gate("entry", 2 * number + 1) for number in range(RUN_MEMORY + 1)]
    site, _ = fold(events)
    with pytest.raises(Invalid, match="gate-1 repeated gate event 1/1"):
        step(site, events[0])


# ---------------------------------------------------------------- a device flashed again
@pytest.mark.parametrize(("after_ms", "time_source"), [(61_000, "device"), (3_601_000, "receipt")])
def test_lower_numbers_far_later_are_those_of_a_new_counter(after_ms, time_source):
    t = Teller()
    site, old = fold(full(t, boot_id=9))
    t.pass_ms(after_ms)
    events = [t.gate("entry", seq, 1, time_source=time_source) for seq in (1, 2)]
    new = []
    for event in [*events, *events]:  # copies of the new ones are copies
        site, outputs = step(site, event)
        new += sessions(outputs)
    assert [o.kind for o in new] == ["opened", "opened"]
    assert site.devices["lot/gate-1"].restarts == 1
    assert not {o.session_id for o in new} & {o.session_id for o in sessions(old)}


def test_the_same_numbers_far_later_by_the_devices_clock_have_ids_of_their_own():
    t = Teller()
    site, old = fold([t.gate("entry", 1)])
    again = t.pass_ms(3_601_000).gate("entry", 1)
    site, new = step(site, again)
    (first,), (second,) = sessions(old), sessions(new)
    assert (second.kind, len(site.sessions)) == ("opened", 2)
    assert first.id != second.id
    assert first.session_id != second.session_id
    assert step(site, again)[0] is site


def test_the_same_numbers_far_later_by_receipt_are_reported_and_not_counted():
    """It may be a copy whose acknowledgement was lost long ago, or a new event, and nobody can know
    which."""
    t = Teller()
    site, _ = fold([t.gate("entry", 1)])
    again = t.pass_ms(3_601_000).gate("entry", 1, time_source="receipt")
    with pytest.raises(Invalid, match="a copy, or the boot counter restarted"):
        step(site, again)


def test_a_copy_whose_clock_was_set_right_in_between_counts_once():
    """The clock was two hours slow when the event was first sent, and right when it was sent again.
    The second time is two hours later, but not later than the moment when the first copy was
    applied."""
    t = Teller()
    t.pass_ms(7_200_000)
    tick = t.tick()
    right = t.gate("entry", 1)
    slow = replace(right, time_ms=right.time_ms - 7_200_000)
    site, _ = fold([tick, slow])
    assert step(site, right)[0] is site


def test_numbers_of_an_older_version_are_known():
    t = Teller()
    events = [t.gate("entry", seq) for seq in (1, 2, 4)]
    device = Device(gate_events=[(1, 1), (1, 2), (1, 4)], gate_at_ms=t.now_ms)
    site = Site(site_id="lot", devices={"lot/gate-1": device})
    for event in events:
        assert step(site, event)[0] is site
    site, _ = step(site, t.gate("entry", 3))
    assert site.devices["lot/gate-1"].gate_runs == [(1, 1, 4)]


def test_a_copy_that_comes_within_the_hour_is_a_copy():
    t = Teller()
    event = t.gate("entry", 1)
    site, _ = fold([event])
    for time_source in ("device", "receipt"):
        late = t.pass_ms(1_000_000).gate("entry", 1, time_source=time_source)
        assert step(site, late)[0] is site
    assert step(site, event)[0] is site


def test_a_lot_that_never_sees_its_exits_does_not_outgrow_its_record():
    t = Teller()
    site, outputs = Site(site_id="lot"), []
    for seq in range(OPEN_LIMIT + 3):
        site, made = step(site, t.gate("entry", seq))
        outputs += made
    assert len(site.sessions) == OPEN_LIMIT
    assert reports_of(outputs).count(("corrected", "too-many-open")) == 3


@given(st.data())
def test_doubled_and_late_copies_change_nothing(data):
    t = Teller()
    directions = data.draw(st.lists(st.sampled_from(["entry", "exit"]), max_size=20))
    events = [t.gate(direction, seq) for seq, direction in enumerate(directions)]
    order = data.draw(st.permutations(events))
    doubled = list(itertools.chain.from_iterable([e] * data.draw(st.integers(1, 3)) for e in order))
    late = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    assert fold(order) == fold([*doubled, *late])


@pytest.mark.parametrize("boots", [(1, 2), (2, 1)])
def test_events_kept_over_a_reboot_count_in_any_order(boots):
    t = Teller()
    site, _ = fold([t.gate("entry", 1, boot_id=boot) for boot in boots])
    assert len(site.sessions) == 2
