"""Streams to browsers: server-sent events, WebSocket and MJPEG, with an end for frozen clients."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from fastapi import WebSocket, WebSocketDisconnect
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

from parking.asgi import ABORT
from parking.errors import Retryable
from parking.metrics import SSE_CLOSED
from services.notifier.feed import Feed

NO_BUFFERS: Final = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
BOUNDARY: Final = "frame"
TRY_AGAIN_LATER: Final = 1013
REASON_MAX_BYTES: Final = 123


class Stream(EventSourceResponse):
    """A body without end. A client that takes nothing for `send_timeout` seconds is cut off, its
    connection dropped; pings are part of the content."""

    def __init__(
        self, content: AsyncGenerator[bytes, None], send_timeout_s: float, **more: Any
    ) -> None:
        super().__init__(content, headers=NO_BUFFERS, ping=0, send_timeout=send_timeout_s, **more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One client."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            await _drop(scope.get(ABORT))


async def events(
    feed: Feed, site_id: str | None, last_id: str | None
) -> AsyncGenerator[bytes, None]:
    """What `GET /api/events` sends. Clients come back after 1 to 3 s, not all at once."""
    yield b"retry: %d\n\n" % (1000 + secrets.randbelow(2000))
    async with aclosing(feed.follow(site_id, last_id)) as batches:
        async for batch in batches:
            yield b"".join(message.sse for message in batch)


async def speak(socket: WebSocket, feed: Feed, site_id: str | None, last_id: str | None) -> None:
    """The same over a WebSocket. What the client says means nothing, but it is read: the server
    reads nothing after a message that was not, no pong either. That it is gone ends the stream."""
    await socket.accept()
    async with asyncio.TaskGroup() as group:
        tasks = {
            group.create_task(_tell(socket, feed, site_id, last_id)),
            group.create_task(_hear(socket)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _tell(socket: WebSocket, feed: Feed, site_id: str | None, last_id: str | None) -> None:
    limit_s = feed.limits.send_timeout_s
    try:
        async with aclosing(feed.follow(site_id, last_id)) as batches:
            async for batch in batches:
                async with asyncio.timeout(limit_s):
                    for message in batch:
                        await socket.send_text(message.text)
        async with asyncio.timeout(limit_s):
            await socket.close(TRY_AGAIN_LATER)
    except Retryable as error:  # before the first message
        reason = str(error).encode()[:REASON_MAX_BYTES].decode(errors="ignore")
        await socket.close(TRY_AGAIN_LATER, reason)
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await _drop(socket.scope.get(ABORT))


async def _hear(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def mjpeg(pictures: AsyncGenerator[tuple[bytes, int], None]) -> AsyncGenerator[bytes, None]:
    """JPEGs as multipart/x-mixed-replace. The boundary follows each picture at once: a browser
    shows a picture when it sees its end."""
    yield f"--{BOUNDARY}\r\n".encode()
    async with aclosing(pictures) as shown:
        async for jpeg, time_ms in shown:
            sizes = f"Content-Length: {len(jpeg)}\r\nX-Time-Ms: {time_ms}\r\n\r\n"
            head = f"Content-Type: image/jpeg\r\n{sizes}"
            yield b"".join((head.encode(), jpeg, f"\r\n--{BOUNDARY}\r\n".encode()))


async def _drop(abort: Callable[[], None] | None) -> None:
    SSE_CLOSED.labels("send-timeout").inc()
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # the server learns of it before the answer "ends"
