"""The routes that stream, and the pictures."""

import logging
from collections.abc import Collection
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, WebSocket
from fastapi.responses import Response

from parking.errors import Retryable
from parking.ids import CAMERA, PART
from services.notifier import sse
from services.notifier.feed import Feed
from services.notifier.live import Live
from services.notifier.origins import may_read
from services.notifier.pictures import Picture, Pictures
from services.notifier.views import Error
from services.notifier.web import ApiError, errors, json_response, streams

log = logging.getLogger(__name__)

Site = Annotated[str | None, Query(description="only this site", pattern=PART)]
LastId = Annotated[str | None, Query(description="as the header Last-Event-ID")]
_EVENTS: Final = """Server-sent events. First `snapshot` (Snapshot), then `slot-change`
(SlotChanged), `camera-status` (CameraStatusChanged), `layout` (LayoutPublished) and `session`
(SessionChanged) as they happen, and `ping` (`{"time_ms"}`, no id) every 15 s.

`id` is the place reached: with `Last-Event-ID` (EventSource sends it by itself) any instance goes
on from there, missing and doubling no slot change, and then sends every `camera-status`, `layout`
and `site-sessions` (SiteSessions) as they are now. Where it cannot, it sends `reset` with
`{"reason"}` and a new `snapshot`. Apply a change only when its `version` is above the one you
hold."""


def live_routes(
    feed: Feed, pictures: Pictures, live: Live | None, origins: Collection[str]
) -> APIRouter:
    """All of them. `origins`: whose pages may read here, besides our own."""
    router = APIRouter()

    @router.get(
        "/api/events",
        tags=["live"],
        summary="Everything that happens, as server-sent events",
        description=_EVENTS,
        responses=streams("text/event-stream", "A stream without end") | errors(404, 422, 503),
    )
    async def events(
        site: Site = None,
        last_event_id: Annotated[str | None, Header()] = None,
        last_event_id_query: Annotated[
            str | None, Query(alias="last_event_id", description="as the header")
        ] = None,
    ) -> Response:
        _open_to_more(feed, site)
        last_id = last_event_id or last_event_id_query
        return sse.Stream(sse.events(feed, site, last_id), feed.limits.send_timeout_s)

    @router.websocket("/ws")
    async def socket(websocket: WebSocket, site: Site = None, last_event_id: LastId = None) -> None:
        try:
            _only_own_pages(websocket, origins)
            _open_to_more(feed, site)
        except (ApiError, Retryable) as error:
            await _refuse(websocket, error)
            return
        await sse.speak(websocket, feed, site, last_event_id)

    @router.get(
        "/api/cameras/{site}/{device}/latest.jpg",
        tags=["cameras"],
        summary="The camera's newest picture",
        responses=streams("image/jpeg", "The picture") | errors(404, 503),
    )
    async def latest(site: str, device: str) -> Response:
        picture = await pictures.latest(f"{site}/{device}")
        return _jpeg(picture.jpeg, picture)

    @router.get(
        "/api/cameras/{site}/{device}/overlay.jpg",
        tags=["cameras"],
        summary="The camera's newest picture with its slots as they are now",
        responses=streams("image/jpeg", "The picture") | errors(404, 503),
    )
    async def overlay(site: str, device: str) -> Response:
        camera_id = f"{site}/{device}"
        picture = await pictures.latest(camera_id)
        return _jpeg(await pictures.overlay(camera_id, picture), picture)

    @router.get(
        "/api/stream",
        tags=["cameras"],
        summary="The camera's pictures as they come (MJPEG); overlay=1 draws the slots in",
        responses=streams("multipart/x-mixed-replace", "Pictures without end")
        | errors(404, 422, 503),
    )
    async def stream(
        camera: Annotated[str, Query(pattern=CAMERA)],
        overlay: bool = False,
    ) -> Response:
        pictures.check(camera)  # what can be told is told before the stream begins
        if live is None or overlay:
            shown = pictures.frames(camera, drawn=overlay)
        else:
            live.check()
            shown = live.frames(camera)
        frames = sse.mjpeg(shown)
        media_type = f"multipart/x-mixed-replace; boundary={sse.BOUNDARY}"
        return sse.Stream(frames, feed.limits.send_timeout_s, media_type=media_type)

    return router


def _only_own_pages(websocket: WebSocket, origins: Collection[str]) -> None:
    origin = websocket.headers.get("origin")
    if not may_read(origin, websocket.headers.get("host", ""), origins):
        shown = ascii((origin or "")[:100])
        detail = f"pages of {shown} may not read here: set CORS_ORIGINS to name them"
        raise ApiError(403, "foreign-origin", detail)


async def _refuse(websocket: WebSocket, error: ApiError | Retryable) -> None:
    """Answer the handshake as any other request, in one line of the log."""
    log.info("/ws refused: %s", error)
    if isinstance(error, ApiError):
        answer = json_response(error.body, error.status, error.headers)
    else:
        body = Error(error=error.reason, detail=str(error))
        answer = json_response(body, 503, {"Retry-After": "5"})
    await websocket.send_denial_response(answer)


def _open_to_more(feed: Feed, site: str | None) -> None:
    if not feed.ready:
        raise Retryable("the current state is still being read from Kafka")
    if site is not None and site not in feed.state.site_ids():
        raise ApiError(404, "no-site", f"there is no site {site!r}")
    if feed.full:
        raise ApiError(503, "too-many-clients", "all places are taken: try later")


def _jpeg(jpeg: bytes, picture: Picture) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "X-Frame-Id": picture.frame.id,
        "X-Time-Ms": str(picture.frame.time_ms),
    }
    return Response(jpeg, 200, headers, "image/jpeg")
