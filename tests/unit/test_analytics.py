"""How minutes are derived from changes and sessions: what they hold, and that the inputs alone
decide it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from parking.core.errors import SettingsError
from parking.core.events import (
    DeadLettered,
    GatesCounted,
    LayoutPublished,
    LayoutSlot,
    OccupancyMeasured,
    SlotKind,
    TickElapsed,
    Zone,
)
from parking.core.topics import (
    ANALYTICS_CLOCK,
    CAMERA_STATUS,
    DEAD_LETTERS,
    LAYOUTS,
    OCCUPANCY,
    SESSIONS,
    SLOT_CHANGES,
)
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.wire import codec
from parking.wire.ports import Outgoing, Record
from services.analytics import handler, minutes
from services.analytics.analytics import Analytics, MemoryTable
from services.analytics.kinds import Kinds
from services.analytics.minutes import Group
from services.analytics.settings import Settings
from tests.support.counting import MINUTE_MS, Counted, Lot, expected, inputs, reports_of

SOURCES = (SLOT_CHANGES, SESSIONS, CAMERA_STATUS, ANALYTICS_CLOCK)
SQUARE = [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3)]


class Killed(Exception):
    """The process ended here."""


class DyingTable(MemoryTable):
    """Ends the process before its n-th write, if n is set."""

    left: int | None = None

    async def write(self, key: bytes, value: bytes) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed
        await super().write(key, value)


class World:
    """Kafka in memory with analytics on top, which is restarted whenever it dies."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000_000)
        self.broker = MemoryBroker(self.clock)
        self.table = DyingTable()
        self.kinds = Kinds()
        self.positions: dict[tuple[str, int], int] = {}
        self.start()

    def start(self) -> None:
        producer = MemoryProducer(self.broker)
        self.analytics = Analytics(self.table, producer, self.clock, self.kinds)

    def write(self, message: Outgoing, *, at_ms: int | None = None) -> None:
        """Write at the record's own time, or later."""
        event = codec.decode(
            Record(message.topic, 0, 0, message.key, message.value, message.headers)
        )
        now_ms = at_ms if at_ms is not None else event.time_ms
        self.clock.advance(max(0, now_ms - self.clock.now_ms()))
        self.broker.append(message)

    def waiting(self) -> list[tuple[str, int]]:
        places = self.broker.places(SOURCES)
        return [p for p in places if self.broker.read(p, self.positions.get(p, 0), 1)]

    async def step(self, place: tuple[str, int]) -> None:
        position = self.positions.get(place, 0)
        (record,) = self.broker.read(place, position, 1)
        await self.analytics.apply(record)
        self.positions[place] = position + 1

    async def drain(
        self, choose: Callable[[Sequence[Any]], Any] = lambda places: places[0]
    ) -> None:
        while places := self.waiting():
            await self.step(choose(places))

    async def settle(self, choose: Callable[[Sequence[Any]], Any] = min) -> None:
        """Process all that is written, and then what is due."""
        await self.drain(choose)
        self.clock.advance(5_000)
        await self.analytics.beat(range(12))
        await self.drain(choose)

    def reports_of(self) -> dict[str, Counted]:
        return reports_of(self.broker.records(OCCUPANCY))

    def minutes(self) -> list[OccupancyMeasured]:
        found = [e for e in self.reports_of().values() if isinstance(e, OccupancyMeasured)]
        return sorted(found, key=lambda e: (e.minute_at_ms, e.zone_id, e.kind))

    def expected(self, site_id: str = "lot") -> dict[str, Counted]:
        records = [r for topic in SOURCES[:3] for r in self.broker.records(topic)]
        return expected(inputs(records), site_id)


# ---------------------------------------------------------------- what a minute holds
async def test_a_minute_holds_the_end_the_share_and_who_came_and_left():
    world, lot = World(), Lot()
    begin_ms = lot.now_ms
    for slot in "1234":
        world.write(lot.change(slot, "free"))
    lot.now_ms += 15_000
    world.write(lot.change("1", "occupied"))
    world.write(lot.change("2", "unknown", reason="silent"))
    lot.now_ms += 30_000
    world.write(lot.change("1", "free"))
    world.write(lot.change("3", "closed", reason="closed"))
    lot.now_ms = begin_ms + 2 * MINUTE_MS
    world.write(lot.status())
    await world.settle()
    (minute,) = world.minutes()
    assert (minute.minute_at_ms, minute.time_ms) == (begin_ms, begin_ms + MINUTE_MS)
    assert (minute.free, minute.occupied, minute.unknown, minute.closed) == (2, 0, 1, 1)
    assert minute.occupied_share_mean == pytest.approx(30 / 60 / 3, abs=1e-4)
    assert minute.occupied_share_max == pytest.approx(1 / 3, abs=1e-4)
    assert (minute.entries, minute.exits, minute.turnover) == (1, 1, 0.25)
    assert world.reports_of() == world.expected()


async def test_unknown_in_between_neither_brings_a_vehicle_nor_takes_one():
    world, lot = World(), Lot()
    for state in ("occupied", "unknown", "occupied", "unknown", "free", "unknown", "occupied"):
        world.write(lot.change("1", state))
        lot.now_ms += 1_000
    lot.now_ms += 2 * MINUTE_MS
    world.write(lot.status())
    await world.settle()
    assert [(m.entries, m.exits) for m in world.minutes()[:1]] == [(1, 1)]
    assert world.reports_of() == world.expected()


async def test_minutes_without_a_change_are_reported_once_cameras_show_that_they_passed():
    world, lot = World(), Lot()
    world.write(lot.change("1", "occupied"))
    for _ in range(5):
        lot.now_ms += MINUTE_MS
        world.write(lot.status())
    await world.settle()
    assert [m.occupied_share_mean for m in world.minutes()] == [1.0] * 4, "one is kept open"
    assert world.reports_of() == world.expected()


async def test_zones_are_counted_apart_and_a_moved_slot_goes_with_its_zone():
    world, lot = World(), Lot()
    world.write(lot.change("1", "occupied"))
    world.write(lot.change("2", "free", zone="b"))
    lot.now_ms += MINUTE_MS
    world.write(lot.change("1", "occupied", zone="b", reason="moved-zone"))
    lot.now_ms += 3 * MINUTE_MS
    world.write(lot.change("2", "unknown", zone="b", reason="no-camera"))
    lot.now_ms += 3 * MINUTE_MS
    world.write(lot.status())
    await world.settle()
    slots = {
        zone: [m.free + m.occupied + m.unknown for m in world.minutes() if m.zone_id == zone]
        for zone in "ab"
    }
    assert slots == {"a": [1, 0, 0, 0, 0, 0], "b": [1, 2, 2, 2, 1, 1]}
    assert world.reports_of() == world.expected()


async def test_kinds_are_those_of_the_layouts():
    world, lot = World(), Lot()
    kinds: dict[str, SlotKind] = {"1": "ev", "2": "standard"}
    for camera, named in (("south", ["2", "3"]), ("north", ["1", "2"])):
        layout = LayoutPublished(
            id=camera,
            site_id="lot",
            time_ms=1,
            camera_id=f"lot/{camera}",
            version=1,
            site_name="Lot",
            camera_name=camera,
            interval_ms=1000,
            zones=[Zone(zone_id="a", name="A")],
            slots=[
                LayoutSlot(slot_id=slot, zone_id="a", polygon=SQUARE, kind=kinds.get(slot, "ev"))
                for slot in named
            ],
        )
        world.broker.append(codec.outgoing(layout, LAYOUTS, layout.camera_id, "test"))
    world.broker.append(Outgoing(LAYOUTS, b"lot/east", b"{", ()))
    world.kinds.apply(*world.broker.records(LAYOUTS))
    for slot in ("1", "2", "3", "4"):
        world.write(lot.change(slot, "free"))
    lot.now_ms += 2 * MINUTE_MS
    world.write(lot.status())
    await world.settle()
    assert {m.kind: m.free for m in world.minutes()} == {"ev": 2, "standard": 2}
    world.kinds.apply(Record(LAYOUTS, 0, 9, b"lot/south", None))
    assert world.kinds.of("lot", "3") == "standard"


async def test_gates_are_counted_by_passages_and_not_by_what_is_closed_without_one():
    world, lot = World(), Lot()
    for message in (
        lot.entry(),
        lot.entry(),
        lot.exit(),
        lot.session(
            "corrected",
            reason="exit-without-entry",
            exit_gate_id="main",
            exit_at_ms=lot.now_ms,
        ),
        # Reported again because an earlier passage came late: nobody passed.
        lot.session("closed", exit_gate_id="main", exit_at_ms=lot.now_ms + 1),
        lot.session("opened", reason="reopened", entry_at_ms=lot.now_ms),
        lot.session("corrected", reason="entry-found", exit_gate_id="main", exit_at_ms=lot.now_ms),
        lot.session("corrected", reason="entered-again"),
        lot.session("closed", reason="recount"),
        lot.session("overstay"),
    ):
        world.write(message)
    lot.now_ms += MINUTE_MS
    world.write(lot.exit())
    lot.now_ms += 3 * MINUTE_MS
    world.write(lot.exit())
    await world.settle()
    gates = [e for e in world.reports_of().values() if isinstance(e, GatesCounted)]
    assert [(e.entries, e.exits) for e in gates] == [(2, 2), (0, 1), (0, 0), (0, 0)]
    assert world.reports_of() == world.expected()


# ---------------------------------------------------------------- late, doubled, wrong
async def test_a_late_change_counts_where_the_log_has_come_to():
    world, lot = World(), Lot()
    begin_ms = lot.now_ms
    world.write(lot.change("1", "free"))
    lot.now_ms += 3 * MINUTE_MS
    world.write(lot.change("2", "free"))
    world.write(lot.change("1", "occupied", time_ms=begin_ms + 1_000))
    lot.now_ms += 2 * MINUTE_MS
    world.write(lot.status())
    await world.settle()
    assert [m.entries for m in world.minutes()] == [0, 0, 0, 1]
    assert world.reports_of() == world.expected()


async def test_a_change_behind_the_clock_has_its_minutes_reported_again():
    """The clock's topic was read to its end before the changes were."""
    world, lot = World(), Lot()
    world.write(lot.change("1", "free"))
    await world.settle()
    for _ in range(3):
        lot.now_ms += MINUTE_MS
        world.write(lot.status())
    await world.settle()
    world.write(lot.change("1", "occupied", time_ms=lot.now_ms - 2 * MINUTE_MS - 1))
    before = world.reports_of()
    await world.drain()
    assert world.reports_of() == before
    await world.settle()
    assert world.reports_of() == world.expected() != before
    assert len(world.broker.records(OCCUPANCY)) > len(before)


async def test_while_changes_are_caught_up_with_minutes_ahead_of_them_wait():
    """Otherwise each change of the past would make all later minutes be reported again."""
    world, lot = World(), Lot()
    for slot in range(70):
        world.write(lot.change(str(slot), "occupied"))
        lot.now_ms += 1_000
    lot.now_ms += 600 * MINUTE_MS
    world.write(lot.status())
    await world.drain()  # the clock first, in alphabetical order
    assert len(world.minutes()) == 1, "closed by a change"
    await world.settle()
    assert world.reports_of() == world.expected()
    assert len(world.broker.records(OCCUPANCY)) == len(world.reports_of())


def test_an_emptied_zone_is_reported_with_zeros_as_long_as_minutes_may_have_been_reported_ahead():
    begin_ms = Lot().now_ms
    gone = Group(zone_id="a", kind="ev", emptied_at_ms=begin_ms + 5)
    there = Group(zone_id="b", kind="ev", slots=(1, 0, 0, 0))
    lot = minutes.Lot(at_ms=begin_ms + 5, version=7, groups=[gone, there])
    until_ms = begin_ms + minutes.AHEAD_MS
    last = [(m.zone_id, m.free) for m in minutes.occupancy("lot", lot, until_ms, until_ms + 1)]
    after = [
        m.zone_id
        for m in minutes.occupancy("lot", lot, until_ms + MINUTE_MS, until_ms + MINUTE_MS + 1)
    ]
    assert (last, after) == ([("a", 0), ("b", 1)], ["b"])


def test_minutes_are_reported_no_further_ahead_of_the_last_change():
    lot = minutes.Lot(at_ms=Lot().now_ms, version=7)
    site = handler.Site(clock_ms=lot.at_ms + 2 * minutes.AHEAD_MS, lot=lot, lot_due_ms=lot.at_ms)
    assert handler.due(b"lot", msgspec.json.encode(site)) is not None
    reported_ahead = replace(site, lot_due_ms=lot.at_ms + minutes.AHEAD_MS)
    assert handler.due(b"lot", msgspec.json.encode(reported_ahead)) is None


async def test_a_version_that_repeats_and_a_record_that_comes_again_count_once():
    world, lot = World(), Lot()
    world.write(lot.change("1", "free"))
    arrival = lot.change("1", "occupied")
    for _ in range(3):
        world.write(arrival)
    world.write(lot.entry())
    lot.now_ms += 2 * MINUTE_MS
    world.write(lot.status())
    await world.settle()
    before = world.reports_of()
    world.positions.clear()
    world.start()
    await world.settle()
    assert world.reports_of() == before == world.expected()
    assert [m.entries for m in world.minutes()] == [1]


async def test_times_that_cannot_be_open_no_minute_there():
    world, lot = World(), Lot()
    now_ms = lot.now_ms
    world.write(lot.change("1", "free", time_ms=now_ms + 3_600_000), at_ms=now_ms)
    world.write(lot.change("2", "free", time_ms=0), at_ms=now_ms)
    lot.now_ms += 2 * MINUTE_MS
    world.write(lot.status(time_ms=lot.now_ms + 3_600_000), at_ms=lot.now_ms)
    await world.settle()
    assert [m.minute_at_ms for m in world.minutes()] == [now_ms]
    early = World()
    early.write(Lot().change("1", "free", time_ms=0), at_ms=now_ms)
    early.write(Lot("lot", now_ms).status())
    await early.settle()
    assert early.minutes()[0].minute_at_ms >= now_ms - 7 * 24 * 3_600_000 - MINUTE_MS


async def test_what_is_unreadable_or_in_the_wrong_place_is_set_aside():
    world, lot = World(), Lot()
    good = lot.change("1", "free")
    world.write(good)
    world.broker.append(Outgoing(SLOT_CHANGES, b"lot", b"{", good.headers))
    world.broker.append(Outgoing(SLOT_CHANGES, b"other", good.value, good.headers))
    world.broker.append(Outgoing(SLOT_CHANGES, b"lot", good.value, good.headers, partition=11))
    await world.settle()
    letters = [codec.decode(record) for record in world.broker.records(DEAD_LETTERS)]
    reasons = {letter.reason for letter in letters if isinstance(letter, DeadLettered)}
    assert reasons == {"bad-json", "wrong-key", "wrong-partition"}


async def test_a_beat_moves_its_partition_and_means_nothing():
    world = World()
    moved: list[int] = []
    producer = MemoryProducer(world.broker)
    watched = Analytics(world.table, producer, world.clock, world.kinds, moved.append)
    await watched.beat([3, 5])
    for record in world.broker.records(ANALYTICS_CLOCK):
        await watched.apply(record)
    assert moved == [3, 5]
    assert world.reports_of() == {}


# ---------------------------------------------------------------- whatever the order
STATES = ("free", "occupied", "unknown", "closed")
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["change", "again", "entry", "exit", "status"]),
        st.integers(0, 150_000),
        st.sampled_from("123"),
        st.sampled_from(STATES),
        st.integers(0, 100_000),
    ),
    min_size=1,
    max_size=25,
)


def write_all(world: World, happenings: Sequence[tuple[str, int, str, Any, int]]) -> None:
    lot, last = Lot(), None
    for what, pause_ms, slot, state, late_ms in happenings:
        lot.now_ms += pause_ms
        time_ms = lot.now_ms - late_ms
        if what == "change" or (what == "again" and last is None):
            last = lot.change(
                slot,
                state,
                zone="ab"[late_ms % 2],
                reason="no-camera" if late_ms % 7 == 6 else "observed",
                time_ms=time_ms,
            )
            world.write(last, at_ms=lot.now_ms)
        elif what == "again" and last is not None:
            world.write(last, at_ms=lot.now_ms)
        elif what == "status":
            world.write(lot.status("nsew"[late_ms % 4], time_ms), at_ms=lot.now_ms)
        else:
            passed = lot.entry(time_ms) if what == "entry" else lot.exit(time_ms)
            world.write(passed, at_ms=lot.now_ms)


@settings(max_examples=100, deadline=None)
@given(HAPPENINGS, st.randoms(use_true_random=False), st.lists(st.integers(0, 12), max_size=4))
async def test_any_interleaving_and_any_crash_come_to_what_the_inputs_say(
    happenings: Any, random: Any, crashes: list[int]
):
    world = World()
    write_all(world, happenings)
    for writes in crashes:
        world.table.left = writes
        try:
            await world.drain(random.choice)
        except Killed:
            # What was not committed comes again, from anywhere before.
            world.positions = {
                place: random.randint(0, position) for place, position in world.positions.items()
            }
            world.start()
    world.table.left = None
    await world.settle(random.choice)
    assert world.reports_of() == world.expected()


def test_negative_control_the_oracle_sees_a_change_that_is_missing():
    world = World()
    write_all(world, [("change", 0, "1", "free", 0), ("change", 9_000, "1", "occupied", 0),
                      ("status", 150_000, "1", "free", 0)])  # fmt: skip
    records = [r for topic in SOURCES[:3] for r in world.broker.records(topic)]
    assert expected(records, "lot") != expected(records[:1] + records[2:], "lot")


# ---------------------------------------------------------------- settings
def test_settings_have_the_documented_defaults_and_know_live_alone():
    made = Settings.from_env({"KAFKA_BOOTSTRAP": "127.0.0.1:9092"})
    assert (made.http.port, made.session_s, made.stall_s) == (8085, 10.0, 120.0)
    with pytest.raises(SettingsError, match="RUN"):
        Settings.from_env({"KAFKA_BOOTSTRAP": "127.0.0.1:9092", "RUN": "two"})


def test_a_mark_names_its_minute():
    message = handler.mark("lot", 1_700_000_059_999)
    event = codec.decode(Record(message.topic, 0, 0, message.key, message.value, message.headers))
    assert isinstance(event, TickElapsed)
    assert (event.id, event.time_ms) == ("lot/clock/1700000040000", 1_700_000_040_000)
