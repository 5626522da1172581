"""The versions of a layout. Postgres is real and is filled as the persister fills it."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg.types.json import Jsonb

from parking.core.events import LayoutPublished
from services.notifier.history import History
from services.persister.migrate import migrate
from tests.support import notifying as make
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.infra import Infra

FIRST = make.layout("demo")
NORTH = FIRST.camera_id
PATH = f"/api/v1/cameras/{NORTH}/layout/versions"
LOGS = {1: FIRST, 2: replace(FIRST, slots=[], version=2, time_ms=2), 3: replace(FIRST, version=3)}


async def store(
    connection: psycopg.AsyncConnection, log_id: str, layouts: dict[int, LayoutPublished]
) -> None:
    for version, layout in layouts.items():
        body = Jsonb(msgspec.to_builtins(layout))
        values = [log_id, layout.camera_id, version, "demo", layout.time_ms, body]
        await connection.execute(
            b"insert into layouts (log_id, camera_id, version, site_id, time_ms, body)"
            b" values (%s, %s, %s, %s, %s, %s)",
            values,
        )


@pytest.fixture
async def http(infra: Infra) -> AsyncIterator[httpx.AsyncClient]:
    """Return the client. As a control there is also a log from before Kafka was wiped, with other
    versions of the same camera."""
    with new_database(infra) as url:
        history = History(url)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            await connection.execute(b"insert into sites values ('demo', 'Demo')")
            await connection.execute(
                b"insert into cameras (camera_id, site_id, layout_log_id)"
                b" values (%s, 'demo', 'new')",
                [NORTH],
            )
            await store(connection, "old", {7: replace(FIRST, version=7)})
            await store(connection, "new", LOGS)
            async with Instance(Backend(None), Given(history=history)) as notifier:
                yield notifier.http
        await history.close()


async def test_versions_are_listed_newest_first(http: httpx.AsyncClient):
    answer = (await http.get(PATH)).json()
    count = len(FIRST.slots)
    assert [(one["version"], one["slots"]) for one in answer] == [(3, count), (2, 0), (1, count)]
    assert answer[1]["time_ms"] == 2
    assert not any(one["removed"] for one in answer)
    assert (await http.get(PATH.replace("north", "nosuch"))).json() == []


async def test_a_version_is_read_as_it_was_published(http: httpx.AsyncClient):
    answer = await http.get(f"{PATH}/2")
    assert msgspec.json.decode(answer.content, type=LayoutPublished) == LOGS[2]


async def test_a_version_that_is_not_stored_is_not_found(http: httpx.AsyncClient):
    for version, status in (("7", 404), ("4", 404), ("0", 422), ("x", 422), ("9" * 30, 422)):
        assert (await http.get(f"{PATH}/{version}")).status_code == status, version
