"""TCP and HTTP health checks of this machine's own servers, each with a time limit."""

import asyncio
import secrets
import socket
from collections.abc import Mapping
from typing import Final

import psutil

from tools.stack.errors import StackError
from tools.stack.settings import port_setting

HOST: Final = "127.0.0.1"
QUESTION_LIMIT_S: Final = 3.0


class NotReady(Exception):
    """The server is not ready. The message names what is missing."""


async def tcp(port: int) -> None:
    """Check that something accepts connections on the port. Raises NotReady."""
    try:
        async with asyncio.timeout(QUESTION_LIMIT_S):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        raise NotReady(f"port {port}: {str(error) or 'no answer'}") from error


async def http_status(port: int, path: str) -> int:
    """Return the status of GET `path`. Raises NotReady if no answer arrives."""
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
    """Check that a service reports itself alive. Raises NotReady."""
    status = await http_status(port, "/healthz")
    if status != 200:
        raise NotReady(f"/healthz answers {status}")


def free_ports(count: int) -> list[int]:
    """Return free ports below the range that the system uses for outgoing connections. Otherwise a
    client that keeps retrying the port of a stopped server could connect to itself."""
    found: set[int] = set()
    while len(found) < count:
        port = 20_000 + secrets.randbelow(12_000)
        if _is_free(port):
            found.add(port)
    return list(found)


def require_free(ports: Mapping[str, int], host: str = HOST) -> None:
    """Raise StackError naming every port in use, the program that uses it, and the setting to
    change."""
    taken = [
        f"port {port} ({port_setting(name)}) is in use{_holder(port)}"
        for name, port in ports.items()
        if not _is_free(port, host)
    ]
    if taken:
        settings = " ".join(
            f"{port_setting(n)}={free_ports(1)[0]}"
            for n, p in ports.items()
            if not _is_free(p, host)
        )
        raise StackError(
            "; ".join(taken) + f". Stop that program, or choose other ports: make run {settings}"
        )


def _is_free(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _holder(port: int) -> str:
    """Return ` by NAME (pid N)` if the system lets us see it."""
    try:
        for one in psutil.net_connections("tcp"):
            if one.pid and one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,):
                return f" by {psutil.Process(one.pid).name()} (pid {one.pid})"
    except psutil.Error:
        pass
    return ""
