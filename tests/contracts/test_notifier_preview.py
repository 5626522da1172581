"""What the detector reports for outlines that are being drawn. The notifier and the detector's HTTP
server each use a real socket, and the detector finds white rectangles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from parking.access.keys import KeyFile
from parking.runtime.ops import Health, HttpSettings, http_loop
from services.detector.adapters import ModelThread
from services.detector.http import PREVIEW_LIMIT, Parts, new_app
from services.notifier.previews import Previews
from tests.support.detector_tools import analyser, jpeg, layout, scene, tools
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import frame, record
from tests.support.notifying import layout as published
from tools.stack.checks import HOST, free_ports

CAMERA = "demo/north"
PATH = f"/api/v1/cameras/{CAMERA}/slot-preview"
A1, A2, A3 = (slot.polygon for slot in layout().slots)


class Detector:
    """A detector's HTTP server at an address."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self.model = ModelThread(analyser().analyse)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        known = tools(layout())
        parts = Parts(self.model, "white@0", known.layouts, known.latest, 200_000, 480 * 270)
        stop = asyncio.Event()
        loop = http_loop(new_app(parts, Health()), HttpSettings(HOST, self.port))(stop)
        task = asyncio.ensure_future(loop)
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection(HOST, self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        try:
            yield
        finally:
            stop.set()
            await task


@pytest.fixture
async def detector() -> AsyncIterator[Detector]:
    made = Detector()
    yield made
    made.model.close()


@pytest.fixture
async def notifier(detector: Detector, tmp_path: Path) -> AsyncIterator[Instance]:
    key = KeyFile(tmp_path / "keys").add("office", "write")
    backend = Backend(None)
    await backend.write(record(published("demo")))
    for number, cars in enumerate((["A2"], ["A1", "A3"]), start=1):
        await backend.write(frame("demo", number, jpeg(scene(cars)), (480, 270)))
    previews = Previews(f"http://{HOST}:{detector.port}")
    async with Instance(backend, Given(keys=tmp_path / "keys", previews=previews)) as running:
        running.http.headers["Authorization"] = f"Bearer {key}"
        yield running


async def asked(notifier: Instance, offset: int, *outlines: Any) -> tuple[int, Any]:
    wish = {"frame_offset": offset, "outlines": outlines or [A1]}
    answer = await notifier.http.post(PATH, json=wish)
    return answer.status_code, answer.json()


async def test_outlines_are_judged_on_the_picture_they_are_drawn_on(
    notifier: Instance, detector: Detector
):
    """In the control, an older picture of the same camera gives other states."""
    picture = await notifier.http.get(f"/api/v1/cameras/{CAMERA}/latest.jpg")
    newest = int(picture.headers["x-frame-offset"])
    async with detector.running():
        for offset, wanted in ((newest, ["occupied", "free"]), (newest - 1, ["free", "occupied"])):
            status, body = await asked(notifier, offset, A1, A2)
            assert status == 200, body
            assert [one["state"] for one in body["outlines"]] == wanted


async def test_a_detector_that_is_away_or_busy_is_named(notifier: Instance, detector: Detector):
    status, body = await asked(notifier, 1)
    assert (status, body["error"]) == (503, "no-detector")
    async with detector.running():
        detector.model.waiting = PREVIEW_LIMIT
        status, body = await asked(notifier, 1)
        assert (status, body["error"]) == (503, "busy")
        detector.model.waiting = 0
        assert (await asked(notifier, 1))[0] == 200


async def test_pictures_that_are_gone_and_bad_wishes_are_refused(notifier: Instance):
    status, body = await asked(notifier, 99)
    assert (status, body["error"]) == (404, "no-picture")
    assert "reload the page" in body["detail"]
    assert (await asked(notifier, -1))[0] == 422
    assert (await asked(notifier, 1, [[0, 0], [2, 2], [0, 1]]))[0] == 422
    elsewhere = "/api/v1/cameras/demo/none/slot-preview"
    wish = {"frame_offset": 1, "outlines": [A1]}
    assert (await notifier.http.post(elsewhere, json=wish)).status_code == 404
    nobody = await notifier.http.post(PATH, json=wish, headers={"Authorization": ""})
    assert nobody.status_code == 401


async def test_without_a_detectors_address_it_says_so(tmp_path: Path):
    key = KeyFile(tmp_path / "keys").add("office", "write")
    backend = Backend(None)
    await backend.write(record(published("demo")))
    async with Instance(backend, Given(keys=tmp_path / "keys")) as running:
        running.http.headers["Authorization"] = f"Bearer {key}"
        status, body = await asked(running, 1)
        assert (status, body["error"]) == (503, "no-detector")
        assert "DETECTOR_URL" in body["detail"]
