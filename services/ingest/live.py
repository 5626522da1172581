"""Live pictures of the polled cameras, for the notifier: `GET /ingest/v1/live/{site}/{camera}`.

All viewers of a camera share ingest's one connection to it. While somebody is watching, the camera
is polled faster, but the rate of frames to Kafka stays the same.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from parking.access.bearer import Bearer
from parking.core.topics import HTTP_LIVE
from parking.runtime.screen import Screen, Taken
from parking.wire.mjpeg import START, STREAM_TYPE, part
from services.ingest.door import Denied, require_key

SEND_LIMIT_S: Final = 10.0
PING_S: Final = 5.0
_MAX_VIEWERS: Final = 16
_NO_STORE: Final = {"Cache-Control": "no-store"}


def live_routes(bearer: Bearer, screen_of: Callable[[str], Screen | None]) -> APIRouter:
    """Return the route. `screen_of` gives a camera's pictures, or None when the camera is not
    polled here."""
    router = APIRouter()

    @router.get(HTTP_LIVE + "/{site}/{camera}", response_class=Response)
    async def watch(request: Request, site: str, camera: str) -> Response:
        """MJPEG, while the camera is polled here; each part's `X-Time-Ms` is when its
        picture came. Needs a key of scope `live`."""
        require_key(bearer, request, "live")
        screen = screen_of(f"{site}/{camera}")
        if screen is None:
            raise Denied(404, "not-fetched", "this camera is not polled here")
        if screen.viewers >= _MAX_VIEWERS:
            raise Denied(503, "too-many-viewers", "too many viewers: try again later")
        return _Stream(_parts(screen), 200, _NO_STORE, STREAM_TYPE)

    return router


async def _parts(screen: Screen) -> AsyncGenerator[bytes, None]:
    yield START
    last: Taken | None = None
    async with aclosing(screen.pictures(PING_S)) as shown:
        async for taken in shown:
            # Sending the last picture again, with its time, shows whether the viewer is still
            # there.
            last = taken or last
            if last is not None:
                yield part(*last)


class _Stream(StreamingResponse):
    """A streaming response that disconnects a viewer who has accepted nothing for SEND_LIMIT_S."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def bounded(message: Message) -> None:
            async with asyncio.timeout(SEND_LIMIT_S):
                await send(message)

        try:
            await super().__call__(scope, receive, bounded)
        except (ClientDisconnect, TimeoutError):
            return
