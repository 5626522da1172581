"""Places for streams: limits per address or key, and in total."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope

from parking.access.keys import KeyFile
from parking.access.visitors import visitors
from parking.runtime.metrics import REFUSED_REQUESTS
from parking.runtime.places import SHARE, Places, Taken, TakenPlace, Visitor
from services.notifier.api.web import ApiError
from services.notifier.settings import Limits

_AGAIN: dict[str, str] = {"Retry-After": "10"}


@dataclass(frozen=True, slots=True)
class Door:
    """The places of one kind of stream."""

    places: Places
    visitor_of: Callable[[Scope], Visitor]
    send_timeout_s: float

    def enter(self, scope: Scope) -> TakenPlace:
        """Reserve a place before anything is sent. Raises ApiError 429 or 503."""
        try:
            return self.places.enter(self.visitor_of(scope))
        except Taken as error:
            REFUSED_REQUESTS.labels(error.reason).inc()
            status = 429 if error.reason == SHARE else 503
            raise ApiError(status, error.reason, error.detail, _AGAIN) from error


@dataclass(frozen=True, slots=True)
class Doors:
    """The places of event streams (SSE and WebSocket together) and of live pictures."""

    clients: Door
    viewers: Door

    @classmethod
    def of(cls, limits: Limits, keys: KeyFile) -> "Doors":
        """Return the places for the limits in the settings."""
        clients = Places(limits.clients, limits.clients_each, limits.clients_kept)
        viewers = Places(limits.viewers, limits.viewers_each, limits.viewers_kept)
        who, limit_s = visitors(keys), limits.send_timeout_s
        return cls(Door(clients, who, limit_s), Door(viewers, who, limit_s))
