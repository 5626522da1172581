"""Who may: a Bearer key with the scope that a route asks for (parking/keys.py), told in plain words
if not.

A key is 256 random bits, so counting wrong ones is no defence of the keys: it bounds the noise and
makes it visible. A right key therefore always works, also from an address that sent many wrong
ones (behind a proxy all clients may share one).
"""

from collections import OrderedDict, deque
from typing import Final

from fastapi import Request

from parking.keys import SCOPES, Key, KeyFile, bearer
from parking.ports import Clock
from services.notifier.web import ApiError

WRONG_LIMIT: Final = 20
WINDOW_MS: Final = 60_000
ADDRESSES_KEPT: Final = 10_000


class Attempts:
    """Wrong keys by client address within the last minute; bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, deque[int]] = OrderedDict()

    def too_many(self, address: str) -> bool:
        """Count one more; whether the address is over the limit."""
        now_ms = self._clock.now_ms()
        times = self._wrong.setdefault(address, deque(maxlen=WRONG_LIMIT + 1))
        self._wrong.move_to_end(address)
        times.append(now_ms)
        if len(self._wrong) > ADDRESSES_KEPT:
            self._wrong.popitem(last=False)
        return sum(time > now_ms - WINDOW_MS for time in times) > WRONG_LIMIT


class Door:
    """Lets writers in."""

    def __init__(self, keys: KeyFile, clock: Clock) -> None:
        self._keys = keys
        self._attempts = Attempts(clock)

    def writer(self, request: Request) -> Key:
        """The key of a request that changes a lot. Raises ApiError 401, 403 or 429."""
        return self.holder(request, "write")

    def holder(self, request: Request, scope: str) -> Key:
        """The key of the request, which must have the scope. Raises ApiError 401, 403 or 429."""
        presented = bearer(request.headers.get("authorization"))
        if not presented:
            detail = "this needs an API key: send it as `Authorization: Bearer pk_...`"
            raise ApiError(401, "no-key", detail, {"WWW-Authenticate": "Bearer"})
        key = self._keys.check(presented, scope)
        if key is not None:
            return key
        if any(self._keys.check(presented, other) for other in SCOPES):
            detail = f"this key may do other things: use one made with scope `{scope}`"
            raise ApiError(403, "wrong-scope", detail)
        address = request.client.host if request.client else "unknown"
        if self._attempts.too_many(address):
            detail = f"more than {WRONG_LIMIT} unknown keys within a minute from this address"
            raise ApiError(429, "too-many-wrong-keys", detail, {"Retry-After": "60"})
        detail = "this key is not known (any more): make one with `python -m parking keys add`"
        raise ApiError(401, "unknown-key", detail, {"WWW-Authenticate": "Bearer"})
