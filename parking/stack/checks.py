"""Is it there? TCP and HTTP questions to this machine's own servers, each bounded in time."""

import asyncio
import secrets
import socket
from collections.abc import Mapping
from typing import Final

import psutil

from parking.stack.errors import StackError
from parking.stack.settings import port_setting

HOST: Final = "127.0.0.1"
QUESTION_LIMIT_S: Final = 3.0


class NotReady(Exception):
    """Not yet; the message says what is missing."""


async def tcp(port: int) -> None:
    """Something accepts connections on the port. Raises NotReady."""
    try:
        async with asyncio.timeout(QUESTION_LIMIT_S):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        raise NotReady(f"port {port}: {str(error) or 'no answer'}") from error


async def http_status(port: int, path: str) -> int:
    """The status of GET `path`. Raises NotReady when there is no answer."""
    try:
        async with asyncio.timeout(QUESTION_LIMIT_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()
            )
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return int(line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError) as error:
        raise NotReady(f"port {port}{path}: {str(error) or 'no answer'}") from error


async def healthz(port: int) -> None:
    """A service says that it is alive. Raises NotReady."""
    status = await http_status(port, "/healthz")
    if status != 200:
        raise NotReady(f"/healthz answers {status}")


def free_ports(count: int) -> list[int]:
    """Ports nobody uses now, below those the system gives to outgoing connections: while a server
    is down, a client that tries its port again and again could otherwise connect to itself."""
    found: set[int] = set()
    while len(found) < count:
        port = 20_000 + secrets.randbelow(12_000)
        if _is_free(port):
            found.add(port)
    return list(found)


def require_free(ports: Mapping[str, int]) -> None:
    """Raise StackError that names every port in use, who uses it, and the setting to change."""
    taken = [
        f"port {port} ({port_setting(name)}) is in use{_holder(port)}"
        for name, port in ports.items()
        if not _is_free(port)
    ]
    if taken:
        settings = " ".join(
            f"{port_setting(n)}={free_ports(1)[0]}" for n, p in ports.items() if not _is_free(p)
        )
        raise StackError(
            "; ".join(taken) + f". End that program, or choose others: make run {settings}"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _holder(port: int) -> str:
    """` by NAME (pid N)` where the system lets us see it."""
    try:
        for one in psutil.net_connections("tcp"):
            if one.pid and one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,):
                return f" by {psutil.Process(one.pid).name()} (pid {one.pid})"
    except psutil.Error:
        pass
    return ""
