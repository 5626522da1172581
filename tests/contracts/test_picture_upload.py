"""Upload a picture in the page, to try the system: from the notifier through ingest to Kafka, over
HTTP."""

import asyncio
from typing import Any

import cv2
import numpy as np
import pytest

from parking.core.topics import FRAMES
from services.ingest import uploads
from tests.support.camera_setup import Rig, rig
from tests.support.cameras import jpeg
from tests.support.notifying import frame, record, status
from tests.support.pulling import MAX_BYTES
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(60)
CAMERA = "demo/north"
PATH = f"/api/v1/cameras/{CAMERA}/picture"
LATEST = f"/api/v1/cameras/{CAMERA}/latest.jpg"
JPEG = {"Content-Type": "image/jpeg"}


def frames(own: Rig) -> list[Any]:
    return own.world.events(FRAMES, CAMERA)


async def test_an_uploaded_picture_is_a_frame_of_its_camera_each_time(tmp_path):
    async with rig(tmp_path) as own:
        answers = [await own.http.post(PATH, content=jpeg(), headers=JPEG) for _ in range(2)]
        assert [one.status_code for one in answers] == [202, 202]
        first, second = frames(own)
        assert [one.json()["id"] for one in answers] == [first.id, second.id]
        assert first.id != second.id
        assert first.id.startswith(f"{CAMERA}/upload/")
        assert (first.via, first.time_source, first.width, first.height) == (
            "api",
            "receipt",
            64,
            48,
        )


async def test_the_page_is_told_that_the_newest_picture_was_uploaded(tmp_path):
    async with rig(tmp_path) as own:
        await own.http.post(PATH, content=jpeg(), headers=JPEG)
        await own.backend.write(record(status("demo")))
        await until(lambda: own.feed.state.camera_view(CAMERA))
        shown = await own.http.get(LATEST)
        assert (shown.status_code, shown.headers["x-frame-via"]) == (200, "api")
        again = await own.http.post(PATH, content=jpeg(2), headers=JPEG)
        assert again.status_code == 202


async def test_a_camera_that_sends_pictures_itself_gets_none_from_the_page(tmp_path):
    async with rig(tmp_path) as own:
        await own.backend.write(frame("demo", 1, jpeg(), (64, 48)))
        await own.backend.write(record(status("demo")))
        await until(lambda: own.feed.state.camera_view(CAMERA))
        refused = await own.http.post(PATH, content=jpeg(), headers=JPEG)
        assert (refused.status_code, refused.json()["error"]) == (409, "camera-sends")
        assert len(frames(own)) == 1


REFUSED: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"not a picture", JPEG, 422, "not-a-jpeg"),
    (b"", JPEG, 400, "empty"),
    (jpeg()[:200], JPEG, 422, "truncated"),
    (b"x" * (MAX_BYTES + 1), JPEG, 413, "too-large"),
    (b"x" * 1_000_001, JPEG, 413, "too-large"),
    (jpeg(), {"Content-Type": "image/png"}, 415, "not-image-jpeg"),
]


async def test_what_is_no_small_jpeg_is_refused_with_the_reason(tmp_path):
    wide = cv2.imencode(".jpg", np.full((1500, 1500), 90, np.uint8))[1].tobytes()
    async with rig(tmp_path) as own:
        for content, headers, code, error in [*REFUSED, (wide, JPEG, 422, "too-many-pixels")]:
            answer = await own.http.post(PATH, content=content, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (code, error)
            assert answer.json()["detail"]
        unnamed = await own.http.post("/api/v1/cameras/demo/Trial/picture", content=jpeg())
        assert unnamed.status_code == 422
        assert frames(own) == []


async def test_only_so_many_pictures_are_taken_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "AT_ONCE", 1)
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> bytes:
        begun.set()
        await goes_on.wait()
        return jpeg()

    monkeypatch.setattr(uploads, "read_jpeg", slow)
    async with rig(tmp_path) as own:
        first = asyncio.ensure_future(own.http.post(PATH, content=jpeg(), headers=JPEG))
        await asyncio.wait_for(begun.wait(), 5)
        second = await own.http.post(PATH, content=jpeg(), headers=JPEG)
        assert (second.status_code, second.json()["error"]) == (503, "busy")
        goes_on.set()
        assert (await first).status_code == 202


async def test_without_the_right_or_the_scope_nothing_is_taken(tmp_path):
    async with rig(tmp_path, scopes=("live",)) as own:
        answer = await own.http.post(PATH, content=jpeg(), headers=JPEG)
        assert (answer.status_code, answer.json()["error"]) == (503, "no-right-at-ingest")
        nobody = await own.http.post(PATH, content=jpeg(), headers=JPEG | {"Authorization": ""})
        assert nobody.status_code == 401
        assert frames(own) == []
