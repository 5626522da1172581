"""What retention keeps of passages, stays and slot changes, also after a replay."""

import asyncio
from collections.abc import Sequence

import pytest

from parking.core import events as ev
from parking.core import topics
from parking.runtime.memory import ManualClock, MemoryObjectStore
from parking.wire.ports import Outgoing
from services.persister.retention import Keep, Retention
from tests.support import persisting as make
from tests.support.databases import Database, new_store
from tools.stack.infra import Infra

DAY_MS = 86_400_000
DAYS = 10
NOW_MS = make.NOW_MS + 100 * DAY_MS
LIMIT_MS = NOW_MS - DAYS * DAY_MS
KEEP = Keep(sessions_days=DAYS, changes_days=DAYS)
FOREVER = Keep(*[36_500.0] * 6)
DATED = ("gate_events", "session_events", "slot_changes")


@pytest.fixture
async def database(infra: Infra):
    async with new_store(infra) as made:
        yield made


async def retained(
    database: Database, keep: Keep = KEEP, objects: MemoryObjectStore | None = None
) -> dict[str, int]:
    """Run retention at NOW_MS. Return what it removed."""
    store = objects or MemoryObjectStore()
    made = Retention(database.pool, store, ManualClock(NOW_MS), keep)
    return await made.once(asyncio.Event())


def gates(count: int, before_limit_ms: int, first: int = 0) -> list[Outgoing]:
    events = [
        make.gate("demo", n, time_ms=LIMIT_MS - before_limit_ms, plate_hash=f"hash-{n}")
        for n in range(first, first + count)
    ]
    return [make.out(event, topics.GATE_EVENTS) for event in events]


def changes(*at: tuple[str, int, int]) -> list[Outgoing]:
    """Return a slot's changes, each with a version and an age in days."""
    events = [
        make.change(
            "demo",
            version,
            id=f"{slot_id}-{version}",
            slot_id=slot_id,
            time_ms=NOW_MS - days * DAY_MS,
        )
        for slot_id, version, days in at
    ]
    return [make.out(event, topics.SLOT_CHANGES) for event in events]


def stay(number: int, **steps_days: int) -> list[Outgoing]:
    """Return the steps of a stay, each so many days old."""
    events: list[ev.Event] = [
        make.session(
            "demo",
            number,
            kind,
            time_ms=NOW_MS - days * DAY_MS,
            plate_hash=f"hash-{number}",
            **({"entry_at_ms": number} if kind == "opened" else {}),
        )
        for kind, days in steps_days.items()
    ]
    return [make.out(event, topics.SESSIONS) for event in events]


def names(database: Database, column: str, table: str) -> list[str]:
    return [row[column] for row in database.rows(f"select {column} from {table} order by 1")]  # noqa: S608 -- a test's own words


def left(database: Database) -> dict[str, list[str]]:
    tables = {"gate_events": "id", "session_events": "id", "sessions": "session_id"}
    return {
        table: names(database, column, table)
        for table, column in {**tables, "slot_changes": "id"}.items()
    }


def older(database: Database) -> dict[str, int]:
    """Count the rows that are past their time, by table."""
    counted = {
        table: database.one(f"select count(*) as n from {table} where time_ms < {LIMIT_MS}")["n"]  # noqa: S608 -- a test's own words
        for table in DATED
    }
    sessions = database.one(f"select count(*) as n from sessions where updated_at_ms < {LIMIT_MS}")  # noqa: S608 -- a test's own words
    return {**counted, "sessions": sessions["n"]}


def plate(number: int, direction: str, days: float) -> Outgoing:
    """Return a plate that was read at the gate of a stay so many days ago."""
    event = ev.PlateSealed(
        id=f"{direction}-{number}",
        site_id="demo",
        time_ms=round(NOW_MS - days * DAY_MS),
        gate_id="main",
        direction="entry" if direction == "entry" else "exit",
        sealed="AAAA",
    )
    return make.out(event, topics.PLATES)


def parked(number: int, kind: str, entry_days: float, exit_days: float | None = None) -> Outgoing:
    """Return a stay that began, and ended, so many days ago."""
    event = make.session(
        "demo",
        number,
        kind,
        time_ms=NOW_MS - DAY_MS,
        entry_at_ms=round(NOW_MS - entry_days * DAY_MS),
        entry_gate_id="main",
        exit_at_ms=None if exit_days is None else round(NOW_MS - exit_days * DAY_MS),
        exit_gate_id=None if exit_days is None else "main",
    )
    return make.out(event, topics.SESSIONS)


async def test_plates_go_days_after_their_stay_and_no_sooner(database: Database):
    """The stays themselves are kept longer."""
    await database.takes(
        *(parked(1, "closed", 40, 11), plate(1, "entry", 40), plate(1, "exit", 11)),
        *(parked(2, "closed", 40.5, 9), plate(2, "entry", 40.5), plate(2, "exit", 9)),
        *(parked(3, "opened", 41), plate(3, "entry", 41)),
        *(parked(4, "overstay", 42), plate(4, "entry", 42)),
        *(parked(5, "corrected", 43), plate(5, "entry", 43)),  # ended a day ago
        *(plate(6, "entry", 11), plate(7, "entry", 9)),  # of no stay
    )
    removed = await retained(database, Keep(plates_days=DAYS))
    assert removed["plates"] == 3
    assert names(database, "id", "plates") == [
        *("entry-2", "entry-3", "entry-4", "entry-5", "entry-7", "exit-2"),
    ]
    assert len(names(database, "session_id", "sessions")) == 5


MIXED: Sequence[Outgoing] = [
    *gates(2, 1),
    *gates(2, 0, first=2),
    *stay(1, opened=40, closed=30),
    *stay(2, opened=40, corrected=11),
    *stay(3, opened=40, overstay=20, closed=9),
    *changes(("A1", 1, 40), ("A1", 2, 30), ("A1", 3, 9), ("B1", 1, 30), ("B1", 2, 20)),
]


async def test_nothing_past_its_time_is_left_but_each_slots_last_change(database: Database):
    await database.takes(*MIXED)
    before = left(database)
    everything = {"gate_events": 2, "session_events": 6, "slot_changes": 4, "sessions": 2}
    assert older(database) == everything
    await retained(database, FOREVER)
    assert left(database) == before, "it is the limits that remove"
    removed = await retained(database)
    assert older(database) == dict.fromkeys(everything, 0) | {
        "session_events": 2,  # of a stay that ended later
        "slot_changes": 2,  # A1 as the time that is kept begins, B1 since then
    }
    assert left(database) == {
        "gate_events": ["demo/gate/gate/1/2", "demo/gate/gate/1/3"],
        "session_events": [f"demo-session-3-{kind}" for kind in ("closed", "opened", "overstay")],
        "sessions": ["demo-session-3"],
        "slot_changes": ["A1-2", "A1-3", "B1-2"],
    }
    counts = {name: removed[name] for name in ("gate_events", "session_events", "sessions")}
    assert counts == {"gate_events": 2, "session_events": 4, "sessions": 2}
    assert removed["changes"] == 2
    assert not any((await retained(database)).values())


async def test_a_stay_goes_with_its_last_step(database: Database):
    await database.takes(*stay(1, opened=40, closed=9))
    made = Retention(database.pool, MemoryObjectStore(), ManualClock(NOW_MS + 2 * DAY_MS), KEEP)
    await made.once(asyncio.Event())
    assert left(database)["sessions"] == left(database)["session_events"] == []


async def test_it_continues_until_everything_is_deleted(database: Database):
    await database.takes(*gates(2_500, 1))
    assert (await retained(database))["gate_events"] == 2_500
    assert left(database)["gate_events"] == []


async def test_an_open_stay_is_kept_with_its_steps_and_a_repeat_changes_nothing(
    database: Database,
):
    steps = stay(1, opened=90, overstay=80)
    await database.takes(*steps, *stay(2, opened=90))
    for _ in range(2):
        assert not any((await retained(database)).values())
        stays = database.rows("select session_id, status from sessions order by 1")
        assert [row["status"] for row in stays] == ["overstay", "open"]
        await database.takes(steps[0])  # known: it does not open the stay again
    await database.takes(*stay(1, closed=0))
    ended = database.one("select * from sessions where session_id = 'demo-session-1'")
    assert ended["status"] == "closed"


async def test_what_comes_again_after_it_went_says_nothing_of_now_and_goes_again(
    database: Database,
):
    """A topic is read again from its beginning, in order, as always."""
    await database.takes(*MIXED)
    await retained(database)
    now = "select slot_id, state, version, change_id, changed_at_ms from slots order by 1"
    kept, slots = left(database), database.rows(now)
    assert [(row["slot_id"], row["version"]) for row in slots] == [("A1", 3), ("B1", 2)]
    await database.takes(*MIXED)
    assert left(database) != kept
    assert database.rows(now) == slots
    assert database.rows("select 1 from sessions where status in ('open', 'overstay')") == []
    await retained(database)
    assert left(database) == kept
    assert database.rows(now) == slots


@pytest.mark.parametrize("captured", [True, False], ids=["capture-kept", "capture-gone"])
async def test_a_picture_stays_while_a_row_names_it(database: Database, captured: bool):
    """A deleted change releases its picture, but the frame's own row may still refer to it."""
    (change,) = changes(("A1", 1, 40))
    frame, message = make.frame("demo", 1)
    key, objects = make.key_of(frame), MemoryObjectStore()
    await objects.put(key, b"picture")
    await database.events.note_objects([key], make.NOW_MS)
    await database.takes(change, *changes(("A1", 2, 30)), message)
    async with database.pool.connection() as connection:
        await connection.execute(
            "update slot_changes set evidence_key = %s where id = 'A1-1'", [key]
        )
        if captured:
            await connection.execute("update captures set object_key = %s", [key])
    keep = Keep(captures_days=36_500, evidence_days=36_500, changes_days=DAYS)
    await retained(database, keep, objects)
    assert left(database)["slot_changes"] == ["A1-2"]
    assert await objects.list("", 10) == ([key] if captured else [])
