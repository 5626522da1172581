"""Retry until it works, which is the only way in which services wait out an outage."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from parking.core.errors import Retryable
from parking.wire.ports import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before the second attempt. The delay doubles up to `max_s`."""

    first_s: float = 0.25
    max_s: float = 10.0


DOUBLING = Backoff()
EACH_SECOND = Backoff(1.0, 1.0)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but only until `stop` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def retry(
    work: Callable[[], Awaitable[T]],
    clock: Clock,
    stop: asyncio.Event,
    backoff: Backoff = DOUBLING,
    waiting: Callable[[str], object] | None = None,
) -> T | None:
    """Return the result of `work`. After Retryable it runs again, and `waiting` gets the reason;
    other exceptions pass. Returns None if `stop` is set before it works."""
    delay_s = backoff.first_s
    while not stop.is_set():
        try:
            return await work()
        except Retryable as error:
            log.warning("waiting %.2f s: %s", delay_s, error)
            if waiting:
                waiting(str(error))
            await clock.sleep(delay_s)
            delay_s = min(delay_s * 2, backoff.max_s)
    return None
