"""Identify the sender of a request: its address, and its API key if it sent a known one."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import Scope

from parking.access.keys import KeyFile, bearer
from parking.runtime.places import Visitor


def visitors(keys: KeyFile) -> Callable[[Scope], Visitor]:
    """For the servers that know these keys."""

    def visitor_of(scope: Scope) -> Visitor:
        client = scope.get("client")
        presented = bearer(Headers(scope=scope).get("authorization"))
        key = keys.find(presented) if presented else None
        return Visitor(client[0] if client else "unknown", key.name if key else "")

    return visitor_of
