"""API-key authentication of an HTTP server: `Authorization: Bearer pk_...`, with a scope.

A key has 256 random bits, so a limit on wrong keys is not needed to protect the keys. It limits and
reports noise. A valid key therefore always works, even from an address that sent many wrong ones:
behind a proxy all clients may share one address.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from parking.access.keys import SCOPES, Key, KeyFile, bearer
from parking.wire.ports import Clock

WRONG_LIMIT: Final = 20
WINDOW_MS: Final = 60_000
ADDRESSES_KEPT: Final = 10_000
_LOGIN: Final = {"WWW-Authenticate": "Bearer"}


class KeyRefused(Exception):
    """A refusal with its HTTP status, a stable reason, words for people, and headers."""

    def __init__(
        self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status: Final = status
        self.reason: Final = reason
        self.detail: Final = detail
        self.headers: Final = dict(headers or {})


class Failures:
    """Attempts within the last `window_ms`, keyed by who made them: an address, an account, or
    both. Bounded."""

    def __init__(
        self, clock: Clock, limit: int, window_ms: int, kept: int = ADDRESSES_KEPT
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._window_ms = window_ms
        self._kept = kept
        self._times: OrderedDict[str, list[int]] = OrderedDict()

    def wait_s(self, who: str) -> int:
        """How many seconds they must wait before their next attempt, or 0."""
        now_ms = self._clock.now_ms()
        times = [time for time in self._times.get(who, ()) if time > now_ms - self._window_ms]
        if len(times) < self._limit:
            return 0
        return max(1, (times[-self._limit] + self._window_ms - now_ms + 999) // 1000)

    def add(self, who: str) -> None:
        """Count one attempt. It counts from its start, so that concurrent attempts are limited,
        too."""
        times = self._times.setdefault(who, [])
        self._times.move_to_end(who)
        times.append(self._clock.now_ms())
        del times[: -self._limit]
        if len(self._times) > self._kept:  # the one whose last attempt is oldest
            self._times.popitem(last=False)

    def take_back(self, who: str) -> None:
        """Take back the last counted attempt, because it was not a failure."""
        if self._times.get(who):
            self._times[who].pop()


class Attempts:
    """Wrong keys within the last minute, keyed by client address. Bounded."""

    def __init__(self, clock: Clock) -> None:
        self._failures = Failures(clock, WRONG_LIMIT, WINDOW_MS)

    def too_many(self, address: str) -> bool:
        """Count one more attempt, and return whether the address is over the limit."""
        over = self._failures.wait_s(address) > 0
        self._failures.add(address)
        return over


class Bearer:
    """Checks the keys of requests."""

    def __init__(self, keys: KeyFile, clock: Clock) -> None:
        self._keys = keys
        self._attempts = Attempts(clock)

    def key(self, authorization: str | None, address: str, scope: str) -> Key:
        """Return the key in the header, which must have the scope. Raises KeyRefused 401, 403 or
        429."""
        if not bearer(authorization):
            raise no_key()
        key = self.known(authorization, address)
        if scope not in key.scopes:
            raise wrong_scope(scope)
        return key

    def known(self, authorization: str | None, address: str) -> Key:
        """Return the key in the header, whatever its scopes. Raises KeyRefused 401 or 429."""
        key = self._keys.find(bearer(authorization))
        if key is not None and not key.scopes.isdisjoint(SCOPES):
            return key
        if self._attempts.too_many(address):
            detail = f"more than {WRONG_LIMIT} unknown keys within a minute from this address"
            raise KeyRefused(429, "too-many-wrong-keys", detail, {"Retry-After": "60"})
        detail = "this key is unknown or was removed: create one with `parking keys add`"
        raise KeyRefused(401, "unknown-key", detail, _LOGIN)


def no_key() -> KeyRefused:
    """The refusal of a request without a key."""
    detail = "this needs an API key: send it as `Authorization: Bearer pk_...`"
    return KeyRefused(401, "no-key", detail, _LOGIN)


def wrong_scope(scope: str) -> KeyRefused:
    """The refusal of a key that lacks the scope."""
    detail = f"this key lacks the scope `{scope}`: use a key that has it"
    return KeyRefused(403, "wrong-scope", detail)
