"""What every HTTP server of ours does, whatever its routes: HEAD wherever GET, answers compressed
for clients that ask for it, no request with two lengths, and a way to drop a connection."""

import asyncio
import zlib
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

ABORT: Final = "parking.abort"
"""In the scope of a request: a function that drops its connection at once."""
_LEAST_BYTES: Final = 1_000
_LONG_BYTES: Final = 100_000
_LEVEL: Final = 5
_GZIP: Final = 31
"""zlib's window bits for the gzip format."""
_COMPRESSED: Final = (
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/yaml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/javascript",
    "text/plain",
)


class Habits:
    """An application with them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # uvicorn's `send` belongs to an object (the request's cycle, the protocol) that holds the
        # transport. A frozen client never lets a normal close finish: only an abort frees its
        # socket.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope[ABORT] = transport.abort
        if scope["type"] == "websocket":
            await _socket(self._app, scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            body = {
                "error": "two-lengths",
                "detail": "Content-Length or Transfer-Encoding, not both",
            }
            await JSONResponse(body, 400, {"Connection": "close"})(scope, receive, send)
        elif scope["method"] == "HEAD":
            await _head(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, _sender(headers, send))


async def _socket(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket. uvicorn logs an ERROR for a handshake that was answered with a refusal, unless
    the client seems to be gone by then."""
    refused = False

    async def sent(message: Message) -> None:
        nonlocal refused
        refused |= message["type"] == "websocket.http.response.start"
        await send(message)

    await app(scope, receive, sent)
    if refused:
        raise ClientDisconnected


async def _head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """As GET, but for the body: a stream without end is ended before it begins."""
    begun = asyncio.Event()

    async def without_body(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
        elif not begun.is_set():
            begun.set()
            await send({"type": "http.response.body", "body": b""})

    get = {**scope, "method": "GET"}
    work = asyncio.ensure_future(app(get, receive, _sender(Headers(scope=scope), without_body)))
    waiting = asyncio.ensure_future(begun.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not work.done():
            work.cancel()
    (result,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(result, Exception):
        raise result


def _sender(headers: Headers, send: Send) -> Send:
    """`send` with what is true of every answer."""
    wanted = _takes_gzip(headers.get("accept-encoding", ""))
    zipped = _Zipped(send)

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer = MutableHeaders(scope=message)
            allowed = answer.get("allow")
            if allowed and "GET" in allowed and "HEAD" not in allowed:
                answer["allow"] = f"{allowed}, HEAD"
            if _worth_it(message["status"], answer):
                answer.add_vary_header("Accept-Encoding")
                if wanted:
                    zipped.begin(message)
                    return
        await zipped.go_on(message)

    return sent


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, more = part.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return more.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _worth_it(status: int, headers: MutableHeaders) -> bool:
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    small = int(headers.get("content-length", _LEAST_BYTES)) < _LEAST_BYTES
    kept = "no-transform" in headers.get("cache-control", "")
    as_it_is = small or kept or "content-encoding" in headers
    return status not in (204, 206, 304) and kind in _COMPRESSED and not as_it_is


class _Zipped:
    """Sends an answer on, compressed once `begin` has its head."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._squeeze: zlib._Compress | None = None

    def begin(self, start: Message) -> None:
        """Hold the head back until it is known whether the body is one piece."""
        headers = MutableHeaders(scope=start)
        headers["content-encoding"] = "gzip"
        etag = headers.get("etag", "")
        if etag.startswith('"'):
            headers["etag"] = f"W/{etag}"  # the same content, other bytes
        self._start = start
        self._squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    async def go_on(self, message: Message) -> None:
        """A part of the body, or anything that is not compressed."""
        squeeze = self._squeeze
        if squeeze is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if len(body) > _LONG_BYTES:
            body = await asyncio.to_thread(squeeze.compress, body)
        else:
            body = squeeze.compress(body)
        if not more:
            body += squeeze.flush()
        if self._start is not None:
            headers = MutableHeaders(scope=self._start)
            if more:
                del headers["content-length"]
            else:
                headers["content-length"] = str(len(body))
            await self._send(self._start)
            self._start = None
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
