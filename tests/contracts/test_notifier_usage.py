"""How a site was used, from a real Postgres. Minutes are counted from the start of yesterday,
UTC."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from parking.core.events import SiteSettings
from services.notifier.history import History
from services.persister.migrate import migrate
from tests.support import notifying as make
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.infra import Infra

MINUTE = 60_000
DAY = 24 * 60
START = (datetime.now(UTC) - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
START_MS = round(START.timestamp() * 1000)
SLOTS = """
insert into sites values ('demo', 'Demo'), ('other', 'Other');
insert into slots (site_id, slot_id, zone_id, kind)
values ('demo', 'A1', 'A', 'ev'), ('demo', 'A2', 'A', 'standard'), ('demo', 'B1', 'B', 'standard'),
       ('other', 'A1', 'A', 'standard');
"""
CHANGE = """
insert into slot_changes (id, run, site_id, slot_id, zone_id, time_ms, from_state, to_state,
                          version, confidence, reason, cause_kind, cause_id)
values (%s, %s, %s, %s, %s, %s, 'unknown', %s, %s, 0.9, %s, 'frame', 'f')
"""


class Past:
    """A database to fill with changes, and a notifier that reads it."""

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], backend: Backend, notifier: Instance
    ) -> None:
        self._connection = connection
        self._backend = backend
        self._notifier = notifier
        self._count = 0

    async def change(
        self, slot: str, steps: Iterable[tuple[int, str]], site: str = "demo", run: str = "live"
    ) -> None:
        """Add changes of a slot as minutes after the start and the state; "removed" removes the
        slot."""
        for minute, state in steps:
            self._count += 1
            reason = "removed" if state == "removed" else "evidence"
            state = "unknown" if state == "removed" else state
            time_ms = START_MS + minute * MINUTE
            values = [str(self._count), run, site, slot, slot[0], time_ms, state, self._count]
            await self._connection.execute(CHANGE.encode(), [*values, reason])

    async def set_time_zone(self, name: str) -> None:
        layout = replace(make.layout("demo"), site=SiteSettings(time_zone=name))
        await self._backend.write(make.record(layout))
        assert await self._notifier.holds_layout(layout.camera_id, layout)

    async def get(self, name: str, site: str = "demo", chosen: str = "range=yesterday") -> Any:
        answer = await self._notifier.http.get(f"/api/history/{name}?site={site}&{chosen}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def past(infra: Infra) -> AsyncIterator[Past]:
    with new_database(infra) as url:
        history = History(url)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            await connection.execute(SLOTS.encode())
            backend = Backend(None)
            async with Instance(backend, Given(history=history)) as notifier:
                yield Past(connection, backend, notifier)
        await history.close()


async def test_occupancy_counts_slots_by_zone_and_kind(past: Past):
    await past.change("A1", [(-60, "free"), (60, "occupied"), (120, "free")])
    await past.change("B1", [(0, "occupied")])
    await past.change("A2", [(0, "occupied")], run="replay")
    await past.change("A1", [(0, "occupied")], site="other")
    answer = await past.get("occupancy")
    groups = {(s["zone_id"], s["kind"]): s for s in answer["series"]}
    assert sorted(groups) == [("A", "ev"), ("B", "standard")]  # A2 is not known yet
    assert (answer["bucket_ms"], len(answer["starts_ms"])) == (5 * MINUTE, DAY // 5)
    occupied = groups["A", "ev"]["occupied"]
    assert (occupied[11], occupied[12], occupied[23], occupied[24]) == (0, 1, 1, 0)
    assert sum(occupied) == 12
    assert groups["A", "ev"]["free"] == [1 - each for each in occupied]
    assert groups["B", "standard"]["occupied"] == [1] * (DAY // 5)


async def test_a_part_of_a_point_counts_as_a_part(past: Past):
    await past.change("A1", [(0, "free"), (61, "occupied"), (64, "closed"), (70, "unknown")])
    (series,) = (await past.get("occupancy"))["series"]
    point = {state: series[state][12] for state in ("free", "occupied", "closed", "unknown")}
    assert point == {"free": 0.2, "occupied": 0.6, "closed": 0.2, "unknown": 0}


async def test_a_removed_slot_counts_until_then(past: Past):
    await past.change("A1", [(-5, "free"), (60, "removed")])
    (series,) = (await past.get("occupancy"))["series"]
    assert (series["free"][11], series["free"][12], sum(series["unknown"])) == (1, 0, 0)


async def test_time_in_each_state_by_slot(past: Past):
    await past.change("A1", [(-60, "occupied"), (30, "free"), (40, "unknown"), (60, "closed")])
    (slot,) = (await past.get("usage"))["slots"]
    states = [slot[f"{state}_ms"] // MINUTE for state in ("occupied", "free", "unknown", "closed")]
    assert states == [30, 10, 20, DAY - 60]


async def test_stays_are_counted_where_they_end_with_their_whole_length(past: Past):
    """The control has stays that end before or after the range, and one whose start was not
    seen."""
    await past.change("A1", [(-90, "free"), (-60, "occupied"), (-30, "free"), (-20, "occupied")])
    await past.change("A1", [(10, "free"), (20, "occupied"), (120, "free"), (1000, "occupied")])
    await past.change("A1", [(DAY + 1, "free")])
    await past.change("B1", [(0, "occupied"), (50, "free")])
    answer = await past.get("usage")
    whole = {"count": 2, "p50_ms": 30 * MINUTE, "p90_ms": 100 * MINUTE}
    assert answer["stays"] == whole
    assert {zone["zone_id"]: zone["stays"] for zone in answer["zones"]} == {
        "A": whole,
        "B": {"count": 0, "p50_ms": None, "p90_ms": None},
    }
    assert {slot["slot_id"]: slot["stays"]["count"] for slot in answer["slots"]} == {
        "A1": 2,
        "B1": 0,
    }


async def test_unknown_in_between_does_not_end_a_stay(past: Past):
    """The same holds for unknown around the start of the range. In the control, closed does end a
    stay."""
    steps = [(-40, "free"), (-30, "occupied"), (-5, "unknown"), (5, "occupied"), (30, "free")]
    await past.change("A1", steps)
    await past.change("B1", [(0, "free"), (10, "occupied"), (20, "closed"), (30, "occupied")])
    answer = await past.get("usage")
    assert answer["stays"] == {"count": 2, "p50_ms": 10 * MINUTE, "p90_ms": 60 * MINUTE}


async def test_busy_hours_are_shares_of_the_known_slots(past: Past):
    await past.change("A1", [(0, "occupied"), (8 * 60, "free")])
    await past.change("B1", [(0, "free"), (7 * 60, "unknown"), (8 * 60, "unknown")])
    hours = {each["hour"]: each for each in (await past.get("usage"))["hours"]}
    assert len(hours) == 24
    assert {each["weekday"] for each in hours.values()} == {START.weekday()}
    assert [hours[hour]["occupied_share"] for hour in (6, 7, 8)] == [0.5, 1, 0]


async def test_days_may_be_chosen(past: Past):
    await past.change("A1", [(-60, "occupied")])
    day = START.date()
    answer = await past.get("occupancy", chosen=f"from_day={day}&to_day={day}")
    assert (answer["from_ms"], answer["to_ms"]) == (START_MS, START_MS + DAY * MINUTE)
    assert sum(answer["series"][0]["occupied"]) == DAY // 5


async def test_days_are_the_sites_and_otherwise_those_of_whoever_asks(past: Past):
    day = f"from_day={START.date()}&to_day={START.date()}&time_zone=Asia/Tokyo"
    assert (await past.get("usage", chosen=day))["from_ms"] == START_MS - 9 * 60 * MINUTE
    await past.set_time_zone("Asia/Jakarta")
    answer = await past.get("usage", chosen=day)
    assert (answer["from_ms"], answer["time_zone"]) == (START_MS - 7 * 60 * MINUTE, "Asia/Jakarta")


async def test_a_site_without_history_is_empty(past: Past):
    assert (await past.get("occupancy", site="none"))["series"] == []
    answer = await past.get("usage", site="none")
    assert (answer["slots"], answer["zones"], answer["hours"]) == ([], [], [])
    assert answer["stays"]["count"] == 0


async def test_changes_are_filtered_by_zone_and_cause(past: Past):
    await past.change("A1", [(10, "free")])
    await past.change("B1", [(20, "free")])
    for chosen, slots in (("zone=B", ["B1"]), ("cause=frame", ["B1", "A1"]), ("cause=tick", [])):
        answer = await past.get("changes", chosen=chosen)
        assert [change["slot_id"] for change in answer] == slots
        assert {change["cause_kind"] for change in answer} <= {"frame"}
