"""History from a real Postgres: queries use indexes, and requests that cannot be answered get a
correct message."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from parking.access.keys import KeyFile
from parking.core.errors import Retryable
from services.notifier.history import History
from services.persister.migrate import migrate
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.infra import Infra

ROUTES = ("/api/history/changes", "/api/captures")
# Of 20,000 rows each; one site, `rare`, has few.
ROWS = """
insert into sites select 'site-' || n from generate_series(0, 9) n;
insert into cameras (camera_id, site_id)
select format('site-%s/cam-%s', s, c), 'site-' || s
from generate_series(0, 9) s cross join generate_series(0, 2) c;
insert into slot_changes (id, run, site_id, slot_id, zone_id, time_ms, from_state, to_state,
                          version, confidence, reason, cause_kind, cause_id)
select n::text, 'live', case when n % 1000 = 0 then 'rare' else 'site-' || n % 10 end,
       'S' || n / 10 % 40, 'A', 1000 * (n / 3), 'free', 'occupied', n, 0.9, 'observed', 'frame', 'f'
from generate_series(1, 20000) n;
insert into captures (frame_id, site_id, camera_id, time_ms)
select n::text, 'site-' || n % 10, 'site-' || n % 10 || '/cam-' || n / 10 % 3, 1000 * (n / 3)
from generate_series(1, 20000) n;
insert into device_events (id, site_id, device_id, time_ms, kind)
select n::text, 'site-' || n % 10, 'site-' || n % 10 || '/cam-' || n / 10 % 3, 1000 * n, 'heartbeat'
from generate_series(1, 20000) n;
analyze;
"""


CURSOR = "WzkwMDAwMCw5LCI5Il0"  # [900000,9,"9"]


class Explained(History):
    """Answers with the query plan instead of the rows."""

    async def rows(self, query: str, arguments: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        return await super().rows(f"explain {query}", arguments)


@pytest.fixture
def empty(infra: Infra) -> Iterator[str]:
    with new_database(infra) as url:
        yield url


@pytest.fixture
async def migrated(empty: str) -> str:
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as connection:
        await migrate(connection)
    return empty


@pytest.fixture
async def filled(migrated: str) -> AsyncIterator[History]:
    async with await psycopg.AsyncConnection.connect(migrated, autocommit=True) as connection:
        await connection.execute(ROWS.encode())
    history = Explained(migrated)
    yield history
    await history.close()


async def test_everything_is_found_by_an_index(filled: History):
    old = "from_ms=1000&to_ms=900000"
    asked = [
        *("", "limit=1000", old, "site=site-3", "site=rare", "site=none", "slot=S7", "slot=none"),
        f"cursor={CURSOR}",
        f"site=site-3&cursor={CURSOR}",
        *("site=site-3&slot=S7", f"site=site-3&{old}", f"site=site-3&slot=none&{old}"),
        *("camera=site-3/cam-1", "camera=site-3/none", f"camera=site-3/cam-1&{old}"),
    ]
    async with Instance(Backend(None), Given(history=filled)) as notifier:
        for path in ROUTES:
            for chosen in asked:
                plan = (await notifier.http.get(f"{path}?{chosen}")).text
                assert "Index" in plan, f"{path}?{chosen}: {plan}"
                few = plan.replace("Seq Scan on cameras", "")
                assert "Seq Scan" not in few, f"{path}?{chosen}: {plan}"


@pytest.mark.parametrize("chosen", ["", "site=site-3&", "slot=S7&", "from_ms=5000000&"])
async def test_pages_follow_each_other_without_gap_or_double(filled: History, chosen: str):
    """Several rows have the same time. The control reads the same rows as one large page."""
    past = History(filled.url)
    async with Instance(Backend(None), Given(history=past)) as notifier:
        for path, name in zip(ROUTES, ("id", "frame_id"), strict=True):
            if path == ROUTES[1]:
                chosen = chosen.replace("slot=S7&", "camera=site-3/cam-1&")
            whole = await notifier.http.get(f"{path}?{chosen}limit=1000")
            address, found = f"{path}?{chosen}limit=7", list[str]()
            while address and len(found) < 150:
                page = await notifier.http.get(address)
                found += [row[name] for row in page.json()]
                address = page.links.get("next", {}).get("url", "")
            assert found == [row[name] for row in whole.json()][: len(found)]
            assert len(found) == min(len(whole.json()), len(found))
            assert len(found) >= 18
        for cursor in ("x", "W10", "%00", "eyJ9"):
            answer = await notifier.http.get(f"{ROUTES[0]}?cursor={cursor}")
            assert (answer.status_code, answer.json()["error"]) == (422, "bad-cursor")
    await past.close()


async def test_a_camera_that_ingest_asks_is_known_as_polled(migrated: str, tmp_path: Path):
    """Its newest report counts, so a camera that has published since then is no longer polled."""
    reports = [
        ("demo/ip", "demo/ip/pull/7-1/offline", 1, "timeout"),
        ("demo/esp", "demo/esp/status/1/1/online", 1, None),
        ("demo/both", "demo/both/pull/7-2/online", 1, None),
        ("demo/both", "demo/both/status/1/1/online", 2, None),
    ]
    async with await psycopg.AsyncConnection.connect(migrated, autocommit=True) as connection:
        await connection.execute("insert into sites values ('demo')")
        for device_id in {report[0] for report in reports}:
            await connection.execute(
                "insert into devices (device_id, site_id) values (%s, 'demo')", (device_id,)
            )
        for device_id, event_id, time_ms, reason in reports:
            await connection.execute(
                "insert into device_events (id, site_id, device_id, time_ms, kind, reason)"
                " values (%s, 'demo', %s, %s, %s, %s)",
                (event_id, device_id, time_ms, event_id.rsplit("/", 1)[1], reason),
            )
    key = KeyFile(tmp_path / "keys").add("ops", "devices")
    past = History(migrated)
    given = Given(keys=tmp_path / "keys", devices=tmp_path / "passwords", history=past)
    async with Instance(Backend(None), given) as notifier:
        headers = {"Authorization": f"Bearer {key}"}
        rows = (await notifier.http.get("/api/sites/demo/devices", headers=headers)).json()
    await past.close()
    assert {row["device_id"]: (row["polled"], row["state_reason"]) for row in rows} == {
        "demo/ip": (True, "timeout"),
        "demo/esp": (False, None),
        "demo/both": (False, None),
    }


async def test_a_plan_made_for_others_is_not_kept(migrated: str):
    """A prepared query soon gets one plan for all sites, and then the whole table is searched for a
    rare site."""
    history = History(migrated)
    for _ in range(12):
        await history.rows("select %(n)s::int as n", {"n": 1})
    assert await history.rows("select name from pg_prepared_statements", {}) == []
    await history.close()


async def test_a_camera_of_another_site_is_not_searched_for(migrated: str):
    history = Explained(migrated)
    async with Instance(Backend(None), Given(history=history)) as notifier:
        asked = "/api/captures?camera=site-3/cam-1&site="
        assert (await notifier.http.get(f"{asked}site-4")).json() == []
        assert (await notifier.http.get(f"{asked}site-3")).json() != []
    await history.close()


async def test_a_timeout_is_distinguished_from_an_outage(migrated: str):
    history = History(migrated, limit_s=0.2)
    async with (
        Instance(Backend(None), Given(history=history)) as notifier,
        await psycopg.AsyncConnection.connect(migrated) as other,
    ):
        await other.execute("lock table slot_changes, captures")
        for path in ROUTES:
            response = await notifier.http.get(path)
            assert (response.status_code, response.json()["error"]) == (503, "too-slow")
            assert "narrow it to a site" in response.json()["detail"]
            assert "away" not in response.json()["detail"]
        await other.rollback()
        assert (await notifier.http.get(ROUTES[0])).json() == []
    await history.close()


async def test_missing_tables_of_the_persister_are_reported(empty: str, tmp_path: Path):
    key = KeyFile(tmp_path / "keys").add("fleet", "devices")
    history = History(empty)
    given = Given(keys=tmp_path / "keys", history=history, devices=tmp_path / "passwords")
    async with Instance(Backend(None), given) as notifier:
        for path in ROUTES:
            response = await notifier.http.get(path)
            assert (response.status_code, response.json()["error"]) == (503, "no-tables")
            assert "persister" in response.json()["detail"]
        headers = {"Authorization": f"Bearer {key}"}
        devices = await notifier.http.get("/api/sites/demo/devices", headers=headers)
        assert (devices.status_code, devices.json()) == (200, [])
        async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as connection:
            await migrate(connection)
        assert (await notifier.http.get(ROUTES[0])).json() == []
    await history.close()


async def test_an_outage_is_one_still():
    history = History("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Retryable, match="unavailable") as away:
        await history.rows("select 1", {})
    assert away.value.reason == "unavailable"
    await history.close()
