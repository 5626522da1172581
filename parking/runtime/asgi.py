"""Behaviour common to all our HTTP servers: HEAD for every GET, compressed answers, rejection of
requests with two lengths or a foreign host name, answers sent in chunks with a time-out, and a way
to drop a connection."""

import asyncio
import logging
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from parking.runtime.hosts import is_allowed
from parking.runtime.metrics import HTTP_DROPPED

log = logging.getLogger(__name__)

ABORT: Final = "parking.abort"
"""In the scope of a request: a function that drops its connection at once."""
DRAIN: Final = "parking.drain"
"""In the scope of a WebSocket: waits until the client has taken nearly everything sent to it."""
SEND_LIMIT: Final = "parking.send-limit"
"""In the scope of a request: a SendLimit. Streams lift it, because they drop slow clients
themselves."""
WHEN_LOST: Final = "parking.when-lost"
"""In the scope of a request: a function that takes what to call when its connection is lost."""
SEND_LIMIT_S: Final = 30.0
PIECE_BYTES: Final = 65_536
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


@dataclass(slots=True)
class SendLimit:
    """How long one piece of an answer may wait for its client, in seconds, or None for no limit."""

    seconds: float | None = SEND_LIMIT_S


class Habits:
    """Wraps an application with this behaviour."""

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str] = ()) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        app = self._app if is_allowed(host, self._allowed_hosts) else _wrong_host(host)
        # uvicorn's `send` belongs to an object (the request's cycle, the protocol) that holds the
        # transport. A frozen client never lets a normal close finish: only an abort frees its
        # socket.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope[ABORT] = transport.abort
        when_lost = getattr(_protocol(transport), "call_when_lost", None)
        if when_lost is not None:
            scope[WHEN_LOST] = when_lost
        writable = getattr(getattr(send, "__self__", None), "writable", None)
        scope[DRAIN] = writable.wait if writable is not None else _drained
        if scope["type"] == "websocket":
            await _socket(app, scope, receive, send)
            return
        if "content-length" in headers and "transfer-encoding" in headers:
            body = {
                "error": "two-lengths",
                "detail": "Content-Length or Transfer-Encoding, not both",
            }
            app = JSONResponse(body, 400, {"Connection": "close"})
        scope[SEND_LIMIT] = SendLimit()
        bounded = _bounded(scope, send)
        try:
            if scope["method"] == "HEAD":
                await _head(app, scope, receive, bounded)
            else:
                await app(scope, receive, _sender(headers, bounded))
        except ClientDisconnect:
            await asyncio.sleep(0)  # the server must see it before the answer "ends"


def _protocol(transport: object) -> object:
    get_protocol = getattr(transport, "get_protocol", None)
    return get_protocol() if get_protocol is not None else None


def _wrong_host(host: str) -> ASGIApp:
    """Reject the request, because a page of another site whose name points at this computer could
    read everything."""
    detail = f"{host[:100]!a} is not a name of this server: add it to ALLOWED_HOSTS"
    log.info("refused: %s", detail)
    HTTP_DROPPED.labels("wrong-host").inc()
    return JSONResponse({"error": "wrong-host", "detail": detail}, 421, {"Connection": "close"})


def _bounded(scope: Scope, send: Send) -> Send:
    """Wrap `send` to send in pieces, so that only little of a long answer is buffered per
    client. A client that takes nothing for SEND_LIMIT_S is dropped. Streams have shorter limits
    of their own."""

    limit: SendLimit = scope[SEND_LIMIT]

    async def one(message: Message) -> None:
        if limit.seconds is None:
            await send(message)
            return
        try:
            async with asyncio.timeout(limit.seconds):
                await send(message)
        except TimeoutError:
            HTTP_DROPPED.labels("slow-answer").inc()
            if ABORT in scope:
                scope[ABORT]()
            raise ClientDisconnect from None

    async def sent(message: Message) -> None:
        body = message.get("body", b"") if message["type"] == "http.response.body" else b""
        for start in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            await one({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)  # a connection that just ended is known before the next piece
        rest = (len(body) - 1) // PIECE_BYTES * PIECE_BYTES
        await one({**message, "body": body[rest:]} if rest > 0 else message)

    return sent


async def _drained() -> None:
    """Used if the server provides no DRAIN. Does not wait."""


async def _socket(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket. uvicorn logs an ERROR when a handshake is refused, unless the client seems to
    have disconnected by then."""
    refused = False

    async def sent(message: Message) -> None:
        nonlocal refused
        refused |= message["type"] == "websocket.http.response.start"
        await send(message)

    await app(scope, receive, sent)
    if refused:
        raise ClientDisconnected


async def _head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer like GET but without the body. An endless stream is ended before it begins."""
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
    """`send` with the headers that every answer has."""
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
    """Forward an answer, compressed once `begin` has its head."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._squeeze: zlib._Compress | None = None

    def begin(self, start: Message) -> None:
        """Delay the head until it is known whether the body is a single piece."""
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
