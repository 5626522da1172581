"""The HTTP intake of pictures, for devices that speak only HTTP: `POST /ingest/v1/frames/...`.

202 only once Kafka has the picture; every refusal says why, as `{"error": slug, "detail": words}`.
A key sends the pictures of one camera. A number that was used before, also over MQTT, is a replay:
counted, told, and not written.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from parking.codec import event_id
from parking.errors import Invalid, Retryable
from parking.faults import fault, holding
from parking.keys import KeyFile
from parking.ops import Health
from parking.ports import Clock, Producer
from parking.screen import Screen
from parking.topics import HTTP_FRAMES, DeviceTopic, site_of
from services.ingest.counting import count
from services.ingest.door import Denied, require_camera, require_key
from services.ingest.handler import dead_letter, handle_frame
from services.ingest.live import live_routes
from services.ingest.messages import Context, Handled, Limits, Message
from services.ingest.replay import Known

BODY_LIMIT_S: Final = 15.0
RETRY_AFTER_S: Final = 2
_MAX_CONCURRENT: Final = 16
_STATUS: Final = {"too-large": 413, "bad-camera-id": 404, "slow-body": 408, "empty": 400}
_RETRY: Final = {"Retry-After": str(RETRY_AFTER_S)}
_SHOWN: Final = f"{HTTP_FRAMES}/SITE/CAMERA"
_MAX_NUMBER: Final = 10**16
_Number = Annotated[int | None, Header(ge=0, lt=_MAX_NUMBER)]


class Accepted(BaseModel):
    """The picture is durable."""

    frame_id: str = Field(description="its id in everything that follows")
    time_ms: int = Field(description="the time it counts for, Unix milliseconds")


@dataclass(frozen=True, slots=True)
class Intake:
    """What the route needs."""

    keys: KeyFile
    producer: Producer
    limits: Limits
    clock: Clock
    screen_of: Callable[[str], Screen | None] | None = None
    known: Known = field(default_factory=Known)


def new_app(intake: Intake, health: Health) -> FastAPI:
    """The app with the intake and the operations' routes."""
    app = FastAPI(
        title="Smart Parking ingest",
        version="1",
        routes=[*health.routes()],
        docs_url=None,  # its pages would load scripts from elsewhere
        redoc_url=None,
    )
    if intake.screen_of is not None:
        app.include_router(live_routes(intake.keys, intake.screen_of))
    app.add_exception_handler(Denied, _refused)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _no_route)
    room = asyncio.Semaphore(_MAX_CONCURRENT)

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
        key = require_key(intake.keys, request, "frames")  # who has none is told no more than that
        if room.locked():
            raise Denied(503, "busy", "too many pictures at once", **_RETRY)
        try:
            device = _device(site, camera, x_boot_id, x_seq, x_captured_at_ms)
            require_camera(key, device.device_id)
            async with room:
                body = await _body(request, intake.limits.frame_max_bytes)
                # A body may take its time, and the key may have been taken back meanwhile.
                require_camera(require_key(intake.keys, request, "frames"), device.device_id)
                return await _take(intake, device, body, request.url.path)
        except Invalid as error:
            status = _STATUS.get(error.reason, 422)
            raise Denied(status, error.reason, error.detail) from error
        except Retryable as error:
            raise Denied(503, "kafka-away", "try again soon", **_RETRY) from error

    return app


def _device(
    site: str, camera: str, boot_id: int | None, seq: int | None, captured_at_ms: int | None
) -> DeviceTopic:
    camera_id = f"{site}/{camera}"
    site_of(camera_id)
    if (boot_id is None) != (seq is None):
        raise Invalid("bad-header", "X-Boot-Id and X-Seq go together")
    return DeviceTopic(site, camera_id, "frame", boot_id, seq, captured_at_ms)


async def _body(request: Request, max_bytes: int) -> bytes:
    """The body, read no further than it may be long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "image/jpeg":
        raise Denied(415, "not-image-jpeg", "send Content-Type: image/jpeg")
    body = bytearray()
    too_large = Invalid("too-large", f"at most {max_bytes} bytes are taken")
    if int(request.headers.get("content-length", "0")) > max_bytes:
        raise too_large
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except ClientDisconnect as error:
        raise Invalid("cut-off", "the connection ended within the body") from error
    except TimeoutError as error:
        raise Invalid("slow-body", f"not all came within {BODY_LIMIT_S:.0f} s") from error
    return bytes(body)


async def _take(intake: Intake, device: DeviceTopic, body: bytes, path: str) -> Accepted:
    """Durable in Kafka, as a frame or as a dead letter. Raises Invalid, Retryable or Denied."""
    known, now_ms = intake.known, intake.clock.now_ms()
    named = (device.device_id, device.boot_id, device.seq)
    if named in known.under_way:  # no replay: who hears nothing asks again
        raise Denied(503, "under-way", "the same picture is being written", **_RETRY)
    message = Message(path, body, now_ms, via="http")
    context = Context(intake.limits, known.pictures, known.used, known.clocks)
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
        known.used.add(handled.number)  # now: by MQTT the same is a replay before this is durable
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
        detail = "this boot and sequence number were used before: it is not written again"
        raise Denied(409, "replayed", detail)
    if handled.picture:
        known.remember(handled.event.camera_id, handled.picture)
    return Accepted(frame_id=handled.event.id, time_ms=handled.event.time_ms)


async def _refused(_: Request, error: Any) -> Response:
    body = {"error": error.error, "detail": error.detail}
    return JSONResponse(body, error.status, headers=error.headers)


async def _no_route(request: Request, error: Any) -> Response:
    """404 and 405, as every other refusal is told."""
    told = {404: "not-found", 405: "method-not-allowed"}
    body = {"error": told.get(error.status_code, "http-error"), "detail": str(error.detail)}
    if error.status_code == 404:
        body["detail"] = f"there is no {request.url.path[:200]}: pictures go to {_SHOWN}"
    elif error.status_code == 405:
        body["detail"] = f"{request.method} is not taken here: pictures come by POST to {_SHOWN}"
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _bad_request(_: Request, error: Any) -> Response:
    faults = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return JSONResponse({"error": "bad-header", "detail": faults[:500]}, 422)
