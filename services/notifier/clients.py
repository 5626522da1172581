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
    disconnected. There are thousands, so a client is a list, one future and one timer, not an
    asyncio.Queue and a time-out for each message."""

    __slots__ = ("_arrival", "_messages", "_queue_messages", "_timer", "closed", "sites")

    def __init__(self, chosen: str | Sites, queue_messages: int) -> None:
        self.sites = sites_of(chosen)
        self.closed: str | None = None
        self._queue_messages = queue_messages
        self._messages: list[Message] = []
        self._arrival: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, message: Message) -> None:
        """Queue the message, or disconnect the client if it is too slow."""
        if self.closed is not None or not includes(self.sites, message.site_id):
            return
        if len(self._messages) >= self._queue_messages:
            self.close("slow")
            return
        self._messages.append(message)
        self._wake()

    def close(self, reason: str) -> None:
        """End the client's stream; queued messages are dropped."""
        if self.closed is None:
            self.closed = reason
            SSE_CLOSED.labels(reason).inc()
        self._messages = []
        self._wake()

    def forget(self) -> None:
        """Drop the queued messages, because the next ones replace them all. A client whose queue
        was too short for that is not slow."""
        self.closed = None
        self._messages = []

    async def next(self, until_s: float) -> list[Message]:
        """Return all waiting messages, at least one, or [] once the queue is closed. Raises
        TimeoutError when none arrived before `until_s`, a time of the event loop. A burst is then
        one write to the socket, not hundreds."""
        if not self._messages and self.closed is None:
            loop = asyncio.get_running_loop()
            self._wake_at(until_s, loop)
            self._arrival = loop.create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        if not self._messages and self.closed is None:
            raise TimeoutError
        messages, self._messages = self._messages, []
        return messages

    def leave(self) -> None:
        """Stop the timer, because nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_at(self, until_s: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None or self._timer.when() != until_s:
            self.leave()
            self._timer = loop.call_at(until_s, self._wake_late)

    def _wake_late(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
