"""Clients of an event stream for measurements: a few that read at once, and many that only keep up.

A client that reads each event at once costs this computer as much as the gateway. So only some are
timed. The others, in a process of their own, empty their sockets every second or two, as the
kernel's buffers allow; the gateway writes to all of them alike.
"""

import asyncio
import multiprocessing
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from tools.bench.gateway import allow_many_files
from tools.stack.checks import HOST

REQUEST: Final = b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_TIME: Final = re.compile(rb'event: slot-change\r?\n.*?"time_ms":(\d+)', re.S)
_BUFFER: Final = bytearray(262_144)
_EMPTY_EACH_S: Final = 1.5
_CONNECTS_A_S: Final = 200
_ANSWER_LIMIT_S: Final = 30


@contextmanager
def kept_up(port: int, count: int) -> Iterator[None]:
    """Connect `count` clients that are not timed, until the block ends. Raises RuntimeError at the
    end if the gateway has dropped one, because then it had less to do."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_keep_up, args=(port, count, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(count / _CONNECTS_A_S * 4 + 60) or ours.recv() != count:
            raise TimeoutError(f"{count} clients could not be connected")
        yield
        ours.send("how many are gone?")
        if not ours.poll(_ANSWER_LIMIT_S):
            raise TimeoutError("the clients do not answer")
        gone = ours.recv()
        if gone:
            raise RuntimeError(f"the gateway dropped {gone} of {count} clients")
    finally:
        process.kill()
        process.join()


def _keep_up(port: int, count: int, connection: Connection) -> None:
    allow_many_files()
    sockets: list[socket.socket] = []
    for _ in range(count):
        client = socket.create_connection((HOST, port))
        client.sendall(REQUEST)
        client.setblocking(False)
        sockets.append(client)
        time.sleep(1 / _CONNECTS_A_S)
        if len(sockets) % 100 == 0:
            _empty(sockets)  # their snapshots
    _empty(sockets)
    connection.send(len(sockets))
    gone, part = set[socket.socket](), max(1, len(sockets) // 50)
    while True:
        for start in range(0, max(1, len(sockets)), part):
            gone |= _empty(sockets[start : start + part])
            time.sleep(_EMPTY_EACH_S / 50)
            if connection.poll():
                connection.recv()
                connection.send(len(gone))


def _empty(sockets: list[socket.socket]) -> set[socket.socket]:
    """Read what has arrived. Return the clients that were dropped."""
    gone = set[socket.socket]()
    for client in sockets:
        try:
            while (read := client.recv_into(_BUFFER)) == len(_BUFFER):
                pass
            if not read:
                gone.add(client)
        except BlockingIOError:
            continue
        except OSError:
            gone.add(client)
    return gone


class Timed:
    """Clients that read each event at once. `delays_ms` holds the time from each event's timestamp
    to its arrival."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self.delays_ms: list[float] = []
        self.ended = 0

    async def connect(self, count: int) -> None:
        """Start `count` of them."""
        for _ in range(count):
            self._tasks.append(asyncio.create_task(self._client()))
            await asyncio.sleep(1 / _CONNECTS_A_S)

    async def close(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        writer.write(REQUEST)
        rest = b""
        try:
            while chunk := await reader.read(65_536):
                now_ms = time.time_ns() / 1e6
                rest += chunk
                found = list(_TIME.finditer(rest))
                self.delays_ms += [now_ms - int(match[1]) for match in found]
                rest = rest[found[-1].end() :] if found else rest[-2_000:]
            self.ended += 1
        except OSError:  # an abort, which is how a client that is too slow is dropped
            self.ended += 1
        finally:
            writer.close()
