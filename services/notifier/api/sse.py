"""Streams to browsers: server-sent events, WebSocket and MJPEG; frozen clients are dropped."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from fastapi import WebSocket, WebSocketDisconnect
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

from parking.core.errors import Retryable
from parking.runtime.asgi import ABORT, DRAIN, SEND_LIMIT, WHEN_LOST
from parking.runtime.connections import CallWhenLost
from parking.runtime.metrics import SSE_CLOSED
from parking.wire.mjpeg import PART_END, START, part_head
from services.notifier.api.later import AfterStart, later_of
from services.notifier.api.streams import Door
from services.notifier.api.web import ApiError, json_response
from services.notifier.clients import PIECE_BYTES, Message, Sites, pieces
from services.notifier.feed import Feed

NO_BUFFERS: Final = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
TRY_AGAIN_LATER: Final = 1013
REASON_MAX_BYTES: Final = 123


class Stream(EventSourceResponse):
    """An endless body that lasts as long as the client has a place. A client that accepts nothing
    for `send_timeout_s` is disconnected; pings are part of the content."""

    def __init__(self, content: AsyncGenerator[bytes, None], door: Door, **more: Any) -> None:
        super().__init__(
            content, headers=NO_BUFFERS, ping=0, send_timeout=door.send_timeout_s, **more
        )
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client, after the application has returned where that is possible."""
        later = later_of(scope)
        if later is None:
            await self._serve(scope, receive, send)
        else:
            later.work = partial(self._serve, scope, receive, AfterStart(send, later.send))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._door.enter(scope):
                if SEND_LIMIT in scope:
                    scope[SEND_LIMIT].seconds = None
                if WHEN_LOST in scope:
                    await self._until_lost(scope[WHEN_LOST], send)
                else:
                    await super().__call__(scope, receive, send)
        except ApiError as error:  # there is no place, and nothing was sent yet
            answer = json_response(error.body, error.status, error.headers)
            await answer(scope, receive, send)
        except SendTimeoutError:
            await _drop(scope.get(ABORT))

    async def _until_lost(self, call_when_lost: CallWhenLost, send: Send) -> None:
        """Serve in this task alone. The superclass needs four tasks for each client, three of them
        to notice that it left; here the connection tells us."""
        lost, task = False, asyncio.current_task()

        def leave() -> None:
            nonlocal lost
            lost = True
            if task is not None:
                task.cancel()

        call_when_lost(leave)
        try:
            await self._stream_response(send)
        except asyncio.CancelledError:
            if task is None or not lost or task.uncancel() > 0:
                raise
        finally:
            call_when_lost(None)


async def events(
    feed: Feed, chosen: str | Sites, last_id: str | None
) -> AsyncGenerator[bytes, None]:
    """Yield the body of `GET /api/events`. Clients reconnect after 1 to 3 s, so that they do not
    all reconnect at once."""
    yield b"retry: %d\n\n" % (1000 + secrets.randbelow(2000))
    client = feed.client(chosen)
    async with aclosing(feed.follow(chosen, last_id, client)) as batches:
        async for batch in batches:
            for piece in pieces(batch):
                if client.closed:  # the rest of a large message would be kept for it alone
                    return
                yield piece
                await asyncio.sleep(0)  # lets the server notice that a connection has ended
            del batch  # or a snapshot would be kept until the next message


async def speak(socket: WebSocket, feed: Feed, chosen: str | Sites, last_id: str | None) -> None:
    """Serve the same over a WebSocket. Messages from the client are ignored but must be read,
    because the server reads nothing after an unread message, not even a pong. The client's
    disconnect ends the stream."""
    await socket.accept()
    async with asyncio.TaskGroup() as group:
        tasks = {
            group.create_task(_tell(socket, feed, chosen, last_id)),
            group.create_task(_hear(socket)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _tell(socket: WebSocket, feed: Feed, chosen: str | Sites, last_id: str | None) -> None:
    limit_s = feed.limits.send_timeout_s
    try:
        async with aclosing(feed.follow(chosen, last_id)) as batches:
            async for batch in batches:
                async with asyncio.timeout(limit_s):
                    for message in batch:
                        await _send(socket, message, feed.large_sends)
        async with asyncio.timeout(limit_s):
            await socket.close(TRY_AGAIN_LATER)
    except Retryable as error:  # before the first message
        reason = str(error).encode()[:REASON_MAX_BYTES].decode(errors="ignore")
        await socket.close(TRY_AGAIN_LATER, reason)
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await _drop(socket.scope.get(ABORT))


async def _send(socket: WebSocket, message: Message, large: asyncio.Semaphore) -> None:
    """Send a message. A large one is copied to the socket's buffer, so only a few clients at a time
    are sent a large message, each until its buffer is empty again."""
    if not message.is_large:
        await socket.send_text(message.text)
        return
    async with large:
        await socket.send_text(message.text)
        await socket.scope[DRAIN]()


async def _hear(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def mjpeg(pictures: AsyncGenerator[tuple[bytes, int], None]) -> AsyncGenerator[bytes, None]:
    """Yield JPEGs as a stream of STREAM_TYPE, in pieces."""
    yield START
    async with aclosing(pictures) as shown:
        async for jpeg, time_ms in shown:
            yield part_head(len(jpeg), time_ms)
            for start in range(0, len(jpeg), PIECE_BYTES):
                yield jpeg[start : start + PIECE_BYTES]
            yield PART_END


async def _drop(abort: Callable[[], None] | None) -> None:
    SSE_CLOSED.labels("send-timeout").inc()
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # the server must see it before the answer "ends"
