"""Partitions by time on a real Postgres: no row is refused or stored twice, and partitions are
dropped as a whole."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import psycopg
import pytest

from parking.core import topics
from parking.core.errors import Retryable
from parking.core.events import FrameReceived
from parking.runtime.memory import ManualClock, MemoryObjectStore
from parking.wire import codec
from parking.wire.ports import Outgoing
from services.persister import partitions
from services.persister.migrate import migrate, shipped
from services.persister.partitions import DAY_MS, Partitions
from services.persister.postgres import PostgresEvents, new_pool
from services.persister.retention import Keep, Retention
from tests.support import persisting as make
from tests.support.databases import Database, new_database, new_store
from tools.stack.infra import Infra

pytestmark = pytest.mark.stack

TODAY_MS = make.NOW_MS // DAY_MS * DAY_MS
WEEK_MS = 7 * DAY_MS
DAYS = 10
KEEP = Keep(captures_days=DAYS, device_events_days=DAYS, changes_days=DAYS, evidence_days=DAYS)


@pytest.fixture
async def database(infra: Infra):
    async with new_store(infra) as made:
        yield made


def frame_at(time_ms: int, seq: int = 1) -> tuple[FrameReceived, Outgoing]:
    event = msgspec.structs.replace(make.frame("demo", seq)[0], time_ms=time_ms)
    return event, codec.outgoing_frame(event, make.jpeg(seq), "ingest")


def report_at(time_ms: int, number: int = 1) -> Outgoing:
    return make.out(make.device("demo", number, time_ms), topics.DEVICE_EVENTS)


def change_at(time_ms: int, version: int, slot_id: str = "A1") -> Outgoing:
    name = f"{slot_id}-{version}"
    event = make.change("demo", version, id=name, slot_id=slot_id, time_ms=time_ms)
    return make.out(event, topics.SLOT_CHANGES)


def where(database: Database, table: str) -> dict[int, str]:
    """Return the partition in which a row lies, by time."""
    rows = database.rows(f"select time_ms, tableoid::regclass::text as name from {table}")  # noqa: S608 -- a test's own words
    return {row["time_ms"]: row["name"] for row in rows}


def retention(database: Database, now_ms: int, objects: MemoryObjectStore) -> Retention:
    return Retention(database.pool, objects, ManualClock(now_ms), KEEP)


async def at(database: Database, now_ms: int) -> dict[str, int]:
    """Run retention at that time. Return what it removed."""
    return await retention(database, now_ms, MemoryObjectStore()).once(asyncio.Event())


async def test_rows_of_every_time_are_taken_each_in_its_partition(database: Database):
    assert await Partitions(database.pool).ensure(make.NOW_MS, {}) != []
    assert await Partitions(database.pool).ensure(make.NOW_MS, {}) == []
    times = {
        0: "default",
        TODAY_MS - 8 * DAY_MS: "default",
        TODAY_MS - 1: "20260920",
        TODAY_MS: "20260921",
        TODAY_MS + DAY_MS - 1: "20260921",
        TODAY_MS + 9 * DAY_MS: "default",
    }
    await database.takes(
        *(frame_at(time_ms, seq)[1] for seq, time_ms in enumerate(times)),
        *(report_at(time_ms, number) for number, time_ms in enumerate(times)),
    )
    for table in ("captures", "device_events"):
        assert where(database, table) == {t: f"{table}_{name}" for t, name in times.items()}


async def test_rows_move_out_of_the_default_partition_when_theirs_is_made(database: Database):
    await database.takes(frame_at(TODAY_MS)[1], change_at(TODAY_MS, 1), report_at(TODAY_MS))
    for table in partitions.STEPS_MS:
        assert where(database, table) == {TODAY_MS: f"{table}_default"}
    await Partitions(database.pool).ensure(make.NOW_MS, {})
    for table in partitions.STEPS_MS:
        assert "default" not in where(database, table)[TODAY_MS]
    await database.takes(frame_at(TODAY_MS)[1], change_at(TODAY_MS, 1), report_at(TODAY_MS))
    for table in partitions.STEPS_MS:
        assert len(database.rows(f"select from {table}")) == 1


@pytest.mark.parametrize("later_ms", [0, 1, DAY_MS - 1], ids=["same", "next-day", "a-day"])
async def test_an_event_that_comes_again_is_one_row_whatever_time_it_tells(
    database: Database, later_ms: int
):
    """A device without a clock repeats an unacknowledged event, which then has a later time of
    receipt."""
    await Partitions(database.pool).ensure(make.NOW_MS, {})
    first_ms = TODAY_MS + DAY_MS - 1
    again_ms = first_ms + later_ms
    first, again = frame_at(first_ms), frame_at(again_ms)
    messages = [first[1], change_at(first_ms, 1), report_at(first_ms)]
    repeats = [again[1], change_at(again_ms, 1), report_at(again_ms)]
    answer = make.out(make.detection(again[0]), topics.DETECTIONS)
    await database.takes(*messages)
    await database.takes(*repeats, answer, *repeats)
    for table in partitions.STEPS_MS:
        assert list(where(database, table)) == [first_ms]
    row = database.one("select status, box_count, received_at_ms from captures")
    assert (row["status"], row["box_count"]) == ("analysed", 1)
    assert await database.events.known({"A1-1": again_ms}) == {"A1-1"}


async def test_a_skipped_frame_of_an_older_detector_is_one_row(database: Database):
    """The detector names the frame but not its time."""
    frame, message = frame_at(TODAY_MS, 1)
    newer = make.detection(frame_at(TODAY_MS + 5_000, 2)[0], skipped=[frame.id])
    old = make.out(msgspec.structs.replace(newer, skipped_times_ms=[]), topics.DETECTIONS)
    await database.takes(old)
    await database.takes(message)
    await database.takes(old)
    rows = database.rows("select time_ms, status from captures order by time_ms")
    assert [tuple(row.values()) for row in rows] == [
        (TODAY_MS, "skipped"),
        (TODAY_MS + 5_000, "analysed"),
    ]


async def test_past_partitions_go_as_a_whole_and_the_rest_stays(database: Database):
    await at(database, make.NOW_MS)
    days = range(-3, 4)
    await database.takes(
        *(frame_at(TODAY_MS + day * DAY_MS, 10 + day)[1] for day in days),
        *(report_at(TODAY_MS + day * DAY_MS, 10 + day) for day in days),
        frame_at(5, 99)[1],
    )
    removed = await at(database, TODAY_MS + DAYS * DAY_MS)
    assert removed["partitions"] == 15  # seven days before today of both, a week of changes
    assert removed["captures"] == 1  # in no partition of its own
    kept = [TODAY_MS + day * DAY_MS for day in days if day >= 0]
    assert sorted(where(database, "captures")) == sorted(where(database, "device_events")) == kept
    assert not any((await at(database, TODAY_MS + DAYS * DAY_MS)).values())
    removed = await at(database, TODAY_MS + 100 * DAY_MS)
    assert where(database, "captures") == where(database, "device_events") == {}


async def test_the_last_change_of_each_slot_outlives_its_partition(database: Database):
    week_ms = make.NOW_MS // WEEK_MS * WEEK_MS
    await at(database, make.NOW_MS)
    await database.takes(
        *(change_at(week_ms + n, n) for n in (1, 2, 3)),
        *(change_at(week_ms + n, n, "B1") for n in (4, 5)),
        change_at(week_ms + WEEK_MS, 9),
    )
    removed = await at(database, week_ms + WEEK_MS + DAYS * DAY_MS)
    assert removed["partitions"] >= 1
    kept = {week_ms + 3: "default", week_ms + 5: "default"}
    found = where(database, "slot_changes")
    assert {
        t: name.rsplit("_", 1)[1] for t, name in found.items() if t != week_ms + WEEK_MS
    } == kept
    await at(database, week_ms + 3 * WEEK_MS + DAYS * DAY_MS)
    rows = database.rows("select id from slot_changes order by id")
    assert [row["id"] for row in rows] == ["A1-9", "B1-5"]


async def test_pictures_of_a_dropped_partition_are_swept(database: Database):
    objects, now_ms = MemoryObjectStore(), make.NOW_MS
    await retention(database, now_ms, objects).once(asyncio.Event())
    await database.takes(frame_at(TODAY_MS)[1], change_at(TODAY_MS, 1), change_at(TODAY_MS, 2))
    for key in ("of-both", "of-capture", "of-change", "orphan"):
        await objects.put(key, b"x")
    await database.events.note_objects(["of-both", "of-capture", "of-change", "orphan"], now_ms)
    async with database.pool.connection() as connection:
        await connection.execute("update captures set object_key = 'of-both'")
        await connection.execute("update slot_changes set evidence_key = 'of-' || "
                                 "case version when 1 then 'both' else 'change' end")  # fmt: skip
    await retention(database, now_ms + 2 * 3_600_000, objects).once(asyncio.Event())
    assert await objects.list("", 9) == ["of-both", "of-change"]
    assert database.rows("select from objects") == [], "each is looked at once"
    await retention(database, now_ms + (DAYS + 1) * DAY_MS, objects).once(asyncio.Event())
    assert await objects.list("", 9) == []
    assert database.rows("select from objects") == []


async def test_a_crash_between_detaching_and_dropping_is_made_up_for(database: Database):
    await at(database, make.NOW_MS)
    await database.takes(change_at(TODAY_MS, 1), frame_at(TODAY_MS)[1])
    later_ms = TODAY_MS + WEEK_MS + DAYS * DAY_MS

    class Crashing(Partitions):
        async def _finish(self, table: str, gone: str) -> None:
            raise Retryable(f"{gone} stays")

    for table in ("captures", "slot_changes"):
        with pytest.raises(Retryable, match="_gone stays"):
            await Crashing(database.pool).drop(table, later_ms - DAYS * DAY_MS)
    assert where(database, "slot_changes") == where(database, "captures") == {}
    await at(database, later_ms)
    assert where(database, "slot_changes") == {TODAY_MS: "slot_changes_default"}
    assert database.rows(r"select from pg_class where relname like '%\_gone'") == []


async def test_a_reader_that_does_not_end_holds_up_the_partitions_and_no_row(database: Database):
    await at(database, make.NOW_MS)
    async with database.pool.connection() as reader:
        await reader.execute("select from captures")
        with pytest.raises(Retryable, match="LockNotAvailable"):
            await at(database, make.NOW_MS + 30 * DAY_MS)
        await database.takes(frame_at(TODAY_MS + 40 * DAY_MS)[1])
    assert list(where(database, "captures")) == [TODAY_MS + 40 * DAY_MS]


async def test_rows_written_while_partitions_are_made_are_not_refused(database: Database):
    """A row on its way into the default partition would violate its new bounds."""

    async def write() -> None:
        for seq in range(60):
            await database.takes(frame_at(make.NOW_MS + seq * DAY_MS // 10, seq)[1])

    async def make_them() -> None:
        for day in range(8):
            await Partitions(database.pool).ensure(make.NOW_MS + day * DAY_MS, {})

    await asyncio.gather(write(), make_them())
    found = where(database, "captures")
    assert len(found) == 60
    assert not any(name.endswith("default") for name in found.values())


async def test_a_repeated_result_is_that_of_the_frame_it_names(database: Database):
    (first, one), (second, two) = make.frame("demo", 1), make.frame("demo", 2)
    judged = make.detection(first)
    again = msgspec.structs.replace(make.detection(second), reused_from=first.id)
    await database.takes(one, two, *(make.out(d, topics.DETECTIONS) for d in (judged, again)))
    rows = database.rows("select * from capture_results order by time_ms")
    for name in ("boxes", "health", "model_id", "layout_version", "box_count"):
        assert rows[0][name] == rows[1][name]
        assert rows[0][name] is not None
    ((seen,), (repeated,)) = (row["observations"] for row in rows)
    assert seen == {"slot_id": "A1", "state": "occupied", "confidence": 0.9, "since_ms": None}
    assert repeated == seen | {"since_ms": first.time_ms}
    assert database.one("select boxes from captures where reused_from is not null") == {
        "boxes": None
    }


# ---------------------------------------------------------------- the migration
_BEFORE: Sequence[str] = (
    "insert into captures (frame_id, site_id, camera_id, time_ms, status, sha256, boxes) "
    "select 'demo/north/1/' || n, 'demo', 'demo/north', {t} - n * 86400000::bigint, 'analysed', "
    "'ab', '[]' from generate_series(0, 39) n",
    "insert into captures (frame_id, site_id, camera_id, time_ms) "
    "values ('demo/north/1/early', 'demo', 'demo/north', 7), "
    "('demo/north/1/late', 'demo', 'demo/north', {t} + 20 * 86400000::bigint)",
    "insert into device_events (id, site_id, device_id, time_ms, kind, reason) "
    "select n::text, 'demo', 'demo/north', {t} - n, 'online', 'why' from generate_series(0, 9) n",
    "insert into slot_changes (id, run, site_id, slot_id, zone_id, time_ms, from_state, to_state, "
    "version, confidence, reason, cause_kind, cause_id, evidence_key) "
    "select n::text, 'live', 'demo', 'A1', 'A', {t} - n, 'free', 'occupied', n, 0.9, 'seen', "
    "'frame', 'f', 'key-' || n from generate_series(0, 9) n",
)


async def test_what_the_last_version_wrote_is_all_there_after_the_migration(infra: Infra):
    steps, now_ms = shipped(), 0
    with new_database(infra) as url:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection, [step for step in steps if step.number < 5])
            cursor = await connection.execute("select (extract(epoch from now()) * 1000)::bigint")
            (now_ms,) = (await cursor.fetchone()) or (0,)
            for text in _BEFORE:
                await connection.execute(text.format(t=now_ms).encode())
            before = await _everything(connection)
            await migrate(connection, steps)
            assert await _everything(connection) == before
        async with new_pool(url, 2) as pool:
            database = Database(url, pool, PostgresEvents(pool))
            late_ms = now_ms + 20 * DAY_MS
            known = {"device_id": "demo/north", "site_id": "demo"}
            assert database.rows("select * from devices") == [known]
            assert where(database, "captures")[late_ms] == "captures_default"
            assert where(database, "captures")[7] == "captures_before"
            await at(database, now_ms)
            await database.takes(frame_at(now_ms + DAY_MS, 500)[1])
            found = where(database, "captures")
            assert "default" not in found[now_ms + DAY_MS]
            kept = [t for t in found if t <= now_ms]
            assert min(kept) >= now_ms - DAYS * DAY_MS, "the days hold for old rows too"
            assert await database.events.known({"3": now_ms}) == {"3"}
            await at(database, now_ms + 30 * DAY_MS)
            names = {p.name for p in await Partitions(database.pool).of("captures")}
            assert "captures_before" not in names
            assert where(database, "slot_changes") == {now_ms: "slot_changes_default"}


async def test_an_empty_database_has_nothing_from_before(database: Database):
    assert [await Partitions(database.pool).of(t) for t in partitions.STEPS_MS] == [[], [], []]


async def _everything(connection: psycopg.AsyncConnection) -> dict[str, list[object]]:
    """Return all rows as the last version had them, in order."""
    found: dict[str, list[object]] = {}
    for table, key in (("captures", "frame_id"), ("device_events", "id"), ("slot_changes", "id")):
        text = f"select to_jsonb(t) - 'reused_from' from {table} t order by {key}"  # noqa: S608 -- a test's own words
        rows = await (await connection.execute(text.encode())).fetchall()
        found[table] = [row[0] for row in rows]
    return found


def test_which_partitions_there_should_be():
    spans = partitions.wanted(make.NOW_MS, DAY_MS, 0)
    assert (spans[0].from_ms, spans[-1].to_ms) == (TODAY_MS - WEEK_MS, TODAY_MS + 8 * DAY_MS)
    assert all(a.to_ms == b.from_ms for a, b in pairwise(spans))
    kept = partitions.wanted(make.NOW_MS, DAY_MS, make.NOW_MS - DAY_MS)
    assert kept[0].from_ms == TODAY_MS - DAY_MS
    before = partitions.Partition("x", partitions.Span(0, TODAY_MS + DAY_MS), regular=False)
    assert partitions.missing(kept, [before])[0].from_ms == TODAY_MS + DAY_MS
    assert partitions.named("captures", kept[1]) == "captures_20260921"
