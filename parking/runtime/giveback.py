"""Give memory back to the system after many clients have come or left.

A client's objects refer to each other, and a full search for such garbage is rare in a process with
a large state. What is then freed stays with the C library's allocator, and so do the buffers of a
client's first messages. So both are asked, soon after a crowd has come or gone.
"""

import asyncio
import ctypes
import gc
import logging
import sys
from collections.abc import Callable
from typing import Final

from parking.runtime.retry import pause

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
MANY: Final = 50


async def give_back(stop: asyncio.Event, *, moved: Callable[[], int]) -> None:
    """Until `stop`. `moved` counts how often a client has come or left so far."""
    done = moved()
    while not stop.is_set():
        await pause(stop, EVERY_S)
        now = moved()
        if now - done >= MANY:
            done = now
            gc.collect()
            await asyncio.to_thread(trim)


def trim() -> bool:
    """Return free pages to the system; False where the C library cannot."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):  # musl
        return False
