"""Which request each Idempotency-Key stands for: the same key with another request is a mistake of
the client, answered with 409, where the tracker would pass over it in silence.

Kept in this process for its last KEYS_KEPT keys. An instance that did not see the first request, or
was restarted since, cannot tell: the tracker still applies the first one only.
"""

import hashlib
from collections import OrderedDict
from typing import Final

import msgspec

from services.notifier.web import ApiError

KEYS_KEPT: Final = 20_000


class UsedKeys:
    """Requests by the id that their key leads to (commands.event_id); bounded."""

    def __init__(self, limit: int = KEYS_KEPT) -> None:
        self._limit = limit
        self._requests: OrderedDict[str, bytes] = OrderedDict()

    def claim(self, event_id: str, kind: str, request: object) -> None:
        """Note that the key is used for this request (what it does and its content), before it is
        written. Raises ApiError 409 when it stands for another one."""
        print_ = hashlib.sha256(msgspec.json.encode((kind, request))).digest()[:16]
        if self._requests.setdefault(event_id, print_) != print_:
            detail = (
                "this Idempotency-Key was used for another request: send a new key with each new"
                " request, and the same one only to try the very same request again"
            )
            raise ApiError(409, "key-reused", detail)
        self._requests.move_to_end(event_id)
        if len(self._requests) > self._limit:
            self._requests.popitem(last=False)
