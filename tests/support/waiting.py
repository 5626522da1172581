"""Time limits of tests. A limit only bounds a hang, and the machine may be busy, so each limit is
multiplied by PATIENCE."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import pytest
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from tools.stack.checks import HOST

PATIENCE: Final = 3
T = TypeVar("T")


def deadline(limit_s: float) -> float:
    """Return the deadline on the clock of time.monotonic()."""
    return time.monotonic() + PATIENCE * limit_s


def wait_until(condition: Callable[[], object], limit_s: float, what: str) -> None:
    """Poll until the condition holds. Raises TimeoutError naming what was awaited."""
    ends = deadline(limit_s)
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {PATIENCE} times {limit_s:.0f} s: {what}")
        time.sleep(0.05)


def patiently(read: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what was read from Kafka. A Kafka that was frozen or starved a moment ago may know
    neither its brokers nor its topics, so the reading is repeated."""
    for _ in range(10):
        try:
            return asyncio.run(read())
        except (Retryable, KafkaError):
            time.sleep(1)
    return asyncio.run(read())


async def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """Wait in the same way in an event loop."""
    async with asyncio.timeout(PATIENCE * limit_s):
        while not condition():  # noqa: ASYNC110 -- conditions over many objects, none with an event
            await asyncio.sleep(0.01)


def listens(port: int, host: str = HOST) -> bool:
    """Return whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def nightly(value: object) -> Any:
    """Return a parameter that takes long. `make test` runs another one of its kind."""
    return pytest.param(value, marks=pytest.mark.nightly)
