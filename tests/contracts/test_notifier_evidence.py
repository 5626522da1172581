"""The stored pictures of past changes. Postgres is real, and the object store is in memory."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from parking.runtime.memory import MemoryObjectStore
from services.notifier.evidence import Evidence
from services.notifier.history import History
from services.persister.migrate import migrate
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.infra import Infra

DAY = 86_400_000
CHANGE = """
insert into slot_changes (id, run, site_id, slot_id, zone_id, time_ms, from_state, to_state,
                          version, confidence, reason, cause_kind, cause_id, camera_id, frame_id,
                          evidence_key, evidence_missing)
values (%s, 'live', 'demo', 'A1', 'A', %s, 'free', 'occupied', 1, 0.9, 'observed', %s, 'f',
        %s, %s, %s, %s)
"""
CAPTURE = """
insert into captures (frame_id, time_ms, site_id, camera_id, object_key)
values (%s, %s, 'demo', %s, %s)
"""
NORTH = "demo/north"


class Stored:
    """A database and an object store to fill, and a notifier that reads both."""

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Any],
        objects: MemoryObjectStore,
        notifier: Instance,
    ) -> None:
        self._connection = connection
        self.objects = objects
        self.http = notifier.http

    async def change(
        self, name: str, time_ms: int, key: str | None = None, missing: str | None = None
    ) -> None:
        """Add a change that a frame of `north` caused, or that time caused if `missing` is
        "tick"."""
        kind = "tick" if missing == "tick" else "frame"
        camera = None if kind == "tick" else NORTH
        reason = None if kind == "tick" else missing
        values = [name, time_ms, kind, camera, f"frame-{name}", key, reason]
        await self._connection.execute(CHANGE.encode(), values)
        if key:
            await self.objects.put(key, key.encode())

    async def capture(self, time_ms: int, key: str | None, camera: str = NORTH) -> None:
        values = [f"capture-{time_ms}", time_ms, camera, key]
        await self._connection.execute(CAPTURE.encode(), values)

    async def of(self, name: str) -> tuple[int | None, int | None, str | None]:
        """Return the times of the pictures before and after, and the reason if there is none."""
        answer = await self.http.get("/api/history/evidence", params={"change": name})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        before, after = (each and each["time_ms"] for each in (body["before"], body["after"]))
        return before, after, body["missing"]


@pytest.fixture
async def stored(infra: Infra) -> AsyncIterator[Stored]:
    with new_database(infra) as url:
        history, objects = History(url), MemoryObjectStore()
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            await connection.execute(b"insert into sites values ('demo', 'Demo')")
            given = Given(history=history, evidence=Evidence(history, objects))
            async with Instance(Backend(None), given) as notifier:
                yield Stored(connection, objects, notifier)
        await history.close()


async def test_the_picture_before_is_the_cameras_newest_stored_one(stored: Stored):
    """The control has newer pictures of another camera, one row without a picture, and the change's
    own."""
    await stored.capture(3 * DAY + 1, "old.jpg")
    await stored.capture(3 * DAY + 2, "before.jpg")
    await stored.capture(3 * DAY + 3, None)
    await stored.capture(3 * DAY + 4, "other.jpg", "demo/south")
    await stored.capture(3 * DAY + 5, "after.jpg")
    await stored.change("demo/A1/1", 3 * DAY + 6, "after.jpg")
    assert await stored.of("demo/A1/1") == (3 * DAY + 2, 3 * DAY + 6, None)


async def test_pictures_of_changes_remain_when_the_rows_of_captures_are_deleted(stored: Stored):
    await stored.change("first", 10 * DAY, "first.jpg")
    await stored.change("second", 10 * DAY + 1, "second.jpg")
    assert await stored.of("second") == (10 * DAY, 10 * DAY + 1, None)


async def test_a_picture_of_last_month_is_none_of_before(stored: Stored):
    await stored.change("first", 10 * DAY, "first.jpg")
    await stored.change("second", 20 * DAY, "second.jpg")
    assert await stored.of("second") == (None, 20 * DAY, None)


async def test_the_reason_for_no_picture_is_given(stored: Stored):
    await stored.change("policy", DAY, None, "policy")
    await stored.change("tick", DAY + 1, None, "tick")
    assert await stored.of("policy") == (None, None, "policy")
    assert await stored.of("tick") == (None, None, "no-frame")


async def test_pictures_are_read_by_their_address(stored: Stored):
    await stored.change("demo/A1/1", DAY, "before.jpg")
    await stored.change("demo/A1/2 +&", DAY + 1, "after.jpg")
    body = (await stored.http.get("/api/history/evidence?change=demo/A1/2 %2B%26")).json()
    for which in ("before", "after"):
        picture = await stored.http.get(body[which]["url"])
        assert (picture.status_code, picture.content) == (200, f"{which}.jpg".encode())
        assert picture.headers["content-type"] == "image/jpeg"


async def test_what_is_not_there_is_not_found(stored: Stored):
    await stored.change("swept", DAY, "swept.jpg")
    await stored.objects.delete(["swept.jpg"])
    for path, error in (
        ("evidence?change=none", "no-change"),
        ("picture.jpg?change=none&which=after", "no-change"),
        ("picture.jpg?change=swept&which=before", "no-picture"),
        ("picture.jpg?change=swept&which=after", "no-picture"),
    ):
        answer = await stored.http.get(f"/api/history/{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, error)
