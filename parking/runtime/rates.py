"""Fair shares of an HTTP server: requests and bytes per second, by API key, address and site.

A request with a known key counts towards its key, and any other towards its address, so that
anonymous clients behind the same proxy cannot use up a key holder's share. A request with a key
also counts towards its site, so that many cameras of one site leave the other sites their share.
Anonymous requests do not count towards a site's limit, or anybody could block the site.
"""

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parking.core.shares import Buckets, Rate
from parking.runtime.metrics import REFUSED_REQUESTS
from parking.runtime.places import Visitor
from parking.runtime.settings import Reader

_FREE: Final = ("/healthz", "/readyz", "/metrics")
_SITE: Final = re.compile(
    r"/(?:api(?:/v1)?/(?:sites|cameras|slots)|ingest/v1/frames)/(?P<site>[a-z0-9-]{1,40})(?:/|$)"
)
Share = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rate per second in the long run, with up to `burst_s` seconds' worth at once."""

    each_requests: float = 200.0
    each_bytes: float = 20_000_000.0
    site_requests: float = 400.0
    site_bytes: float = 50_000_000.0
    burst_s: float = 10.0

    @classmethod
    def read(cls, env: Reader, usual: "RateLimits") -> "RateLimits":
        """From HTTP_EACH_*, HTTP_SITE_* and HTTP_BURST_S."""
        return cls(
            env.number("HTTP_EACH_REQUESTS_PER_S", usual.each_requests, 0.1, 1e6),
            env.number("HTTP_EACH_BYTES_PER_S", usual.each_bytes, 1_000, 1e12),
            env.number("HTTP_SITE_REQUESTS_PER_S", usual.site_requests, 0.1, 1e6),
            env.number("HTTP_SITE_BYTES_PER_S", usual.site_bytes, 1_000, 1e12),
            env.number("HTTP_BURST_S", usual.burst_s, 1, 3600),
        )


class Rates:
    """An application in which each client has a share."""

    def __init__(
        self,
        app: ASGIApp,
        visitor_of: Callable[[Scope], Visitor],
        limits: RateLimits,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._visitor_of = visitor_of
        self._clock_s = clock_s
        self._requests = {
            "each": _buckets(limits.each_requests, limits.burst_s),
            "site": _buckets(limits.site_requests, limits.burst_s),
        }
        self._bytes = {
            "each": _buckets(limits.each_bytes, limits.burst_s),
            "site": _buckets(limits.site_bytes, limits.burst_s),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in _FREE:
            await self._app(scope, receive, send)
            return
        shares = self._shares(scope)
        refusal = self._refusal(shares)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        for kind, share in shares.items():
            self._requests[kind].use(share, 1, self._now_ms())
        await self._app(scope, *self._counted(shares, receive, send))

    def _refusal(self, shares: Mapping[str, Share]) -> ASGIApp | None:
        for what, buckets in (("requests", self._requests), ("bytes", self._bytes)):
            for kind, share in shares.items():
                wait_s = buckets[kind].wait_s(share, self._now_ms())
                if wait_s > 0:
                    return _too_much(share, what, wait_s)
        return None

    def _counted(
        self, shares: Mapping[str, Share], receive: Receive, send: Send
    ) -> tuple[Receive, Send]:
        """Wrap both so that the bytes that pass through are counted."""

        def count(message: Message) -> None:
            length = len(message.get("body") or message.get("text") or b"")
            for kind, share in shares.items() if length else ():
                self._bytes[kind].use(share, length, self._now_ms())

        async def counted_receive() -> Message:
            message = await receive()
            count(message)
            return message

        async def counted_send(message: Message) -> None:
            count(message)
            await send(message)

        return counted_receive, counted_send

    def _now_ms(self) -> float:
        return self._clock_s() * 1000

    def _shares(self, scope: Scope) -> dict[str, Share]:
        visitor = self._visitor_of(scope)
        site = _SITE.match(scope["path"]) if visitor.key else None
        return {"each": visitor.share} | ({"site": ("site", site["site"])} if site else {})


def _buckets(per_s: float, burst_s: float) -> Buckets:
    return Buckets(Rate(per_s, max(1.0, per_s * burst_s)))


def _too_much(share: Share, what: str, wait_s: float) -> ASGIApp:
    REFUSED_REQUESTS.labels(f"{share[0]}-{what}").inc()
    whose = {"key": "this API key", "address": "this address", "site": f"the site {share[1]!r}"}
    seconds = math.ceil(wait_s)
    detail = f"{whose[share[0]]} has used up its share of {what}: try again in {seconds} s"
    return JSONResponse({"error": "rate", "detail": detail}, 429, {"Retry-After": str(seconds)})
