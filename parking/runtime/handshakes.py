"""Limit the TLS handshakes of our HTTP servers: how many at once, and how long one may take.

uvicorn leaves both to asyncio, which waits 60 s and counts nothing. The connection's own limits
(parking/runtime/connections.py) begin after the handshake.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from parking.runtime.connections import ConnectionLimits
from parking.runtime.metrics import HTTP_DROPPED
from parking.runtime.places import Places, Taken, Visitor

log = logging.getLogger(__name__)


def protocol(
    inner: type[H11Protocol], context: ssl.SSLContext, limits: ConnectionLimits
) -> Callable[..., asyncio.Protocol]:
    """Return the protocol for uvicorn's `http=` that begins TLS by `context` and then is `inner`.

    At most `limits.total` handshakes run at once, `limits.each` per address, for `limits.header_s`
    each. A client that exceeds one of these is dropped."""
    places = Places(limits.total, limits.each)
    return partial(_Handshake, _Server(inner, context, limits.header_s, places))


@dataclass(frozen=True, slots=True)
class _Server:
    inner: type[H11Protocol]
    context: ssl.SSLContext
    limit_s: float
    places: Places


class _Handshake(asyncio.Protocol):
    """A connection until its handshake ends. `uvicorns` is what uvicorn passes to each protocol."""

    def __init__(self, server: _Server, **uvicorns: Any) -> None:
        self._server = server
        self._uvicorns = uvicorns
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when a client connects."""
        opened = cast("asyncio.Transport", transport)
        try:
            place = self._server.places.enter(Visitor(opened.get_extra_info("peername")[0]))
        except Taken as error:
            HTTP_DROPPED.labels(error.reason).inc()
            opened.abort()
            return
        self._task = asyncio.ensure_future(self._open(opened, place))

    def data_received(self, data: bytes) -> None:
        """Called with data. The first request may arrive together with the end of the handshake."""
        self._early += data

    async def _open(
        self, transport: asyncio.Transport, place: AbstractContextManager[None]
    ) -> None:
        with place:
            secured = await self._shake_hands(transport)
        if secured is None or secured.is_closing():
            return
        served = self._server.inner(**self._uvicorns)
        secured.set_protocol(served)
        served.connection_made(secured)
        if self._early:
            served.data_received(bytes(self._early))

    async def _shake_hands(self, transport: asyncio.Transport) -> asyncio.Transport | None:
        loop, server = asyncio.get_running_loop(), self._server
        try:
            return await loop.start_tls(
                transport,
                self,
                server.context,
                server_side=True,
                ssl_handshake_timeout=server.limit_s,
            )
        except ConnectionAbortedError:
            HTTP_DROPPED.labels("slow-handshake").inc()
        except OSError as error:  # ssl.SSLError is one
            log.debug("TLS handshake failed: %s", error)
        return None
