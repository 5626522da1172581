"""A TCP proxy that delays data, to simulate a distant broker.

  python -m tools.bench.distance PORT TARGET_PORT DELAY_MS     both ports on this machine

DELAY_MS is one way, so a request and its response take twice that. The proxy adds nothing else but
the time to copy the data. Run it at 0 ms to measure that.
"""

import asyncio
import contextlib
import sys
from typing import Final

from tools.stack.checks import HOST

_CHUNK_BYTES: Final = 1 << 20
_MAX_CHUNKS: Final = 256


async def serve(port: int, target_port: int, delay_ms: float) -> None:
    """Forward data both ways until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, target_port, limit=_CHUNK_BYTES)
        await asyncio.gather(
            _carry(reader, back, delay_ms / 1000), _carry(there, writer, delay_ms / 1000)
        )

    server = await asyncio.start_server(connected, HOST, port, limit=_CHUNK_BYTES)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    """Forward data one way. Ends when either side closes."""
    clock = asyncio.get_running_loop().time
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=_MAX_CHUNKS)

    async def arrive() -> None:
        while True:
            due_s, chunk = await on_the_way.get()
            if (left_s := due_s - clock()) > 0:
                await asyncio.sleep(left_s)
            if not chunk:
                return
            writer.write(chunk)
            await writer.drain()

    arriving = asyncio.ensure_future(arrive())
    with contextlib.suppress(ConnectionError):
        chunk = b"any"
        while chunk and not arriving.done():
            chunk = await reader.read(_CHUNK_BYTES)
            await on_the_way.put((clock() + delay_s, chunk))
        await arriving
    arriving.cancel()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
