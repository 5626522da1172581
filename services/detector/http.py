"""The detector's private HTTP: analyse one picture, judge drawn outlines, show the last picture.
Never expose it."""

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, Observation, SlotState
from parking.core.topics import site_of
from parking.runtime.ops import Health
from parking.vision.overlay import Mark, draw, encode
from parking.vision.relocation import LayoutProposal, propose
from parking.wire.bodies import TooLarge, read_at_most
from parking.wire.previews import PreviewOrder
from parking.wire.reading import read
from services.detector.adapters import ModelThread
from services.detector.analysis import Job
from services.detector.layouts import Layouts
from services.detector.picture import decode
from services.detector.previewing import answer, layout_of
from services.detector.recent import Latest, Shown

WAITING_LIMIT: Final = 4
PREVIEW_LIMIT: Final = 2
"""A drawing is judged only while few pictures of cameras wait and nothing is left out for them."""
OUTLINES_MAX_BYTES: Final = 1_000_000


class Refused(Exception):
    """A refused request: HTTP status, slug and explanation."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes need."""

    model: ModelThread
    model_id: str
    layouts: Layouts
    latest: Latest
    max_bytes: int
    max_pixels: int
    overloaded: Callable[[], bool] = lambda: False


def new_app(parts: Parts, health: Health) -> FastAPI:
    """Return the app, with /healthz, /readyz and /metrics."""
    app = FastAPI(title="detector", docs_url=None, redoc_url=None, routes=[*health.routes()])

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        headers = {"Retry-After": "1"} if error.status == 503 else None
        content = {"error": error.error, "detail": error.detail}
        return JSONResponse(content, error.status, headers)

    @app.post("/analyze")
    async def analyze(request: Request, camera: str | None = None) -> Response:
        return await _analyze(parts, request, camera)

    @app.post("/preview")
    async def preview(request: Request) -> Response:
        return await _preview(parts, request)

    @app.get("/overlay/{site}/{device}")
    async def overlay(site: str, device: str) -> Response:
        shown = parts.latest.of(_camera(f"{site}/{device}"))
        if shown is None:
            raise Refused(404, "no-frame", f"no frame of {site}/{device} was analysed here so far")
        jpeg = await asyncio.to_thread(_drawn, shown, parts.max_pixels)
        headers = {"Cache-Control": "no-store", "X-Time-Ms": str(shown.detection.time_ms)}
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    @app.get("/proposal/{site}/{device}")
    async def proposal(site: str, device: str) -> Response:
        shown = parts.latest.of(_camera(f"{site}/{device}"))
        if shown is None or shown.layout is None:
            raise Refused(
                404, "no-frame", f"no frame of {site}/{device} has been analysed with a layout"
            )
        try:
            layout_proposal = await asyncio.to_thread(
                _proposed, shown.layout, shown, parts.max_pixels
            )
        except Invalid as error:
            raise Refused(404, error.reason, error.detail) from error
        return Response(msgspec.json.encode(layout_proposal), media_type="application/json")

    return app


def _proposed(layout: LayoutPublished, shown: Shown, max_pixels: int) -> LayoutProposal:
    return propose(layout, decode(shown.jpeg, max_pixels, None))


async def _analyze(parts: Parts, request: Request, camera: str | None) -> Response:
    layout = None
    if camera is not None:
        layout = parts.layouts.of(_camera(camera))
        if layout is None:
            raise Refused(404, "no-layout", f"no layout is known for {camera}")
    if request.headers.get("content-type", "").split(";")[0].strip() != "image/jpeg":
        raise Refused(415, "not-a-jpeg", "send the picture itself, Content-Type: image/jpeg")
    jpeg = await _body(request.stream(), parts.max_bytes)
    if parts.model.waiting >= WAITING_LIMIT:
        raise Refused(503, "busy", f"{parts.model.waiting} pictures are already waiting")
    (result,) = await parts.model.analyse([Job(jpeg, layout=layout)], {})
    if isinstance(result, Invalid):
        raise Refused(422, result.reason, result.detail)
    content: dict[str, Any] = {
        "camera_id": camera,
        "site_id": layout.site_id if layout else None,
        "model_id": parts.model_id,
        **{name: getattr(result, name) for name in result.__slots__},
    }
    return Response(msgspec.json.encode(content), media_type="application/json")


async def _preview(parts: Parts, request: Request) -> Response:
    body = await _body(request.stream(), 2 * parts.max_bytes + OUTLINES_MAX_BYTES)
    try:
        order = read(body, PreviewOrder)
    except Invalid as error:
        raise Refused(422, error.reason, error.detail[:500]) from error
    if parts.model.waiting >= PREVIEW_LIMIT:
        raise Refused(503, "busy", f"{parts.model.waiting} pictures are already waiting")
    if parts.overloaded():
        raise Refused(503, "busy", "the cameras need more time than there is")
    layout = layout_of(order, parts.layouts.of(order.camera_id))
    (result,) = await parts.model.analyse([Job(order.jpeg, layout=layout)], {})
    if isinstance(result, Invalid):
        raise Refused(422, result.reason, result.detail)
    content = msgspec.json.encode(answer(order.outlines, result))
    return Response(content, media_type="application/json")


def _camera(camera_id: str) -> str:
    try:
        site_of(camera_id)
    except Invalid as error:
        raise Refused(400, error.reason, error.detail) from error
    return camera_id


async def _body(chunks: AsyncIterable[bytes], limit: int) -> bytes:
    try:
        body = await read_at_most(chunks, limit)
    except TooLarge:
        raise Refused(413, "too-large", f"at most {limit} bytes are accepted") from None
    if not body:
        raise Refused(400, "empty", "the body is empty: send a JPEG")
    return body


def _drawn(shown: Shown, max_pixels: int) -> bytes:
    detection = shown.detection
    states = {seen.slot_id: seen for seen in detection.observations}
    slots = shown.layout.slots if shown.layout else []
    marks = [
        Mark(slot.polygon, _state(states.get(slot.slot_id)), slot.slot_id)
        for slot in slots
        if slot.enabled
    ]
    health = detection.health
    condition = health.status if health.reason is None else f"{health.status}: {health.reason}"
    caption = f"{detection.camera_id}  {len(detection.boxes)} vehicles  {condition}"
    return encode(draw(decode(shown.jpeg, max_pixels, None), marks, detection.boxes, caption))


def _state(seen: Observation | None) -> SlotState:
    return seen.state if seen else "unknown"
