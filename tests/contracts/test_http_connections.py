"""The limits of each HTTP server on the number of connections, time and memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from parking.runtime import asgi
from parking.runtime.connections import ConnectionLimits
from parking.runtime.hosts import is_allowed, is_host
from parking.runtime.ops import HttpSettings
from tests.support.http_serving import Connect, ended, serving
from tools.stack.checks import HOST, free_ports

QUICK = ConnectionLimits(header_s=0.3, body_s=0.3)
USUAL = ConnectionLimits()
LONG = b"x" * 20_000_000
HEADERS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WITH_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


async def answer(request: Request) -> Response:
    return PlainTextResponse(LONG if request.url.path == "/long" else b"ok")


@asynccontextmanager
async def server(limits: ConnectionLimits) -> AsyncIterator[Connect]:
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    [port] = free_ports(1)
    async with serving(app, HttpSettings(HOST, port, 90, limits), port) as connect:
        yield connect


HALVES = {
    "nothing": b"",
    "half-a-line": b"GET / HT",
    "half-headers": HEADERS[:-2],
    "no-body": WITH_BODY,
    "half-body": WITH_BODY + b"12",
    "half-second": HEADERS + b"GET /",
    "half-third": HEADERS * 2 + b"G",
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize("limits", [QUICK, USUAL], ids=["quick", "control"])
async def test_half_a_request_is_not_waited_for(sent: bytes, limits: ConnectionLimits):
    async with server(limits) as connect:
        reader, writer = await connect()
        writer.write(sent)
        within_s = 10.0 if limits is QUICK else 0.6
        assert await ended(reader, within_s) is (limits is QUICK)


async def test_an_idle_connection_between_requests_stays():
    async with server(QUICK) as connect:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(HEADERS)
            assert (await reader.readuntil(b"ok"))[:12] == b"HTTP/1.1 200"
            await asyncio.sleep(2 * QUICK.header_s)


@pytest.mark.parametrize(("limits", "served"), [((12, 9), 9), ((6, 9), 6)])
async def test_no_more_connections_than_places(limits: tuple[int, int], served: int):
    async with server(ConnectionLimits(*limits)) as connect:
        made = [await connect() for _ in range(11)]
        for _, writer in made:
            writer.write(HEADERS)
        lines = await asyncio.gather(*(first_line(reader) for reader, _ in made))
        assert lines.count(b"HTTP/1.1 200 OK\r\n") == served
        for _, writer in made:
            writer.close()
            await writer.wait_closed()
        reader, writer = await connect()
        writer.write(HEADERS)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def first_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def test_a_client_that_reads_nothing_of_a_long_answer_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(asgi.SendLimit, "__init__", lambda self: setattr(self, "seconds", 0.3))
    async with server(USUAL) as connect:
        reader, writer = await connect()
        writer.write(HEADERS.replace(b"/ ", b"/long ", 1))
        await asyncio.sleep(1)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(len(LONG))


async def test_a_long_answer_arrives_whole():
    async with server(USUAL) as connect:
        reader, writer = await connect()
        writer.write(HEADERS.replace(b"/ ", b"/long ", 1))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 20000000" in head.lower()
        assert await reader.readexactly(len(LONG)) == LONG


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("127.0.0.1:8080", True), ("[::1]:8080", True), ("localhost", True), ("10.0.0.5", True),
        ("parking.local:8080", True), ("parking", True), ("lot.example", True), ("", True),
        ("LOT.example.:443", True), ("evil.example", False), ("evil.example:8080", False),
        ("lot.example.evil.example", False), ("127.0.0.1.evil.example", False),
        ("127.0.0.1@evil.example", False), ("a b", False), ("lot.example:x", False),
    ],
)  # fmt: skip
def test_which_hosts_are_answered(header: str, allowed: bool):
    assert is_allowed(header, ["lot.example"]) is allowed


@pytest.mark.parametrize("name", ["", "https://lot.example", "lot.example:443", "*", "a b", "a..b"])
def test_an_invalid_host(name: str):
    assert not is_host(name)


async def test_a_foreign_host_is_refused_by_every_server():
    app = asgi.Habits(PlainTextResponse("ok"), ["lot.example"])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        refused = await http.get("/", headers={"Host": "evil.example"})
        assert (refused.status_code, refused.json()["error"]) == (421, "wrong-host")
        assert (await http.get("/", headers={"Host": "lot.example"})).status_code == 200
