"""What clients are sent, and the bounded queue between the feed and each of them.

A client whose queue is full is cut off: it comes back with its last id and misses nothing.
"""

import asyncio
from dataclasses import dataclass
from functools import cached_property

from parking.metrics import SSE_CLOSED


@dataclass(frozen=True)
class Message:
    """One message to clients, encoded once for all of them. `data` is JSON on one line."""

    type: str
    data: bytes
    id: str | None = None
    site_id: str | None = None

    @cached_property
    def sse(self) -> bytes:
        """As a server-sent event."""
        place = f"id: {self.id}\n" if self.id else ""
        return b"event: %s\n%sdata: %s\n\n" % (self.type.encode(), place.encode(), self.data)

    @cached_property
    def text(self) -> str:
        """As a WebSocket message."""
        place = f'"{self.id}"' if self.id else "null"
        return f'{{"type":"{self.type}","id":{place},"data":{self.data.decode()}}}'


class Client:
    """One follower: a bounded queue, filtered by site. `closed` tells why it was cut off."""

    def __init__(self, site_id: str | None, queue_messages: int) -> None:
        self.site_id = site_id
        self.closed: str | None = None
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=queue_messages)

    def offer(self, message: Message) -> None:
        """Queue it, or cut the client off when it is too slow."""
        if message.site_id is not None and self.site_id not in (None, message.site_id):
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.close("slow")

    def close(self, reason: str) -> None:
        """End its stream; what was queued is dropped."""
        if self.closed is None:
            self.closed = reason
            SSE_CLOSED.labels(reason).inc()
        self._drop()
        self._queue.put_nowait(None)

    def forget(self) -> None:
        """Begin anew: drop what is queued; what follows makes up for all of it. Whose queue was
        too short for that is not slow."""
        self.closed = None
        self._drop()

    def _drop(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()

    async def next(self, timeout_s: float) -> list[Message]:
        """All that waits, at least one message; [] once it is closed. Raises TimeoutError when
        none came. A burst is so one write to the socket and not hundreds."""
        async with asyncio.timeout(timeout_s):
            messages = [await self._queue.get()]
        while not self._queue.empty():
            messages.append(self._queue.get_nowait())
        return [message for message in messages if message is not None]
