"""The detector's private HTTP server, with the detector that finds white rectangles."""

import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import msgspec
import numpy as np
import pytest

from parking.runtime.ops import Health
from parking.wire.previews import PreviewOrder
from services.detector.adapters import ModelThread
from services.detector.analysis import Analyser, Options
from services.detector.ground import Grounds
from services.detector.handler import Tools, handle_frames
from services.detector.http import WAITING_LIMIT, Parts, new_app
from services.detector.judging import Judge
from services.detector.learning import Learning
from services.detector.load import Load
from services.detector.model import Facts
from services.detector.picture import decode
from services.detector.placing import Placing
from services.detector.previewing import layout_of
from tests.support.detector_tools import (
    WhiteDetector,
    analyser,
    frame,
    jpeg,
    layout,
    record,
    scene,
    tools,
)

OCCUPIED = jpeg(scene(["A2"]))
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def known() -> Tools:
    return tools(layout())


@pytest.fixture
async def client(known: Tools) -> AsyncIterator[httpx.AsyncClient]:
    model = ModelThread(analyser(options=Options(max_pixels=480 * 270)).analyse)
    parts = Parts(model, "white@0", known.layouts, known.latest, 200_000, 480 * 270)
    transport = httpx.ASGITransport(new_app(parts, Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://detector") as made:
        yield made
    model.close()


async def test_a_picture_of_a_known_camera_gives_its_slots(client):
    params = {"camera": "demo/north"}
    answer = await client.post("/analyze", params=params, content=OCCUPIED, headers=JPEG)
    assert answer.status_code == 200
    body = answer.json()
    states = {seen["slot_id"]: seen["state"] for seen in body["observations"]}
    assert states == {"A1": "free", "A2": "occupied", "A3": "free"}
    assert (body["layout_version"], body["width"], body["height"]) == (1, 480, 270)
    assert body["health"]["status"] == "ok"


async def test_without_a_camera_boxes_only(client):
    body = (await client.post("/analyze", content=OCCUPIED, headers=JPEG)).json()
    assert (body["camera_id"], body["observations"], len(body["boxes"])) == (None, [], 1)


@pytest.mark.parametrize(
    ("camera", "body", "headers", "status", "error"),
    [
        ("demo/elsewhere", OCCUPIED, JPEG, 404, "no-layout"),
        ("../etc", OCCUPIED, JPEG, 400, "bad-camera-id"),
        (None, OCCUPIED, {"Content-Type": "text/plain"}, 415, "not-a-jpeg"),
        (None, OCCUPIED, {}, 415, "not-a-jpeg"),
        (None, b"", JPEG, 400, "empty"),
        (None, b"hello", JPEG, 422, "undecodable"),
        (None, OCCUPIED[:3000], JPEG, 422, "undecodable"),
        (None, bytes(200_001), JPEG, 413, "too-large"),
        (None, jpeg(scene(size_wh=(640, 480)), 20), JPEG, 422, "too-many-pixels"),
    ],
)
async def test_bad_input_gets_a_clear_answer(client, camera, body, headers, status, error):
    params = {"camera": camera} if camera else {}
    answer = await client.post("/analyze", params=params, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["detail"]


async def test_overlay_shows_the_last_analysed_frame(client, known):
    for n, data in enumerate((jpeg(scene()), OCCUPIED)):
        await handle_frames([record(frame(data, n), n)], known)
    answer = await client.get("/overlay/demo/north")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["x-time-ms"] == "1700000000001"
    shown = decode(answer.content, 2_000_000, (480, 270)).astype(int)
    change = np.abs(shown - scene(["A2"])).max(axis=2)
    assert change[60:200, 200:280].max() > 60  # hatching and letter in the occupied slot
    assert np.median(change[230:, :]) < 12  # nothing where no slot is


async def test_overlay_of_an_unknown_camera_and_a_bad_name(client):
    assert (await client.get("/overlay/demo/none")).json()["error"] == "no-frame"
    assert (await client.get("/overlay/demo/A_B")).status_code == 400


async def test_only_so_many_cameras_are_kept(client, known):
    for n in range(6):
        await handle_frames([record(frame(OCCUPIED, n, f"demo/c{n}"), n, n)], known)
    answers = [(await client.get(f"/overlay/demo/c{n}")).status_code for n in range(6)]
    assert answers == [404, 404, 200, 200, 200, 200]


async def test_the_ops_routes_are_there(client):
    assert [
        (await client.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")
    ] == [
        200,
        200,
        200,
    ]


async def test_more_than_a_few_waiting_pictures_are_refused(known):
    go_on = threading.Event()
    analyse = analyser().analyse

    def slow(jobs, looks, last_views):
        assert go_on.wait(10)
        return analyse(jobs, looks, last_views)

    model = ModelThread(slow)
    parts = Parts(model, "white@0", known.layouts, known.latest, 200_000, 480 * 270)
    transport = httpx.ASGITransport(new_app(parts, Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://detector") as made:
        sent = [
            asyncio.ensure_future(made.post("/analyze", content=OCCUPIED, headers=JPEG))
            for _ in range(WAITING_LIMIT)
        ]
        while model.waiting < WAITING_LIMIT:  # noqa: ASYNC110 -- the product needs no event for it
            await asyncio.sleep(0.01)
        busy = await made.post("/analyze", content=OCCUPIED, headers=JPEG)
        go_on.set()
        answers = await asyncio.gather(*sent)
    model.close()
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
    assert [answer.status_code for answer in answers] == [200] * WAITING_LIMIT


A1 = [(0.1, 0.25), (0.3, 0.25), (0.3, 0.75), (0.1, 0.75)]
CROSSED = [(0.1, 0.1), (0.3, 0.3), (0.3, 0.1), (0.1, 0.3)]


def order(outlines: list[list[tuple[float, float]]], data: bytes = OCCUPIED) -> bytes:
    return msgspec.json.encode(PreviewOrder(camera_id="demo/north", jpeg=data, outlines=outlines))


async def test_drawn_outlines_are_judged_in_their_order(client, known):
    """Those of the published slots get the same states, and one that crosses itself is unknown."""
    slots = known.layouts.of("demo/north").slots
    outlines = [slots[1].polygon, CROSSED, slots[0].polygon]
    body = (await client.post("/preview", content=order(outlines))).json()
    assert [one["state"] for one in body["outlines"]] == ["occupied", "unknown", "free"]
    assert body["health"]["status"] == "ok"
    assert known.latest.of("demo/north") is None


async def test_drawn_outlines_of_a_new_camera_are_judged(client, known):
    outline = known.layouts.of("demo/north").slots[1].polygon
    wish = PreviewOrder(camera_id="new/west", jpeg=OCCUPIED, outlines=[outline])
    body = (await client.post("/preview", content=msgspec.json.encode(wish))).json()
    assert [one["state"] for one in body["outlines"]] == ["occupied"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 422, "bad-json"),
        (b"{}", 422, "bad-schema"),
        (order([A1], b"hello"), 422, "undecodable"),
        (b" " * 2_000_000, 413, "too-large"),
    ],
)
async def test_a_bad_preview_gets_a_clear_answer(client, body, status, error):
    answer = await client.post("/preview", content=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_preview_replaces_nothing_that_is_remembered_of_its_camera():
    live = layout()
    outlines = [[(0.1, 0.1), (0.3, 0.1), (0.3, 0.4)]]
    drawn = layout_of(PreviewOrder(camera_id=live.camera_id, jpeg=b"", outlines=outlines), live)
    grounds, learning = Grounds(), Learning(Placing())
    ground, basis = grounds.of(live, (480, 270)), learning.basis(live)
    assert grounds.of(drawn, (480, 270)) is not ground
    assert grounds.of(live, (480, 270)) is ground
    assert Learning(Placing()).basis(drawn) != basis
    assert learning.basis(drawn) != basis
    assert learning.basis(live) == basis


@pytest.mark.parametrize(("overloaded", "status"), [(True, 503), (False, 200)])
async def test_an_overloaded_detector_refuses_drawings_but_no_pictures(known, overloaded, status):
    overloads = Load(clock_s=lambda: 100.0)
    overloads.add_work(1.0)
    overloads.level = int(overloaded)
    analyse = Analyser(Judge(Facts(), None, WhiteDetector()), Options(), lambda: None, overloads)
    model = ModelThread(analyse.each)
    parts = Parts(
        model,
        "white@0",
        known.layouts,
        known.latest,
        200_000,
        480 * 270,
        lambda: analyse.overloaded,
    )
    transport = httpx.ASGITransport(new_app(parts, Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://detector") as made:
        drawn = await made.post("/preview", content=order([A1]))
        picture = await made.post("/analyze", content=OCCUPIED, headers=JPEG)
    model.close()
    assert (drawn.status_code, picture.status_code) == (status, 200)
    assert drawn.headers.get("retry-after") == ("1" if overloaded else None)
