"""Unfinished TLS handshakes: how many an HTTP server keeps, and for how long."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from parking.runtime.connections import ConnectionLimits
from parking.runtime.ops import HttpSettings
from parking.runtime.tls import TlsListener
from tests.support.http_serving import Connect, ended, serving
from tools.stack.certificates import Certificates
from tools.stack.checks import HOST, free_ports

USUAL = ConnectionLimits()
HELLO = b"\x16\x03\x01\x02\x00\x01"  # the first bytes of a handshake
NAMES = (HOST, "localhost")


async def answer(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.scheme} {len(await request.body())}")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    certificates = Certificates(tmp_path_factory.mktemp("tls"))
    certificates.prepare(NAMES)
    return certificates


@asynccontextmanager
async def server(
    files: Certificates, limits: ConnectionLimits
) -> AsyncIterator[tuple[str, Connect]]:
    """Return its address, and a function that connects without a handshake."""
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    plain, port = free_ports(2)
    tls = TlsListener(HOST, port, files.chain, files.key)
    http = HttpSettings(HOST, plain, 90, limits, tls=tls)
    async with serving(app, http, port) as connect:
        yield f"https://{HOST}:{port}/", connect


async def reached(url: str, files: Certificates) -> bool:
    """Return whether a request is answered."""
    try:
        async with httpx.AsyncClient(verify=trust(files.authority)) as client:
            return (await client.get(url)).text == "https 0"
    except httpx.TransportError:
        return False


async def until_reached(url: str, files: Certificates) -> None:
    async with asyncio.timeout(20):
        while True:
            if await reached(url, files):
                return
            await asyncio.sleep(0.02)


def trust(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


@pytest.mark.parametrize("sent", [b"", HELLO], ids=["nothing", "half-a-hello"])
@pytest.mark.parametrize("header_s", [0.3, 10.0], ids=["quick", "control"])
async def test_half_a_handshake_is_not_waited_for(
    files: Certificates, sent: bytes, header_s: float
):
    async with server(files, ConnectionLimits(header_s=header_s)) as (_, connect):
        reader, writer = await connect()
        writer.write(sent)
        assert await ended(reader, 0.9 if header_s > 1 else 10) is (header_s < 1)


async def test_unfinished_handshakes_take_no_more_than_their_places(files: Certificates):
    async with server(files, ConnectionLimits(total=9, each=3)) as (url, connect):
        waiting = [await connect() for _ in range(3)]
        reader, _ = await connect()
        assert await ended(reader)
        assert not await reached(url, files)
        for _, writer in waiting:
            writer.transport.abort()
        await until_reached(url, files)


async def test_what_is_not_tls_ends_quietly(files: Certificates, caplog: pytest.LogCaptureFixture):
    async with server(files, USUAL) as (url, connect):
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await ended(reader)
        _, writer = await connect()
        writer.transport.abort()
        assert await reached(url, files)
    assert [r for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")] == []


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(
    files: Certificates,
):
    """One segment carries the client's last flight and its request."""
    async with server(files, USUAL) as (_, connect):
        reader, writer = await connect()
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trust(files.authority).wrap_bio(down, up, server_hostname=HOST)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(up.read())
                down.write(await reader.read(65_536))
        client.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        writer.write(up.read())
        received = b""
        async with asyncio.timeout(10):
            while b"https 3" not in received:
                down.write(await reader.read(65_536))
                with suppress(ssl.SSLWantReadError):
                    while part := client.read():
                        received += part
        assert received.startswith(b"HTTP/1.1 200")


async def test_many_requests_over_one_connection(files: Certificates):
    async with (
        server(files, USUAL) as (url, _),
        httpx.AsyncClient(verify=trust(files.authority)) as client,
    ):
        for size in (0, 100, 300_000):
            assert (await client.post(url, content=b"x" * size)).text == f"https {size}"
