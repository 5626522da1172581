"""How long a test waits. Limits bound a hang and measure nothing, and nobody knows how busy the
machine is, so each is taken PATIENCE times."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

PATIENCE: Final = 3


def deadline(limit_s: float) -> float:
    """On the clock of time.monotonic()."""
    return time.monotonic() + PATIENCE * limit_s


def wait_until(condition: Callable[[], object], limit_s: float, what: str) -> None:
    """Poll until it holds. Raises TimeoutError that says what was waited for."""
    ends = deadline(limit_s)
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {PATIENCE} times {limit_s:.0f} s: {what}")
        time.sleep(0.05)


async def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """The same in an event loop."""
    async with asyncio.timeout(PATIENCE * limit_s):
        while not condition():  # noqa: ASYNC110 -- conditions over many objects, none with an event
            await asyncio.sleep(0.01)


def nightly(value: object) -> Any:
    """A parameter of a test that takes long with each: `make test` tries another of its kind."""
    return pytest.param(value, marks=pytest.mark.nightly)
