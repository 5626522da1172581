"""Gate events in any order and with any delay give the sessions that the sorted events give."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from parking.core import nearplates, pairing
from parking.core.events import Event, GateEventReceived, SessionChanged
from tests.support.tracking import START_MS, Teller, fold, sessions
from tests.support.waiting import nightly

MINUTE_MS = 60_000
DAY_MS = 86_400_000
END_MS = START_MS + 3 * DAY_MS
LIMITS: list[dict[str, Any]] = [
    {},
    {"maximum_stay_ms": 7 * MINUTE_MS},
    {"empty_at_min": (START_MS // MINUTE_MS + 12) % 1_440},
]


# As plates.py makes them, of one-letter hashes: q is near to p and r, p is not near to r.
NEAR = {
    "p": ["near0000", "first-px", "second-p"],
    "q": ["near1111", "first-px", "second-q"],
    "r": ["near2222", "first-rr", "second-q"],
}
NEAR_TO = {"p": "pq", "q": "pqr", "r": "qr"}


def passage(number: int, at_min: int, direction, plate=None, gates=2) -> GateEventReceived:
    device = f"lot/gate-{number % gates}"
    return GateEventReceived(
        id=f"{device}/gate/1/{number // gates}",
        site_id="lot",
        time_ms=START_MS + at_min * MINUTE_MS,
        device_id=device,
        gate_id="main",
        direction=direction,
        via="mqtt",
        time_source="device",
        boot_id=1,
        seq=number // gates,
        plate_hash=plate,
        plate_near=NEAR.get(plate or "", []),
    )


@st.composite
def passages(draw) -> list[GateEventReceived]:
    """Return events of a lot with so few plates that each comes and goes often, some at the same
    moment."""
    one = st.tuples(
        st.integers(0, 25),
        st.sampled_from(["entry", "exit"]),
        st.sampled_from([None, None, "p", "q", "r"]),
    )
    drawn = sorted(draw(st.lists(one, max_size=16)), key=lambda fields: fields[0])
    return [passage(number, *fields) for number, fields in enumerate(drawn)]


def held(outputs: Sequence[Event]) -> dict[str, tuple[Any, ...]]:
    """Return what a reader holds in the end: the last report on each session."""
    last: dict[str, SessionChanged] = {change.session_id: change for change in sessions(outputs)}
    return {
        session_id: (
            *(
                change.kind,
                change.entry_at_ms,
                change.exit_at_ms,
                change.dwell_ms,
                change.plate_hash,
            ),
            None if change.kind == "opened" else change.reason,
        )
        for session_id, change in last.items()
        if change.reason != "entry-found"
    }


def reported_by(events: Sequence[Event], limits: dict[str, Any]) -> tuple[Any, ...]:
    """Return the final state and the sessions after these events in this order."""
    t = Teller()
    begin = [t.parameters(**limits)]
    t.now_ms = END_MS
    site, outputs = fold([*begin, *events, t.tick()])
    return site.sessions, site.gates, held(outputs)


def by_plate(ordered: Sequence[GateEventReceived]) -> dict[str, str]:
    """Return the outcome of entries by plate: its own exit, one with a near plate, or a second
    entry. Others are left out."""
    fates: dict[str, str] = {}
    stays: list[tuple[GateEventReceived, int]] = []
    for place, event in enumerate(ordered):
        plate = event.plate_hash
        then = [n for n, e in enumerate(ordered) if n > place and e.plate_hash == plate]
        if plate is None or event.direction == "exit":
            continue
        if then and ordered[then[0]].direction == "exit":
            fates[event.id] = ordered[then[0]].id
        else:
            stays.append((event, then[0] if then else len(ordered)))
    for place, event in enumerate(ordered):
        if event.direction == "exit" and event.plate_hash and event.id not in fates.values():
            near = [
                entry.id
                for entry, end in stays
                if ordered.index(entry) < place < end
                and entry.id not in fates
                and (entry.plate_hash or "?") in NEAR_TO[event.plate_hash]
            ]
            fates |= {near[0]: event.id} if len(near) == 1 else {}
    again = {entry.id for entry, end in stays if end < len(ordered)}
    return dict.fromkeys(again, "entered-again") | fates


def by_hand(events: Sequence[GateEventReceived], limits: dict[str, Any]) -> dict[str, str]:
    """Return the outcome of each entry and stray exit, with the rules as one sweep over the sorted
    events."""
    ordered = sorted(events, key=lambda e: (e.time_ms, e.direction == "exit", e.id))
    fates = by_plate(ordered)
    longest = limits.get("maximum_stay_ms", 10 * DAY_MS)
    empty_ms = START_MS + 12 * MINUTE_MS - START_MS % MINUTE_MS if "empty_at_min" in limits else 0
    inside: list[GateEventReceived] = []
    closing = {*fates.values()}

    def over(entry: GateEventReceived, time_ms: int) -> bool:
        cleared = empty_ms and entry.time_ms < empty_ms < time_ms
        return bool(cleared) or time_ms > entry.time_ms + longest

    for event in ordered:
        if event.direction == "entry":
            inside += [event] if event.id not in fates else []
            continue
        nameless = [e for e in inside if not e.plate_hash and not over(e, event.time_ms)]
        if event.id in closing:
            continue
        for entry in nameless[:1]:
            fates[entry.id] = event.id
            inside.remove(entry)
        if not nameless:
            fates[event.id] = "exit-without-entry"
    for entry in inside:
        ended = "empty-time" if "empty_at_min" in limits and entry.time_ms < END_MS - DAY_MS else ""
        fates[entry.id] = "maximum-stay" if "maximum_stay_ms" in limits else ended or "open"
    return fates


def check(order: Sequence[GateEventReceived], events: Sequence[GateEventReceived], limits) -> None:
    truth = reported_by(events, limits)
    assert reported_by(order, limits) == truth
    exits = {e.id: e for e in events if e.direction == "exit"}
    fates = by_hand(events, limits)
    assert truth[2].keys() == fates.keys()
    for session_id, (kind, _, exit_at_ms, _, plate, reason) in truth[2].items():
        fate = fates[session_id]
        if kind == "closed":
            assert fate in exits, "closed, and by hand it is not"
            assert exits[fate].time_ms == exit_at_ms
            same = "plate" if exits[fate].plate_hash == plate else "plate-near"
            assert reason == (same if plate else "oldest")
        else:
            assert (reason or "open") == fate


@pytest.mark.timeout(240)
@pytest.mark.parametrize("examples", [500, nightly(2_000)])
def test_any_order_and_any_copies_give_what_the_sorted_unique_ones_give(examples):
    settings(max_examples=examples, deadline=None)(in_any_order)()


@given(passages(), st.sampled_from(LIMITS), st.data())
def in_any_order(events, limits, data):
    order = data.draw(st.permutations(events))
    copies = data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    check([*order, *copies], events, limits)


def test_negative_control_without_a_memory_of_passages_order_matters(monkeypatch):
    monkeypatch.setattr(pairing, "STAY_MEMORY", 1)
    monkeypatch.setattr(pairing, "STRAY_MEMORY", 1)

    @settings(max_examples=2_000, deadline=None, database=None, phases=[Phase.generate])
    @given(passages(), st.data())
    def orders(events, data):
        check(data.draw(st.permutations(events)), events, {})

    with pytest.raises(AssertionError):
        orders()


def test_negative_control_without_near_plates_the_sweep_by_hand_differs(monkeypatch):
    monkeypatch.setattr(nearplates, "is_near", lambda a, b: False)

    @settings(max_examples=2_000, deadline=None, database=None, phases=[Phase.generate])
    @given(passages())
    def sorted_ones(events):
        check(events, events, {})

    with pytest.raises(AssertionError):
        sorted_ones()
