"""Ticks that tell nothing but the time are not written, and a kill between two that are leaves no
trace."""

import pytest
from msgspec.structs import replace

from parking import codec
from parking.events import (
    DetectionMade,
    DeviceReported,
    Event,
    GateEventReceived,
    SiteCommanded,
    SlotChanged,
    TickElapsed,
)
from parking.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.ports import Record
from parking.site import Site
from parking.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    GATE_EVENTS,
    SITE_COMMANDS,
    SLOT_CHANGES,
)
from services.tracker import handler
from services.tracker.tracker import MemoryTable, Tracker
from tests.tracking import OUTPUTS, SILENCE_MS, Teller, fold, states

SITE = "lot"
SILENCE_S = SILENCE_MS // 1_000


TOPICS: dict[type[Event], str] = {
    DetectionMade: DETECTIONS,
    DeviceReported: DEVICE_EVENTS,
    GateEventReceived: GATE_EVENTS,
    SiteCommanded: SITE_COMMANDS,
    TickElapsed: DETECTIONS,
}


class Changelog(MemoryTable):
    """Keeps every entry that was written."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[handler.Entry] = []

    async def write(self, key: bytes, value: bytes) -> None:
        await super().write(key, value)
        self.entries.append(handler.decode(value))


class Bench:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.table = Changelog()
        self.restart()

    def restart(self) -> None:
        """As after kill -9: what is in the changelog, and nothing else."""
        self.tracker = Tracker(self.table, MemoryProducer(self.broker), ManualClock(), "live")

    def record(self, event: Event) -> Record:
        message = codec.outgoing(event, TOPICS[type(event)], SITE, "test")
        partition, offset = self.broker.append(message)
        return self.broker.read((message.topic, partition), offset, 1)[0]

    async def apply(self, *events: Event) -> list[Record]:
        records = [self.record(event) for event in events]
        for record in records:
            await self.tracker.apply(record)
        return records

    @property
    def site(self) -> Site:
        return self.table.entries[-1].site

    def told(self) -> dict[str, set[bytes]]:
        """Every output by its id: a sink keeps the first, so that there should be but one."""
        found: dict[str, set[bytes]] = {}
        for topic in OUTPUTS:
            for record in self.broker.records(topic):
                found.setdefault(f"{topic} {codec.decode(record).id}", set()).add(
                    record.value or b""
                )
        return found


def seconds(t: Teller, count: int) -> list[Event]:
    return [t.tick(1_000) for _ in range(count)]


def is_silent(site: Site) -> bool:
    return site.cameras["lot/a"].silent


async def test_of_ticks_that_change_nothing_else_one_in_ten_seconds_is_written():
    t, bench = Teller(), Bench()
    await bench.apply(t.adopt("a", "1", interval_ms=60_000), t.see("a", {"1": "f"}), t.tick())
    before = len(bench.table.entries)
    await bench.apply(*seconds(t, 60))
    written = bench.table.entries[before:]
    assert len(written) == 6
    assert [entry.outputs for entry in written] == [[]] * 6
    assert t.now_ms - bench.site.tick_ms < handler.UNWRITTEN_MS


async def test_a_tick_that_changes_something_is_written_at_once_with_the_time():
    t, bench = Teller(), Bench()
    await bench.apply(t.adopt("a", "1"), t.see("a", {"1": "f"}), t.see("a", {"1": "f"}))
    assert states(bench.site) == {"1": "free"}
    await bench.apply(*seconds(t, SILENCE_S + 1))
    assert states(bench.site) == {"1": "unknown"}
    assert bench.site.tick_ms == t.now_ms
    assert len(bench.broker.records(SLOT_CHANGES)) == 3


async def test_what_a_tick_changes_and_nobody_is_told_is_written():
    """A camera that was offline already falls silent."""
    t, bench = Teller(), Bench()
    await bench.apply(
        t.adopt("a", "1"), t.see("a", {"1": "f"}), t.tick(), t.device("a", "offline", 1, 1)
    )
    await bench.apply(*seconds(t, SILENCE_S))
    assert not is_silent(bench.site)
    written = len(bench.table.entries)
    await bench.apply(*seconds(t, 1))
    assert is_silent(bench.site)
    assert len(bench.table.entries) == written + 1


async def test_the_next_record_is_written_with_the_time_and_the_places_of_the_ticks_before_it():
    t, bench = Teller(), Bench()
    await bench.apply(t.adopt("a", "1", interval_ms=60_000), t.see("a", {"1": "f"}), t.tick())
    ticks = await bench.apply(*seconds(t, 3))
    told_ms = t.now_ms
    (gate,) = await bench.apply(t.gate("entry", 1))
    assert bench.site.tick_ms == told_ms
    places = bench.table.entries[-1].positions
    assert (places[DETECTIONS], places[GATE_EVENTS]) == (ticks[-1].offset + 1, gate.offset + 1)


def story() -> list[Event]:
    """Two cameras of which one falls silent and comes back, cars, a gate, an overstay, commands."""
    t = Teller()
    records: list[Event] = [
        t.adopt("a", "1", "2", interval_ms=3_000),
        t.adopt("b", "2", "3", interval_ms=3_000),
        t.parameters(overstay_ms=60_000, silence_ms=15_000),
        t.gate("entry", 1, plate="x"),
    ]
    for turn in range(16):
        seen = "oofffoofffffoooo"[turn]
        records.append(t.see("a", {"1": seen, "2": seen}))
        t.now_ms -= 900
        if not 4 <= turn < 11:
            records.append(t.see("b", {"2": seen, "3": "o"}))
        records += seconds(t, 3)
        if turn == 7:
            records.append(t.gate("entry", 2))
        if turn == 10:
            records += [records[-1], t.gate("exit", 3)]  # doubled
    return [*records, *seconds(t, 10)]


@pytest.mark.parametrize("delivered", ["from-the-entry", "from-the-kill"])
async def test_a_kill_after_whatever_record_changes_nothing_that_is_told(delivered: str):
    """What was acknowledged may be committed, or come again: both must give the same."""
    events = story()
    whole = Bench()
    await whole.apply(*events)
    expected = whole.told()
    assert len(expected) > 25
    final, made = fold(events, SITE)
    assert replace(whole.site, tick_ms=0) == replace(final, tick_ms=0)
    assert "silent" in {event.reason for event in made if isinstance(event, SlotChanged)}
    assert {event.id for event in made} == {name.split()[1] for name in expected}
    unwritten = 0
    for killed in range(1, len(events), 3):
        bench = Bench()
        records = await bench.apply(*events[:killed])
        unwritten += bench.site.tick_ms < max(e.time_ms for e in events[:killed])
        bench.restart()
        if delivered == "from-the-entry":
            for record in records:
                await bench.tracker.apply(record)
        await bench.apply(*events[killed:])
        assert bench.told() == expected, killed
        assert replace(bench.site, tick_ms=0) == replace(final, tick_ms=0), killed
    assert unwritten > 7


@pytest.mark.parametrize("killed", [False, True])
async def test_after_a_kill_a_late_frame_is_believed_for_a_tick_at_most(killed: bool):
    """The price: until the next tick, the time is that of the last one that was written. (So it is
    for all that comes while no tracker runs.)"""
    t, bench = Teller(), Bench()
    seen = [t.see("a", {"1": "f"}) for _ in range(2)]
    parameters = t.parameters(silence_ms=15_000)
    await bench.apply(parameters, t.adopt("a", "1"), *seen, *seconds(t, 24))
    assert states(bench.site) == {"1": "unknown"}
    late = [replace(t.see("a", {"1": "o"}), time_ms=t.now_ms - 18_500) for _ in range(2)]
    if killed:
        bench.restart()
    await bench.apply(*late)
    assert states(bench.site) == {"1": "occupied" if killed else "unknown"}
    await bench.apply(*seconds(t, 1))
    assert states(bench.site) == {"1": "unknown"}


async def test_a_partition_that_was_elsewhere_goes_on_from_what_was_written_there():
    t, bench = Teller(), Bench()
    await bench.apply(t.adopt("a", "1", interval_ms=60_000), t.see("a", {"1": "f"}), t.tick())
    await bench.apply(*seconds(t, 2))
    here = bench.tracker
    bench.restart()
    await bench.apply(t.see("a", {"1": "f"}), *seconds(t, 2))
    assert states(bench.site) == {"1": "free"}
    bench.tracker = here
    await bench.apply(*seconds(t, 2), t.see("a", {"1": "o"}), t.see("a", {"1": "o"}))
    assert (bench.site.slots["1"].state, bench.site.slots["1"].version) == ("occupied", 3)


async def test_an_output_is_always_written():
    t, bench = Teller(), Bench()
    await bench.apply(t.adopt("a", "1"))
    (entry,) = bench.table.entries
    later = replace(entry, site=replace(entry.site, tick_ms=entry.site.tick_ms + 1))
    assert not handler.only_later(entry, later)
    assert handler.only_later(entry, replace(later, outputs=[]))
