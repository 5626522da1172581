"""Streams run after the application has returned.

The application's layers (middleware, routing, the request's values) cost 20 kB for each request in
progress. A stream lasts for hours and needs none of them. So its route only leaves the work here,
and the outermost layer does it once the others are gone. Layers inside may wrap the work.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.types import Message, Scope, Send

LATER: Final = "parking.later"
"""In the scope of a request: a Later."""

Work = Callable[[], Awaitable[None]]


class Later:
    """What is left to do for a request. `send` is the outermost layer's."""

    __slots__ = ("send", "work")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.work: Work | None = None

    def take(self, scope: Scope, before: Collection[str]) -> Work | None:
        """Return what is left to do. Drop from the scope what the application put there, except
        what our own layers need (`parking.*` and the parameters of the path)."""
        work, self.work = self.work, None
        if work is not None:
            for name in scope.keys() - before:
                if name != "path_params" and not name.startswith("parking."):
                    del scope[name]
        return work


class AfterStart:
    """`send` for a stream: the start of the answer passes through all layers of the application,
    because they add headers; the rest takes the short way past them."""

    __slots__ = ("_rest", "_send")

    def __init__(self, send: Send, rest: Send) -> None:
        self._send, self._rest = send, rest

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        send, self._send = self._send, self._rest
        await send(message)


def later_of(scope: Scope) -> Later | None:
    """Return where to leave work, or None if nobody would do it."""
    later: Later | None = scope.get(LATER)
    return later
