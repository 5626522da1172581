"""The two servers in front of a deployment on two origins: a proxy that treats streams as CDNs do,
and the page's static host. hypercorn serves both over HTTPS with HTTP/2."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import websockets
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from tests.support.waiting import listens, until
from tools.stack.certificates import Certificates
from tools.stack.checks import HOST, free_ports

# Of one connection only, or set anew by each side.
_OWN_HEADERS: Final = {"connection", "keep-alive", "transfer-encoding", "upgrade", "date", "server"}
_TIMED_OUT: Final = 524
_TLS: Final = ssl.create_default_context()  # not used, but a client creates one without it


@asynccontextmanager
async def served(app: Any, certificates: Certificates) -> AsyncIterator[int]:
    """Serve an ASGI application over HTTPS on a free port, which is yielded."""
    port = free_ports(1)[0]
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.certfile, config.keyfile = str(certificates.chain), str(certificates.key)
    config.graceful_timeout = 0.5
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        await until(lambda: server.done() or listens(port))
        yield port
    finally:
        stop.set()
        await server


@dataclass
class Edge:
    """A proxy in front of `upstream` (http://host:port). It ends a response whose server sends
    nothing for `idle_s`, and a WebSocket without messages from the server as well. It keeps a
    response back, with its head, until that ends or `buffer_bytes` have arrived. A response with
    `X-Accel-Buffering: no` is not kept back if the proxy is `obedient`."""

    upstream: str
    idle_s: float = 100.0
    buffer_bytes: int = 65_536
    obedient: bool = True
    cuts: int = 0
    """Streams ended because nothing came."""
    kept_back: int = 0
    """Pieces that had to wait."""
    streams: int = 0
    """Event streams opened, by SSE and by WebSocket."""
    versions: Counter[str] = field(default_factory=Counter)
    """Requests by the HTTP version of the browser's connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] == "lifespan":
            return
        self.versions[scope["http_version"]] += 1
        self.streams += scope["path"] in ("/api/events", "/ws")
        work = self._pass_socket if scope["type"] == "websocket" else self._pass_request
        await work(scope, receive, send)

    async def _pass_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        answering = asyncio.ensure_future(self._answer(scope, body, send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (answering, leaving):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await answering

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        url = httpx.URL(f"{self.upstream}{_target(scope)}")
        out = Buffered(send, self.buffer_bytes)
        limits = httpx.Timeout(10.0, read=self.idle_s)
        async with httpx.AsyncClient(timeout=limits, trust_env=False, verify=_TLS) as client:
            try:
                asked = client.stream(scope["method"], url, headers=_forwarded(scope), content=body)
                async with asked as answer:
                    no_buffer = answer.headers.get("x-accel-buffering") == "no"
                    out.passes_at_once = self.obedient and no_buffer
                    await out.start(answer.status_code, _end_to_end(answer.headers.raw))
                    async for piece in answer.aiter_raw():
                        self.kept_back += not await out.write(piece)
            except httpx.ReadTimeout:
                self.cuts += 1
                if not out.is_started:
                    await out.start(_TIMED_OUT, [])
        await out.end()

    async def _pass_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = dict(_forwarded(scope))
        address = urlsplit(self.upstream)
        host, origin = headers.pop("host"), headers.pop("origin", None)
        kept = {name: headers[name] for name in ("cookie",) if name in headers}
        try:
            socket = await websockets.connect(
                f"ws://{host}{_target(scope)}",
                host=address.hostname,
                port=address.port,
                origin=websockets.Origin(origin) if origin else None,
                additional_headers=kept,
                max_size=None,
                proxy=None,
            )
        except websockets.InvalidStatus:
            await send({"type": "websocket.close"})  # 403: the handshake was refused
            return
        await send({"type": "websocket.accept"})
        telling = asyncio.ensure_future(self._tell(socket, send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        left = leaving.done()
        for task in (telling, leaving):
            task.cancel()
        await socket.close()
        if not left:
            await send({"type": "websocket.close", "code": 1001})

    async def _tell(self, socket: websockets.ClientConnection, send: Send) -> None:
        with suppress(websockets.ConnectionClosed):
            while True:
                try:
                    async with asyncio.timeout(self.idle_s):
                        message = await socket.recv()
                except TimeoutError:
                    self.cuts += 1
                    return
                await send({"type": "websocket.send", "text": message})


class Buffered:
    """A response whose head and small pieces wait until there are enough bytes."""

    def __init__(self, send: Send, buffer_bytes: int) -> None:
        self._send = send
        self._least = buffer_bytes
        self._head: Message | None = None
        self._waiting = b""
        self.is_started = False
        self.passes_at_once = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Take the head of the response."""
        self.is_started = True
        self._head = {"type": "http.response.start", "status": status, "headers": headers}
        if self.passes_at_once:
            await self._flush()

    async def write(self, piece: bytes) -> bool:
        """Return whether the piece was passed on."""
        self._waiting += piece
        passes = self.passes_at_once or len(self._waiting) >= self._least
        if passes:
            await self._flush()
        return passes

    async def end(self) -> None:
        """Pass on the rest and the end of the response."""
        await self._flush()
        await self._send({"type": "http.response.body", "body": b""})

    async def _flush(self) -> None:
        if self._head is not None:
            await self._send(self._head)
            self._head = None
        if self._waiting:
            piece, self._waiting = self._waiting, b""
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})


class Pages:
    """A folder as Cloudflare Pages serves it: with the headers of its `_headers`, and with
    index.html for every path that is not a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._rules = header_rules((folder / "_headers").read_text("utf-8"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            return
        response: Response
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            response = Response(status_code=405)
        else:
            response = FileResponse(self._file(scope["path"]), headers=self._headers(scope["path"]))
        await response(scope, receive, send)

    def _file(self, path: str) -> Path:
        file = (self._folder / path.lstrip("/")).resolve()
        inside = file.is_relative_to(self._folder) and file.name != "_headers"
        return file if inside and file.is_file() else self._folder / "index.html"

    def _headers(self, path: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for pattern, headers in self._rules:
            start, star, _ = pattern.partition("*")
            if path.startswith(start) if star else path == start:
                found |= headers
        return found


def header_rules(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the rules of a `_headers` file: a path (`*` at its end matches any rest) and its
    headers."""
    rules: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            name, _, value = line.strip().partition(": ")
            rules[-1][1][name] = value
        else:
            rules.append((line.strip(), {}))
    return rules


async def _disconnected(receive: Receive) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass


def _target(scope: Scope) -> str:
    query = scope["query_string"].decode()
    return f"{scope['raw_path'].decode()}{'?' if query else ''}{query}"


def _forwarded(scope: Scope) -> list[tuple[str, str]]:
    """Return the browser's headers and those that a proxy adds."""
    client = scope["client"][0] if scope.get("client") else HOST
    given = [(name.decode(), value.decode()) for name, value in _end_to_end(scope["headers"])]
    return [*given, ("x-forwarded-for", client)]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    lower = ((name.lower(), value) for name, value in headers)
    return [
        (name, value)
        for name, value in lower
        if name.decode() not in _OWN_HEADERS and not name.startswith(b":")
    ]
