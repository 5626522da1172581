"""Limit the connections of our HTTP servers: how many there are, how long a request may take, and
how much is buffered.

uvicorn limits none of these, so a client that sends half a request line keeps its socket for ever.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from parking.runtime.metrics import HTTP_DROPPED
from parking.runtime.places import Places, Taken, TakenPlace, Visitor

SEND_BUFFER_BYTES: Final = 131_072
"""The kernel's buffer per connection, which otherwise grows to megabytes for a client that reads
nothing."""
CallWhenLost = Callable[[Callable[[], None] | None], None]
WRITE_BUFFER_BYTES: Final = 16_384
"""Our buffer per connection. Above this, a sender waits."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """At most `total` connections, and `each` per address. `header_s` limits the time from the
    first byte of a request, or from the start of the connection, to the end of the headers.
    `body_s` limits the time from there to the end of the body. Between requests uvicorn's
    keep-alive time-out applies."""

    total: int = 4_000
    each: int = 1_000
    header_s: float = 10.0
    body_s: float = 30.0


def protocol(limits: ConnectionLimits) -> type[H11Protocol]:
    """Return the protocol for uvicorn's `http=`. One server's connections are counted together."""
    places = Places(limits.total, limits.each)

    class Bounded(_Bounded):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.bind(limits, places)

    return Bounded


class _Bounded(H11Protocol):
    """uvicorn's protocol with the limits."""

    def bind(self, limits: ConnectionLimits, places: Places) -> None:
        """Set the limits before the connection is made."""
        self._limits = limits
        self._places = places
        self._place: TakenPlace | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._waits_for = ""
        self._lost = False
        self._when_lost: Callable[[], None] | None = None

    def call_when_lost(self, call: Callable[[], None] | None) -> None:
        """Call this when the connection ends, or soon if it has ended; None: call nothing."""
        self._when_lost = call
        if call is not None and self._lost:
            self.loop.call_soon(self._tell_loss)

    def _tell_loss(self) -> None:
        if self._when_lost is not None:
            self._when_lost()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a client connects."""
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else "local"
        try:
            self._place = self._places.enter(Visitor(address))
        except Taken as error:
            HTTP_DROPPED.labels(error.reason).inc()
            transport.abort()
            super().connection_made(transport)
            return
        opened = transport.get_extra_info("socket")
        if opened is not None and opened.family in (socket.AF_INET, socket.AF_INET6):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        super().connection_made(transport)
        self._expect("headers")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection ends."""
        self._leave()
        super().connection_lost(exc)
        self._lost = True
        self._tell_loss()

    def data_received(self, data: bytes) -> None:
        """Called with a part of a request, or with more than one request."""
        super().data_received(data)
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Another protocol takes over the connection and its place."""
        self._expect("")
        place, self._place = self._place, None
        super().handle_websocket_upgrade(event)
        _leave_with(self.transport.get_protocol(), place)

    def on_response_complete(self) -> None:
        """Called when a response was sent."""
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """Check which part the client must send next."""
        if self.transport.is_closing():
            return
        state, begun = self.conn.their_state, bool(self.conn.trailing_data[0])
        if state is h11.SEND_BODY:
            self._expect("body")
        elif state is h11.IDLE and (begun or self.timeout_keep_alive_task is None):
            self._expect("headers")
        else:
            self._expect("")

    def _expect(self, what: str) -> None:
        """Start the time-out of the awaited part, unless it is already running."""
        if what == self._waits_for:
            return
        self._waits_for = what
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if what:
            limit_s = self._limits.header_s if what == "headers" else self._limits.body_s
            self._deadline = self.loop.call_later(limit_s, self._too_late)

    def _too_late(self) -> None:
        HTTP_DROPPED.labels(f"slow-{self._waits_for}").inc()
        self.transport.abort()

    def _leave(self) -> None:
        self._expect("")
        if self._place is not None:
            self._place.give_back()


def _leave_with(protocol_: Any, place: TakenPlace | None) -> None:
    """Give the place back when this protocol's connection ends."""
    lost = protocol_.connection_lost

    def connection_lost(exc: Exception | None) -> None:
        if place is not None:
            place.give_back()
        lost(exc)

    protocol_.connection_lost = connection_lost
