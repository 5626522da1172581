"""Messages to clients, and the bounded queue between the feed and each client.

A client whose queue is full is disconnected. It reconnects with its last id and misses nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from parking.runtime.metrics import SSE_CLOSED, SSE_EVENTS

Sites = frozenset[str] | None
"""The sites that a client receives; None means all."""
PIECE_BYTES: Final = 16_384
"""The most bytes written to a client at once, because a socket's buffer takes little more than
this."""


def sites_of(chosen: str | Sites) -> Sites:
    """Return one site, or several, as Sites."""
    return frozenset({chosen}) if isinstance(chosen, str) else chosen


def includes(sites: Sites, site_id: str | None) -> bool:
    """Return whether something that belongs to this site (None: to no site) is for a client that
    receives these sites."""
    return sites is None or site_id is None or site_id in sites


@dataclass(frozen=True)
class Message:
    """One message to clients, encoded once for all of them. `data` is JSON on one line."""

    type: str
    data: bytes
    id: str | None = None
    site_id: str | None = None

    @property
    def head(self) -> bytes:
        """The start of a server-sent event; its data and an empty line follow."""
        place = f"id: {self.id}\n" if self.id else ""
        return b"event: %s\n%sdata: " % (self.type.encode(), place.encode())

    @cached_property
    def sse(self) -> bytes:
        """Format the message as a server-sent event."""
        return b"%s%s\n\n" % (self.head, self.data)

    @property
    def is_large(self) -> bool:
        """Whether to send the message in pieces, so that the client's copy of it is never held
        here."""
        return len(self.data) > PIECE_BYTES

    @cached_property
    def text(self) -> str:
        """Format the message as a WebSocket message."""
        place = f'"{self.id}"' if self.id else "null"
        return f'{{"type":"{self.type}","id":{place},"data":{self.data.decode()}}}'


def pieces(messages: Iterable[Message]) -> Iterator[bytes]:
    """Yield server-sent events in pieces of about PIECE_BYTES; small events are joined."""
    small: list[bytes] = []
    for message in messages:
        if not message.is_large:
            small.append(message.sse)
        if small and (message.is_large or sum(map(len, small)) > PIECE_BYTES):
            yield b"".join(small)
            small = []
        if message.is_large:
            yield message.head
            for start in range(0, len(message.data), PIECE_BYTES):
                yield message.data[start : start + PIECE_BYTES]
            yield b"\n\n"
    if small:
        yield b"".join(small)


def counted(messages: list[Message]) -> list[Message]:
    """Return the messages, and count them as sent."""
    for message in messages:
        SSE_EVENTS.labels(message.type).inc()
    return messages


class Client:
    """One follower: a bounded queue, filtered by site. `closed` is the reason for which it was
    disconnected."""

    def __init__(self, chosen: str | Sites, queue_messages: int) -> None:
        self.sites = sites_of(chosen)
        self.closed: str | None = None
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=queue_messages)

    def offer(self, message: Message) -> None:
        """Queue the message, or disconnect the client if it is too slow."""
        if not includes(self.sites, message.site_id):
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.close("slow")

    def close(self, reason: str) -> None:
        """End the client's stream; queued messages are dropped."""
        if self.closed is None:
            self.closed = reason
            SSE_CLOSED.labels(reason).inc()
        self._drop()
        self._queue.put_nowait(None)

    def forget(self) -> None:
        """Drop the queued messages, because the next ones replace them all. A client whose queue
        was too short for that is not slow."""
        self.closed = None
        self._drop()

    def _drop(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()

    async def next(self, timeout_s: float) -> list[Message]:
        """Return all waiting messages, at least one, or [] once the queue is closed. Raises
        TimeoutError when none arrived. A burst is then one write to the socket, not hundreds."""
        async with asyncio.timeout(timeout_s):
            messages = [await self._queue.get()]
        while not self._queue.empty():
            messages.append(self._queue.get_nowait())
        return [message for message in messages if message is not None]
