"""HTTP intake of pictures, for devices that speak only HTTP: `POST /ingest/v1/frames/...`.

The answer is 202 only once Kafka has the picture. Every refusal has a reason, as `{"error": slug,
"detail": words}`. Each key is valid for the pictures of one camera. A sequence number that was used
before, also over MQTT, is a replay: it is counted and reported, but not written.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from parking.access.bearer import Bearer
from parking.access.keys import KeyFile
from parking.core.errors import Invalid, Retryable
from parking.core.topics import HTTP_FRAMES, DeviceTopic, site_of
from parking.runtime.faults import fault, holding
from parking.runtime.metrics import REFUSED_REQUESTS
from parking.runtime.ops import Health
from parking.runtime.places import SHARE, Places, Taken, Visitor
from parking.runtime.screen import Screen
from parking.wire.codec import event_id
from parking.wire.ports import Clock, Producer
from services.ingest.counting import count
from services.ingest.door import Denied, read_jpeg, require_camera, require_key
from services.ingest.handler import dead_letter, handle_frame
from services.ingest.live import live_routes
from services.ingest.messages import Context, Handled, Limits, Message
from services.ingest.replay import Known
from services.ingest.uploads import Uploads, upload_routes

RETRY_AFTER_S: Final = 2
_MAX_CONCURRENT: Final = 16
_MAX_EACH: Final = 2
"""Concurrent pictures per key, so that slow bodies sent with one key do not block the others."""
_STATUS: Final = {"too-large": 413, "bad-camera-id": 404, "slow-body": 408, "empty": 400}
_RETRY: Final = {"Retry-After": str(RETRY_AFTER_S)}
_SHOWN: Final = f"{HTTP_FRAMES}/SITE/CAMERA"
_MAX_NUMBER: Final = 10**16
_Number = Annotated[int | None, Header(ge=0, lt=_MAX_NUMBER)]


class Accepted(BaseModel):
    """The picture is durable."""

    frame_id: str = Field(description="its id in all later records")
    time_ms: int = Field(description="time of the picture, Unix milliseconds")


@dataclass(frozen=True, slots=True)
class Intake:
    """What the route needs."""

    keys: KeyFile
    producer: Producer
    limits: Limits
    clock: Clock
    screen_of: Callable[[str], Screen | None] | None = None
    known: Known = field(default_factory=Known)
    routes: Callable[[Bearer], APIRouter] | None = None
    """Additional routes (pull/setup.py)."""


def new_app(intake: Intake, health: Health) -> FastAPI:
    """Return the app with the intake and the operational routes."""
    app = FastAPI(
        title="Smart Parking ingest",
        version="1",
        routes=[*health.routes()],
        docs_url=None,  # its pages would load scripts from other sites
        redoc_url=None,
    )
    bearer = Bearer(intake.keys, intake.clock)
    if intake.screen_of is not None:
        app.include_router(live_routes(bearer, intake.screen_of))
    if intake.routes is not None:
        app.include_router(intake.routes(bearer))
    uploads = Uploads(intake.producer, intake.limits, intake.clock, intake.known)
    app.include_router(upload_routes(bearer, uploads))
    app.add_exception_handler(Denied, _refused)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _no_route)
    room = Places(_MAX_CONCURRENT, _MAX_EACH)

    @app.post(HTTP_FRAMES + "/{site}/{camera}", status_code=202)
    async def post_frame(
        request: Request,
        site: str,
        camera: str,
        x_boot_id: _Number = None,
        x_seq: _Number = None,
        x_captured_at_ms: _Number = None,
    ) -> Accepted:
        """Take one JPEG (`Content-Type: image/jpeg`, `Authorization: Bearer pk_...`)."""
        key = require_key(bearer, request, "frames")  # without one, nothing else is checked
        try:
            device = _device(site, camera, x_boot_id, x_seq, x_captured_at_ms)
            require_camera(key, device.device_id)
            with _place(room, key.name):
                body = await read_jpeg(request, intake.limits.frame_max_bytes)
                # A body may be slow, and the key may have been revoked meanwhile.
                require_camera(require_key(bearer, request, "frames"), device.device_id)
                return await _take(intake, device, body, request.url.path)
        except Invalid as error:
            status = _STATUS.get(error.reason, 422)
            raise Denied(status, error.reason, error.detail) from error
        except Retryable as error:
            raise Denied(503, "kafka-away", "try again soon", **_RETRY) from error

    return app


def _place(room: Places, key: str) -> AbstractContextManager[None]:
    """Reserve a place for one picture. Raises Denied 429 or 503."""
    try:
        return room.enter(Visitor("", key))
    except Taken as error:
        REFUSED_REQUESTS.labels(error.reason).inc()
        status = 429 if error.reason == SHARE else 503
        raise Denied(status, error.reason, error.detail, **_RETRY) from error


def _device(
    site: str, camera: str, boot_id: int | None, seq: int | None, captured_at_ms: int | None
) -> DeviceTopic:
    camera_id = f"{site}/{camera}"
    site_of(camera_id)
    if (boot_id is None) != (seq is None):
        raise Invalid("bad-header", "X-Boot-Id and X-Seq go together")
    return DeviceTopic(site, camera_id, "frame", boot_id, seq, captured_at_ms)


async def _take(intake: Intake, device: DeviceTopic, body: bytes, path: str) -> Accepted:
    """Make the picture durable in Kafka, as a frame or as a dead letter. Raises Invalid, Retryable
    or Denied."""
    known, now_ms = intake.known, intake.clock.now_ms()
    named = (device.device_id, device.boot_id, device.seq)
    if named in known.under_way:  # a device that gets no response sends again
        raise Denied(503, "under-way", "the same picture is being written", **_RETRY)
    message = Message(path, body, now_ms, via="http")
    context = Context(intake.limits, known.pictures, known.used, known.clocks, turns=known.turns)
    try:
        handled = handle_frame(device, message, context)
    except Invalid as error:
        key = device.device_id.encode()
        letter = dead_letter(path, key, body, error, now_ms, intake.limits)
        await intake.producer.send([letter])
        count(Handled("refused", reason=error.reason))
        raise
    if handled.event is not None:
        known.clocks.heard(handled.event)
    if handled.number is not None:
        known.used.add(
            handled.number
        )  # now: the same number by MQTT is a replay even before this is durable
        known.under_way.add(named)
    try:
        holding(map(event_id, handled.outgoing))
        await intake.producer.send(handled.outgoing)
        fault("ingest.after-picture")
    except BaseException:
        if handled.number is not None:
            known.used.forget(handled.number)
        raise
    finally:
        known.under_way.discard(named)
    count(handled)
    if handled.event is None:
        detail = (
            "this boot and sequence number were used before, so the picture is not written again"
        )
        raise Denied(409, "replayed", detail)
    if handled.picture:
        known.remember(handled.event.camera_id, handled.picture)
    return Accepted(frame_id=handled.event.id, time_ms=handled.event.time_ms)


async def _refused(_: Request, error: Any) -> Response:
    body = {"error": error.error, "detail": error.detail}
    return JSONResponse(body, error.status, headers=error.headers)


async def _no_route(request: Request, error: Any) -> Response:
    """Answer 404 and 405 in the same form as all other refusals."""
    reasons = {404: "not-found", 405: "method-not-allowed"}
    body = {"error": reasons.get(error.status_code, "http-error"), "detail": str(error.detail)}
    if error.status_code == 404:
        body["detail"] = f"there is no {request.url.path[:200]}: pictures go to {_SHOWN}"
    elif error.status_code == 405:
        body["detail"] = (
            f"{request.method} is not supported here: send pictures by POST to {_SHOWN}"
        )
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _bad_request(_: Request, error: Any) -> Response:
    faults = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return JSONResponse({"error": "bad-header", "detail": faults[:500]}, 422)
