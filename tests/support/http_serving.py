"""An app behind our HTTP server, and raw connections to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from parking.runtime.ops import HttpSettings, http_loop
from tools.stack.checks import HOST

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


@asynccontextmanager
async def serving(app: ASGIApp, http: HttpSettings, port: int) -> AsyncIterator[Connect]:
    """Yield a function that connects to `port`, one of the server's; the connections end with the
    block."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(http_loop(app, http)(stop))
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> Connection:
        reader, writer = await asyncio.open_connection(HOST, port)
        writers.append(writer)
        return reader, writer

    async with asyncio.timeout(20):
        while True:
            try:
                reader, writer = await connect()
                writer.close()  # it takes a place until the server knows
                assert await ended(reader)
                break
            except OSError:
                await asyncio.sleep(0.02)
    try:
        yield connect
    finally:
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        stop.set()
        await task


async def ended(reader: asyncio.StreamReader, within_s: float = 10) -> bool:
    """Return whether the server ends the connection; False if it is still open after that time."""
    try:
        async with asyncio.timeout(within_s):
            await reader.read()
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True
