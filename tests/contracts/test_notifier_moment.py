"""A site at one moment of the past. Postgres is real, and the object store is in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from parking.runtime.memory import MemoryObjectStore
from services.notifier.history import History
from services.notifier.moments import PICTURE_MAX_MS, Moments
from services.persister.migrate import migrate
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.infra import Infra

DAY = 86_400_000
NOON = 10 * DAY
SLOT = "insert into slots (site_id, slot_id, zone_id) values (%s, %s, 'A')"
CAMERA = "insert into cameras (camera_id, site_id, name) values (%s, %s, 'Camera')"
CHANGE = """
insert into slot_changes (id, run, site_id, slot_id, zone_id, time_ms, from_state, to_state,
                          version, confidence, reason, cause_kind, cause_id, camera_id, frame_id,
                          evidence_key)
values (%(id)s, %(run)s, %(site)s, %(slot)s, 'A', %(at_ms)s, 'free', %(state)s, 1, 0.9,
        %(reason)s, 'frame', 'f', 'demo/north', %(id)s, %(key)s)
"""
CAPTURE = """
insert into captures (frame_id, time_ms, site_id, camera_id, object_key)
values (%s, %s, 'demo', %s, %s)
"""


@dataclass
class Past:
    """A database and an object store to fill, and the HTTP client of a notifier that reads both."""

    connection: psycopg.AsyncConnection[Any]
    objects: MemoryObjectStore
    http: httpx.AsyncClient

    async def change(self, slot: str, at_ms: int, state: str, **other: str) -> None:
        values: dict[str, Any] = {
            "run": "live",
            "site": "demo",
            "reason": "observed",
            "key": None,
        } | other
        values |= {"id": f"{other}/{slot}/{at_ms}", "slot": slot, "at_ms": at_ms, "state": state}
        await self.connection.execute(CHANGE.encode(), values)
        if values["key"]:
            await self.objects.put(values["key"], values["key"].encode())

    async def capture(self, camera: str, at_ms: int, key: str | None) -> None:
        values = [f"{camera}-{at_ms}", at_ms, camera, key]
        await self.connection.execute(CAPTURE.encode(), values)
        if key:
            await self.objects.put(key, key.encode())

    async def at(self, at_ms: int) -> dict[str, Any]:
        answer = await self.http.get(f"/api/history/moment?site=demo&at_ms={at_ms}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def states(self, at_ms: int) -> dict[str, str]:
        return {slot["slot_id"]: slot["state"] for slot in (await self.at(at_ms))["slots"]}


@pytest.fixture
async def past(infra: Infra) -> AsyncIterator[Past]:
    with new_database(infra) as url:
        history, objects = History(url), MemoryObjectStore()
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            for site in ("demo", "other"):
                await connection.execute(b"insert into sites values (%s, 'Name')", [site])
                await connection.execute(SLOT.encode(), [site, "A1"])
            await connection.execute(SLOT.encode(), ["demo", "A2"])
            for camera in ("demo/north", "demo/south", "other/north"):
                values = [camera, camera.split("/")[0]]
                await connection.execute(CAMERA.encode(), values)
            async with Instance(
                Backend(None), Given(moments=Moments(history, objects))
            ) as notifier:
                yield Past(connection, objects, notifier.http)
        await history.close()


async def test_each_slot_has_the_state_of_its_last_change_before_the_moment(past: Past):
    """In the control, later changes, those of a replay and those of another site do not count."""
    await past.change("A1", NOON, "occupied")
    await past.change("A1", NOON + 10, "free")
    await past.change("A2", NOON - 30 * DAY, "free")
    await past.change("A2", NOON + 5, "occupied", run="replay")
    await past.change("A1", NOON + 5, "closed", site="other")
    assert await past.states(NOON - 1) == {"A2": "free"}
    assert await past.states(NOON) == {"A1": "occupied", "A2": "free"}
    assert await past.states(NOON + 9) == {"A1": "occupied", "A2": "free"}
    assert await past.states(NOON + 10) == {"A1": "free", "A2": "free"}
    slot = (await past.at(NOON + 99))["slots"][0]
    assert (slot["since_ms"], slot["reason"], slot["zone_id"]) == (NOON + 10, "observed", "A")


async def test_a_removed_slot_has_no_state(past: Past):
    await past.change("A1", NOON, "occupied")
    await past.change("A1", NOON + 10, "unknown", reason="removed")
    assert await past.states(NOON + 10) == {}


async def test_the_changes_before_and_after_the_moment_are_named(past: Past):
    for at_ms in (NOON, NOON + 10, NOON + 20):
        await past.change("A1", at_ms, "occupied")
    between, last = await past.at(NOON + 10), await past.at(NOON + 20)
    assert (between["previous_ms"], between["next_ms"]) == (NOON, NOON + 20)
    assert (last["previous_ms"], last["next_ms"]) == (NOON + 10, None)


async def test_each_camera_shows_its_newest_picture_before_the_moment(past: Past):
    """The control has a later picture, one of a change, one that was not kept, and one that is a
    day old."""
    await past.capture("demo/north", NOON - 20, "older")
    await past.change("A1", NOON - 10, "occupied", key="of-a-change")
    await past.capture("demo/north", NOON - 5, None)
    await past.capture("demo/north", NOON + 1, "later")
    await past.capture("demo/south", NOON - PICTURE_MAX_MS - 1, "old")
    pictures = (await past.at(NOON))["pictures"]
    assert [(p["camera_id"], p["time_ms"]) for p in pictures] == [("demo/north", NOON - 10)]
    answer = await past.http.get(pictures[0]["url"])
    assert (answer.content, answer.headers["content-type"]) == (b"of-a-change", "image/jpeg")
    await past.objects.delete(["of-a-change"])
    for url in (pictures[0]["url"], f"/api/history/moment.jpg?camera=demo/south&at_ms={NOON}"):
        answer = await past.http.get(url)
        assert (answer.status_code, answer.json()["error"]) == (404, "no-picture")
