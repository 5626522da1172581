"""Sessions correct themselves: late entries, unknown vehicles, recounts, stays ended by time, and
the report of drift."""

import pytest
from msgspec.structs import replace

from parking.core.events import Event, Recounted
from parking.core.occupancy import step
from parking.core.sessions import OPEN_LIMIT
from parking.core.site import Site
from tests.support.tracking import START_MS, Teller, fold, sessions

HOUR_MS = 3_600_000


def reports_of(outputs: list[Event]) -> list[tuple[str, str, str | None]]:
    """Return (id after the last slash, kind, reason) of each report."""
    return [(o.session_id.split("/")[-1], o.kind, o.reason) for o in sessions(outputs)]


def recount(t: Teller, number_in: int):
    return t.command(Recounted(number_in=number_in))


def test_an_entry_that_comes_after_its_exit_is_closed_when_it_comes():
    t = Teller()
    entry = t.gate("entry", 1)
    leave = t.pass_ms(HOUR_MS).gate("exit", 2)
    site, outputs = fold([leave, entry])
    assert reports_of(outputs) == [
        ("2", "corrected", "exit-without-entry"),
        ("1", "opened", None),
        ("1", "closed", "oldest"),
        ("2", "corrected", "entry-found"),
    ]
    assert sessions(outputs)[2].dwell_ms == leave.time_ms - entry.time_ms
    assert site.sessions == []


def test_a_thousand_entries_of_a_gate_that_was_offline_close_with_their_exits():
    t = Teller()
    entries = [t.gate("entry", seq) for seq in range(1, 1_001)]
    exits = [t.pass_ms(1_000).gate("exit", seq) for seq in range(2_001, 3_001)]
    site, _ = fold([*exits, *entries])
    assert site.sessions == []
    later = [t.gate("entry", 4_000), t.pass_ms(1_000).gate("exit", 4_001)]
    for event in later:
        site, outputs = step(site, event)
    assert [o.dwell_ms for o in sessions(outputs)] == [1_001]


def test_a_late_entry_takes_the_exit_of_one_that_came_after_it():
    t = Teller()
    late, entry, leave = t.gate("entry", 1), t.gate("entry", 2), t.gate("exit", 3)
    site, outputs = fold([entry, leave, late])
    assert reports_of(outputs)[2:] == [
        ("1", "opened", None),
        ("1", "closed", "oldest"),
        ("2", "opened", "reopened"),
    ]
    assert [s.session_id for s in site.sessions] == [entry.id]


def test_a_stranger_leaves_the_plates_of_others_alone():
    t = Teller()
    for stranger in ("q", None):
        records = [t.gate("entry", 1, plate="p"), t.gate("exit", 2, plate=stranger)]
        site, outputs = fold(records)
        assert reports_of(outputs)[-1] == ("2", "corrected", "exit-without-entry")
        assert [s.plate_hash for s in site.sessions] == ["p"]


# ---------------------------------------------------------------- ends by time
def test_a_maximum_stay_ends_what_is_left_and_an_exit_from_before_it_closes_it_still():
    t = Teller()
    records = [t.parameters(maximum_stay_ms=HOUR_MS), t.gate("entry", 1)]
    leave = t.pass_ms(HOUR_MS // 2).gate("exit", 2)
    site, outputs = fold([*records, t.tick(HOUR_MS)])
    assert reports_of(outputs)[-1] == ("1", "corrected", "maximum-stay")
    assert site.sessions == []
    site, outputs = step(site, leave)
    assert reports_of(outputs) == [("1", "closed", "oldest")]
    _, outputs = step(site, t.gate("exit", 3))
    assert reports_of(outputs) == [("3", "corrected", "exit-without-entry")]


def test_an_exit_with_the_plate_is_known_to_be_of_a_stay_that_ended_by_time():
    t = Teller()
    records = [t.parameters(maximum_stay_ms=HOUR_MS), t.gate("entry", 1, plate="p")]
    site, _ = fold([*records, t.tick(2 * HOUR_MS)])
    site, outputs = step(site, t.gate("exit", 2, plate="p"))
    assert reports_of(outputs) == [("1", "closed", "plate")]


def test_nobody_is_in_after_the_empty_time():
    t = Teller()
    minute = (START_MS // 60_000 + 60) % 1_440
    records = [t.parameters(empty_at_min=minute), t.gate("entry", 1), t.tick(HOUR_MS // 2)]
    site, _ = fold(records)
    assert len(site.sessions) == 1
    site, outputs = step(site, t.tick(HOUR_MS))
    assert reports_of(outputs) == [("1", "corrected", "empty-time")]
    site, _ = fold([t.gate("entry", 2), t.tick(HOUR_MS)])
    assert len(site.sessions) == 1


# ---------------------------------------------------------------- counts
def test_a_count_gives_up_the_oldest_or_opens_what_is_missing():
    t = Teller()
    entries = [t.gate("entry", seq) for seq in (1, 2, 3)]
    site, _ = fold(entries)
    site, outputs = step(site, recount(t, 1))
    assert reports_of(outputs) == [("1", "corrected", "recount"), ("2", "corrected", "recount")]
    site, outputs = step(site, recount(t, 3))
    assert [(o.kind, o.reason, o.number_in) for o in sessions(outputs)] == [
        ("opened", "recount", 3)
    ] * 2
    assert len({o.session_id for o in sessions(outputs)}) == 2
    for seq in (4, 5, 6):
        site, outputs = step(site, t.gate("exit", seq))
        assert [o.kind for o in sessions(outputs)] == ["closed"]
    assert site.sessions == []


def test_passages_from_before_a_count_change_no_number():
    t = Teller()
    entry, leave = t.gate("entry", 1), t.gate("exit", 2)
    site, _ = fold([recount(t, 5)])
    for event, reason in ((entry, "recount"), (leave, "exit-without-entry")):
        site, outputs = step(site, event)
        assert reports_of(outputs)[-1][1:] == ("corrected", reason)
        assert len(site.sessions) == 5


# ---------------------------------------------------------------- drift
def test_each_overflow_is_reported_once():
    t = Teller()
    site, outputs = fold([t.parameters(capacity=2), *(t.gate("entry", seq) for seq in range(1, 5))])
    assert [reason for _, _, reason in reports_of(outputs)] == [None, None, "gate-drift", None]
    assert [(o.number_in, o.capacity) for o in sessions(outputs)] == [(n, 2) for n in (1, 2, 3, 4)]
    for seq in (5, 6):
        site, _ = step(site, t.gate("exit", seq))
    assert reports_of(step(site, t.gate("entry", 7))[1]) == [("7", "opened", "gate-drift")]


def test_the_slots_are_the_capacity_where_none_is_set():
    t = Teller()
    _, outputs = fold([t.adopt("a", "1"), t.gate("entry", 1), t.gate("entry", 2)])
    assert [reason for _, _, reason in reports_of(outputs)] == [None, "gate-drift"]


def test_nothing_is_dropped_without_a_word_at_the_limit():
    t = Teller()
    site, outputs = Site(site_id="lot"), []
    for seq in range(OPEN_LIMIT + 2):
        site, made = step(site, t.gate("entry", seq))
        outputs += made
    ends = [o.session_id for o in sessions(outputs) if o.reason == "too-many-open"]
    assert len(ends) == 2
    assert len(site.sessions) == OPEN_LIMIT == 4_000


def test_what_an_older_version_opened_is_closed():
    t = Teller()
    site, _ = fold([t.gate("entry", 1, plate="p"), t.gate("entry", 2)])
    site = replace(site, gates=type(site.gates)())
    for seq, plate in ((3, "p"), (4, None)):
        site, outputs = step(site, t.gate("exit", seq, plate=plate))
        assert [o.kind for o in sessions(outputs)] == ["closed"]


@pytest.mark.parametrize("name", ["maximum_stay_ms", "overstay_ms"])
def test_what_ended_by_time_is_not_closed_by_exits_under_other_parameters(name):
    t = Teller()
    records = [t.parameters(maximum_stay_ms=HOUR_MS), t.gate("entry", 1), t.tick(2 * HOUR_MS)]
    site, _ = fold([*records, t.parameters(**{name: 3 * HOUR_MS})])
    assert reports_of(step(site, t.gate("exit", 2))[1])[-1][1:] == (
        "corrected",
        "exit-without-entry",
    )


DAY_MS = 24 * HOUR_MS


@pytest.mark.parametrize("plate", [None, "p"])
@pytest.mark.parametrize(("days", "left"), [(6, 0), (8, 1)])
def test_an_exit_waits_a_week_for_its_entry(plate, days, left):
    t = Teller()
    entry, leave = t.gate("entry", 1, plate=plate), t.gate("exit", 2, plate=plate)
    site, _ = fold([t.tick(), leave, t.tick(days * DAY_MS)])
    site, _ = step(site, entry)
    assert len(site.sessions) == left


def test_what_is_over_is_forgotten_and_what_is_in_is_not():
    t = Teller()
    passages = [t.gate("entry", 1), t.gate("exit", 2), t.gate("entry", 3, plate="p")]
    passages += [t.gate("entry", 4, plate="q"), t.gate("exit", 5, plate="q")]
    site, _ = fold([t.tick(), *passages, t.tick(3 * DAY_MS)])
    assert (site.gates.stays, list(site.gates.plates)) == ([], ["p"])
    _, outputs = step(site, t.gate("exit", 6, plate="p"))
    assert reports_of(outputs) == [("3", "closed", "plate")]
