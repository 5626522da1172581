"""Slots proposed from stored boxes. Postgres is real. Minutes are counted back from now."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from parking.access.keys import KeyFile
from services.notifier.history import History
from services.persister.migrate import migrate
from tests.support import notifying as make
from tests.support.databases import new_database
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.infra import Infra

MINUTE = 60_000
NORTH = "demo/north"
PATH = f"/api/v1/cameras/{NORTH}/slot-proposals"
LEFT, RIGHT = (0.1, 0.4, 0.3, 0.6), (0.6, 0.4, 0.8, 0.6)
CAPTURE = """
insert into captures (frame_id, time_ms, site_id, camera_id, status, width, height, reused_from,
                      health, boxes)
values (%s, %s, 'demo', %s, 'analysed', 1280, 720, %s, %s, %s)
"""


class Stored:
    """A database to fill with captures, and a notifier that reads it."""

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], notifier: Instance, key: str
    ) -> None:
        self._connection = connection
        self.write = {"Authorization": f"Bearer {key}"}
        self._now_ms = time.time_ns() // 1_000_000
        self.notifier = notifier

    async def capture(
        self,
        minutes_ago: int,
        *boxes: tuple[float, ...],
        camera: str = NORTH,
        health: str = "ok",
        reused: int | None = None,
    ) -> None:
        """Add a frame. With `reused`, it repeats the frame of so many minutes ago."""
        shown = [{"xyxy": box, "confidence": 0.9, "label": "vehicle"} for box in boxes]
        results = (None, None) if reused else (Jsonb({"status": health}), Jsonb(shown))
        source = reused and f"{camera}/{reused}"
        values = [f"{camera}/{minutes_ago}", self._now_ms - minutes_ago * MINUTE, camera, source]
        await self._connection.execute(CAPTURE.encode(), [*values, *results])

    async def proposed(self, source: str) -> tuple[int, list[tuple[float, int]]]:
        """Return the number of frames, and for each proposal its left edge and how often it was
        taken."""
        answer = await self.notifier.http.get(PATH, params={"source": source}, headers=self.write)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["frames"], sorted(
            (round(min(x for x, _ in one["polygon"]), 1), one["frames"]) for one in body["slots"]
        )


@pytest.fixture
async def stored(infra: Infra, tmp_path: Path) -> AsyncIterator[Stored]:
    keys = KeyFile(tmp_path / "keys")
    key = keys.add("office", "write")
    with new_database(infra) as url:
        history = History(url)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
            await connection.execute(b"insert into sites values ('demo', 'Demo')")
            backend = Backend(None)
            async with Instance(
                backend, Given(history=history, keys=tmp_path / "keys")
            ) as notifier:
                layout = make.layout("demo")
                await backend.write(make.record(layout))
                assert await notifier.holds_layout(layout.camera_id, layout)
                yield Stored(connection, notifier, key)
        await history.close()


async def test_the_newest_picture_is_the_newest_one_that_can_be_believed(stored: Stored):
    """The control has an older picture, a dark one, and one of another camera."""
    await stored.capture(9, LEFT)
    await stored.capture(5, RIGHT)
    await stored.capture(2, LEFT, health="dark")
    await stored.capture(1, LEFT, camera="demo/south")
    assert await stored.proposed("picture") == (1, [(0.6, 1)])


async def test_a_picture_that_repeats_a_result_has_its_boxes(stored: Stored):
    await stored.capture(5, RIGHT)
    await stored.capture(2, reused=5)
    assert await stored.proposed("picture") == (1, [(0.6, 1)])
    assert await stored.proposed("day") == (2, [(0.6, 2)])


async def test_a_day_is_sampled_and_older_pictures_do_not_count(stored: Stored):
    """There are two pictures in each step of a whole day, and one of them counts."""
    for n in range(3, 20 * 60, 60):
        await stored.capture(n, RIGHT)
        await stored.capture(n + 1, RIGHT)
    for n in range(24 * 60 + 1, 30 * 60, 10):
        await stored.capture(n, LEFT)
    frames, places = await stored.proposed("day")
    assert 20 <= frames < 40
    assert places == [(0.6, frames)]


async def test_without_pictures_nothing_is_proposed(stored: Stored):
    assert await stored.proposed("picture") == await stored.proposed("day") == (0, [])


async def test_an_unknown_camera_and_a_wrong_source_are_refused(stored: Stored):
    http, write = stored.notifier.http, stored.write
    unknown = await http.get("/api/cameras/demo/nosuch/slot-proposals", headers=write)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "no-camera")
    assert (await http.get(PATH, params={"source": "week"}, headers=write)).status_code == 422
    assert (await http.get(PATH)).status_code == 401
