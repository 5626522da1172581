"""5,000 gate events go through the tracker's fold in random order, a fifth of them doubled and a
tenth an hour late, and give the sessions of the sorted unique events."""

import random
from collections import Counter, deque

import pytest

from parking.core import pairing
from parking.core.events import GateEventReceived, SessionChanged
from parking.core.topics import DEAD_LETTERS, SESSIONS
from parking.wire import codec
from tests.properties.test_sessions_order import held, passage
from tests.support.tracker_memory import Bench

HOUR_MIN = 60
BATCH = 500


def drive(count: int, seed: int) -> list[GateEventReceived]:
    """Return sorted events of vehicles that pass four gates within ten hours, half of them with a
    plate, of which a twentieth is not read."""
    chance = random.Random(seed)  # noqa: S311 -- a fixed story
    moments: list[tuple[int, str, str | None]] = []
    for car in range(count // 2):
        entry_min = chance.randrange(10 * HOUR_MIN)
        stay_min = 1 + chance.randrange(6 * HOUR_MIN)
        for at_min, direction in ((entry_min, "entry"), (entry_min + stay_min, "exit")):
            read = car % 2 and chance.random() > 0.05
            moments.append((at_min, direction, f"{car}" if read else None))
    ordered = sorted(moments, key=lambda moment: moment[0])
    return [passage(number, *moment, gates=4) for number, moment in enumerate(ordered)]


def late(events: list[GateEventReceived], seed: int) -> list[GateEventReceived]:
    """Return the events in order of arrival: each up to 20 minutes after it happened, a tenth
    another hour later, and a fifth twice."""
    chance = random.Random(seed)  # noqa: S311
    arrivals = []
    for event in events:
        delay_min = HOUR_MIN * (chance.random() < 0.1)
        for _ in range(1 + (chance.random() < 0.2)):
            came_ms = event.time_ms + 60_000 * (delay_min + chance.randrange(20))
            arrivals.append((came_ms, chance.random(), event))
    return [event for *_, event in sorted(arrivals, key=lambda one: one[:2])]


def shuffled(events: list[GateEventReceived], seed: int) -> list[GateEventReceived]:
    """Return the events in random order, a fifth of them twice. Each may change the result of
    thousands."""
    chance = random.Random(seed)  # noqa: S311
    sent = [*events, *chance.sample(events, len(events) // 5)]
    chance.shuffle(sent)
    return sent


async def applied(events: list[GateEventReceived]) -> Bench:
    """Return the tracker's partition after these records, applied in batches."""
    bench = await Bench().begin()
    records = [bench.record(event) for event in events]
    for start in range(0, len(records), BATCH):
        await bench.partition.apply(records[start : start + BATCH])
    return bench


def reports_of(bench: Bench) -> list[SessionChanged]:
    events = [codec.decode(record) for record in bench.broker.records(SESSIONS)]
    return [event for event in events if isinstance(event, SessionChanged)]


def swept(events: list[GateEventReceived]) -> dict[str, str]:
    """Return the outcome of each entry and stray exit by the rules: an exit closes the entry of its
    own plate, or else the oldest entry without a plate. No plate enters twice."""
    plated: dict[str, str] = {}
    nameless: deque[str] = deque()
    fates: dict[str, str] = {}
    for event in sorted(events, key=lambda e: (e.time_ms, e.direction == "exit", e.id)):
        plate = event.plate_hash
        if event.direction == "entry":
            fates[event.id] = "open"
            if plate:
                plated[plate] = event.id
            else:
                nameless.append(event.id)
        elif plate in plated:
            fates[plated.pop(plate)] = event.id
        elif nameless:
            fates[nameless.popleft()] = event.id
        else:
            fates[event.id] = "exit-without-entry"
    return fates


def check(bench: Bench, truth: Bench, events: list[GateEventReceived]) -> None:
    """Check that state and sessions are those of the sorted events and those that the rules give by
    hand, that nothing is reported twice, and that there are no dead letters."""
    assert bench.broker.records(DEAD_LETTERS) == []
    assert max(Counter(event.id for event in reports_of(bench)).values()) == 1
    assert bench.site.sessions == truth.site.sessions
    assert bench.site.gates == truth.site.gates
    found = held(reports_of(bench))
    assert found == held(reports_of(truth))
    fates, exits = swept(events), {e.id: e.time_ms for e in events}
    assert found.keys() == fates.keys()
    for session_id, (kind, _, exit_at_ms, *_, reason) in found.items():
        fate = fates[session_id]
        assert exits[fate] == exit_at_ms if kind == "closed" else (reason or "open") == fate


@pytest.mark.parametrize(("disorder", "count"), [(late, 5_000), (shuffled, 600)])
async def test_thousands_in_random_order_come_to_the_sorted_truth(disorder, count, record_property):
    events = drive(count, seed=13)
    order = disorder(events, seed=14)
    truth, bench = await applied(events), await applied(order)
    check(bench, truth, events)
    ended = [end for end in held(reports_of(bench)).values() if end[0] == "closed"]
    record_property("gate events", f"{len(events)}, {len(order) - len(events)} of them twice")
    record_property("sessions", f"{len(ended)} closed as by the sorted ones")
    assert len(ended) > count * 2 // 5


@pytest.mark.parametrize("broken", ["no memory of stays", "copies count"])
async def test_negative_control_the_comparison_can_fail(monkeypatch, broken):
    events = drive(400, seed=13)
    order = late(events, seed=14)
    truth = await applied(events)
    if broken == "no memory of stays":
        monkeypatch.setattr(pairing, "STAY_MEMORY", 1)
        monkeypatch.setattr(pairing, "STRAY_MEMORY", 1)
    else:
        monkeypatch.setattr("parking.core.sessions.remember", lambda site, event: site)
    with pytest.raises(AssertionError):
        check(await applied(order), truth, events)


def test_the_disorder_is_what_it_says():
    events = drive(5_000, seed=13)
    for order in (late(events, 14), shuffled(events, 14)):
        assert len(order) == pytest.approx(6_000, rel=0.03)
        assert {event.id for event in order} == {event.id for event in events}
        assert order != sorted(order, key=lambda event: event.time_ms)
