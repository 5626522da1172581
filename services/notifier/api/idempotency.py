"""Detect an Idempotency-Key that is used again for a different request. That is a client error and
gets 409; the tracker alone would silently ignore the second request.

Each process remembers its last KEYS_KEPT keys. An instance that did not see the first request, or
was restarted since, cannot detect the error, but the tracker still applies only the first request.
"""

import hashlib
from collections import OrderedDict
from typing import Annotated, Final

import msgspec
from fastapi import Header

from parking.core.gatenumbers import ID_MEMORY
from services.notifier.api.web import ApiError

KEYS_KEPT: Final = 20_000
_KEYS_KNOWN: Final = f"as long as it is among the last {ID_MEMORY} keys and commands of its site"
IdempotencyKey = Annotated[
    str | None,
    Header(
        description=f"the same key again has no second effect, {_KEYS_KNOWN};"
        " with another request it is refused (409)"
    ),
]


class UsedKeys:
    """Requests keyed by the event id of their key (commands.event_id); bounded."""

    def __init__(self, limit: int = KEYS_KEPT) -> None:
        self._limit = limit
        self._requests: OrderedDict[str, bytes] = OrderedDict()

    def claim(self, event_id: str, kind: str, request: object) -> None:
        """Note that the key is used for this request (its action and content), before it is
        written. Raises ApiError 409 when it was used for another request."""
        print_ = hashlib.sha256(msgspec.json.encode((kind, request))).digest()[:16]
        if self._requests.setdefault(event_id, print_) != print_:
            detail = (
                "this Idempotency-Key was used for another request: use a new key for each new "
                "request, and the same key only to repeat the same request"
            )
            raise ApiError(409, "key-reused", detail)
        self._requests.move_to_end(event_id)
        if len(self._requests) > self._limit:
            self._requests.popitem(last=False)
