"""Show a camera's live pictures to many viewers from one source.

A slow viewer misses pictures. It never delays anything else, and buffers at most one picture.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

Taken = tuple[bytes, int]
"""A JPEG and when it was taken, Unix milliseconds."""


class Screen:
    """A camera's latest picture, and the viewers waiting for it."""

    def __init__(self) -> None:
        self._newest: Taken | None = None
        self._number = 0
        self._viewers = 0
        self._closed = False
        self._change = asyncio.Event()  # replaced at each change; each waiting viewer has its own

    @property
    def viewers(self) -> int:
        """The number of viewers."""
        return self._viewers

    @property
    def is_watched(self) -> bool:
        """Whether somebody is watching."""
        return self._viewers > 0

    @property
    def is_closed(self) -> bool:
        """Whether no more pictures will come."""
        return self._closed

    def show(self, jpeg: bytes, time_ms: int) -> None:
        """Show a new picture to all viewers."""
        self._newest = jpeg, time_ms
        self._number += 1
        self._changed()

    def close(self) -> None:
        """End the stream, because no more pictures will come."""
        self._closed = True
        self._changed()

    async def watched_within(self, seconds: float) -> None:
        """Wait this long, or until another viewer appears."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        looked_at = self._viewers
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                while self._viewers <= looked_at:
                    await self._change.wait()

    async def pictures(self, limit_s: float) -> AsyncGenerator[Taken | None, None]:
        """Yield each new picture, skipping to the latest, or None if none arrived for `limit_s`
        seconds."""
        seen = self._number
        self._viewers += 1
        self._changed()
        try:
            while not self._closed:
                change = self._change
                if self._number != seen:
                    seen = self._number
                    yield self._newest
                    continue
                try:
                    async with asyncio.timeout(limit_s):
                        await change.wait()
                except TimeoutError:
                    yield None
        finally:
            self._viewers -= 1

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()
