"""Passwords of accounts: argon2id hashes, computed a few at a time outside the event loop."""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from parking.core.errors import Invalid, Retryable

LEAST: Final = 12
MOST: Final = 200
AT_ONCE: Final = 2
"""Each hash takes 64 MiB of memory and about a tenth of a second."""
WAITING: Final = 16
_OBVIOUS: Final = (
    "password",
    "passwort",
    "parking",
    "123456",
    "qwerty",
    "administrator",
    "letmein",
)


def require_good(password: str, name: str) -> None:
    """Raises Invalid for a password that is short, obvious, or contains the account's name."""
    if not LEAST <= len(password) <= MOST:
        raise Invalid("bad-password", f"the password needs {LEAST} to {MOST} characters")
    rest = password.lower()
    for word in (*_OBVIOUS, name.lower()):
        rest = rest.replace(word, "")
    if len(set(rest)) < 5:
        detail = "the password is too easy to guess: use several unrelated words"
        raise Invalid("bad-password", detail)


class Passwords:
    """Hashes and verifies in threads, at most AT_ONCE at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """Hash a password. Raises Retryable if too many are waiting."""
        return await self._in_turn(password, None)

    async def fits(self, password: str, hash_: str | None) -> bool:
        """Whether the password matches this hash. It takes as long for an account without one
        (None), so that the time does not reveal which accounts exist. Raises Retryable."""
        if hash_ is None:
            self._nobodys = self._nobodys or await self.hash("the password of no account")
        found = await self._in_turn(password, hash_ or self._nobodys)
        return bool(found) and hash_ is not None

    async def _in_turn(self, password: str, hash_: str | None) -> str:
        if self._waiting >= WAITING:
            raise Retryable(
                "too many people are signing in at once: try again in a few seconds", "busy"
            )
        self._waiting += 1
        try:
            async with self._turn:
                if hash_ is None:
                    return await asyncio.to_thread(self._hasher.hash, password)
                return await asyncio.to_thread(self._verified, hash_, password)
        finally:
            self._waiting -= 1

    def _verified(self, hash_: str, password: str) -> str:
        try:
            self._hasher.verify(hash_, password)
        except (VerificationError, InvalidHashError):
            return ""
        return hash_
