"""The routes that stream, and the routes for pictures."""

import logging
from collections.abc import Collection
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, WebSocket
from fastapi.responses import Response

from parking.access.keys import KeyFile
from parking.core.errors import Retryable
from parking.core.ids import CAMERA, PART
from parking.wire.mjpeg import STREAM_TYPE
from services.notifier.api import sse
from services.notifier.api.auth import sender
from services.notifier.api.origins import may_read
from services.notifier.api.preconditions import require_site
from services.notifier.api.streams import Doors
from services.notifier.api.web import ApiError, error_response, errors, streams
from services.notifier.feed import Feed
from services.notifier.live import Live
from services.notifier.pictures import Picture, Pictures
from services.notifier.readiness import ready_state

log = logging.getLogger(__name__)

Site = Annotated[str | None, Query(description="only this site", pattern=PART)]
LastId = Annotated[str | None, Query(description="as the header Last-Event-ID")]
_EVENTS: Final = """Server-sent events. First `snapshot` (Snapshot), then `slot-change`
(SlotChanged), `camera-status` (CameraStatusChanged), `layout` (LayoutPublished) and `session`
(SessionChanged) as they happen, and `ping` (`{"time_ms"}`, no id) every 15 s. A ping with
`still_since_ms` means that Kafka has not answered since then, so nothing new can come. One with
`stages_still_since_ms` (`{"detector": 1767225600000}`) names services that have made no progress
since then, although records are waiting for them; `ingest` is named when it has written nothing,
not even a heartbeat.

`id` is the position reached. With `Last-Event-ID` (EventSource sends it by itself) any instance
continues from there, without missing or repeating a slot change, and then sends every
`camera-status`, `layout` and `site-sessions` (SiteSessions) in its current state. If it cannot, it
sends `reset` with `{"reason"}` and a new `snapshot`. Apply a change only when its `version` is
above the one you have."""


def live_routes(
    feed: Feed, pictures: Pictures, live: Live | None, keys: KeyFile, origins: Collection[str]
) -> APIRouter:
    """Return the live routes. `origins` are the origins whose pages may read here, besides our
    own."""
    router = APIRouter()
    doors = Doors.of(feed.limits, keys)

    @router.get(
        "/api/events",
        tags=["live"],
        summary="Stream all events as server-sent events",
        description=_EVENTS,
        responses=streams("text/event-stream", "An endless stream") | errors(404, 422, 429, 503),
    )
    async def events(
        request: Request,
        site: Site = None,
        last_event_id: Annotated[str | None, Header()] = None,
        last_event_id_query: Annotated[
            str | None, Query(alias="last_event_id", description="as the header")
        ] = None,
    ) -> Response:
        _open_to_more(feed, site)
        last_id = last_event_id or last_event_id_query
        return sse.Stream(sse.events(feed, site or sender(request).sites, last_id), doors.clients)

    @router.websocket("/ws")
    async def socket(websocket: WebSocket, site: Site = None, last_event_id: LastId = None) -> None:
        try:
            _only_own_pages(websocket, origins)
            _open_to_more(feed, site)
        except (ApiError, Retryable) as error:
            await _refuse(websocket, error)
            return
        chosen = site or sender(websocket).sites
        try:
            with doors.clients.enter(websocket.scope):
                await sse.speak(websocket, feed, chosen, last_event_id)
        except ApiError as error:  # there is no place, and nothing was accepted yet
            await _refuse(websocket, error)

    @router.get(
        "/api/cameras/{site}/{device}/latest.jpg",
        tags=["cameras"],
        summary="Get the camera's newest picture",
        responses=streams("image/jpeg", "The picture") | errors(404, 503),
    )
    async def latest(site: str, device: str) -> Response:
        picture = await pictures.latest(f"{site}/{device}")
        return _jpeg(picture.jpeg, picture)

    @router.get(
        "/api/cameras/{site}/{device}/overlay.jpg",
        tags=["cameras"],
        summary="Get the camera's newest picture with its slots in their current states",
        responses=streams("image/jpeg", "The picture") | errors(404, 503),
    )
    async def overlay(site: str, device: str) -> Response:
        camera_id = f"{site}/{device}"
        picture = await pictures.latest(camera_id)
        return _jpeg(await pictures.overlay(camera_id, picture), picture)

    @router.get(
        "/api/stream",
        tags=["cameras"],
        summary="Stream the camera's live pictures (MJPEG); overlay=1 draws the slots into them",
        responses=streams("multipart/x-mixed-replace", "An endless stream of pictures")
        | errors(404, 422, 429, 503),
    )
    async def stream(
        camera: Annotated[str, Query(pattern=CAMERA)],
        overlay: bool = False,
    ) -> Response:
        pictures.check(camera)  # errors are raised before the stream begins
        if live is None or overlay:
            shown = pictures.frames(camera, drawn=overlay)
        else:
            shown = live.frames(camera)
        frames = sse.mjpeg(shown)
        return sse.Stream(frames, doors.viewers, media_type=STREAM_TYPE)

    return router


def _only_own_pages(websocket: WebSocket, origins: Collection[str]) -> None:
    origin = websocket.headers.get("origin")
    if not may_read(origin, websocket.headers.get("host", ""), origins):
        shown = ascii((origin or "")[:100])
        detail = f"pages from {shown} are not allowed to read this: add the origin to CORS_ORIGINS"
        raise ApiError(403, "foreign-origin", detail)


async def _refuse(websocket: WebSocket, error: ApiError | Retryable) -> None:
    """Refuse the handshake like any other request, and write one line to the log."""
    log.info("/ws refused: %s", error)
    await websocket.send_denial_response(error_response(error))


def _open_to_more(feed: Feed, site: str | None) -> None:
    if site is None:
        ready_state(feed)
    else:
        require_site(feed, site)


def _jpeg(jpeg: bytes, picture: Picture) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "X-Frame-Id": picture.frame.id,
        "X-Frame-Offset": str(picture.offset),
        "X-Time-Ms": str(picture.frame.time_ms),
        "X-Frame-Via": picture.frame.via,
    }
    return Response(jpeg, 200, headers, "image/jpeg")
