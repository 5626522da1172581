"""API keys, kept hashed in a file that ingest and notifier read (KEYS_FILE).

One line a key: `name scopes sha256`. A key is 32 random bytes, so a plain SHA-256 cannot be
searched; it is shown once, when it is made (`python -m parking keys add NAME`). The file is read
again when it changes, so a removed key stops working without a restart.
"""

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parking.errors import Invalid
from parking.secret_files import write_private

PREFIX: Final = "pk_"
SCOPES: Final = ("frames", "write", "devices", "live")
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Key:
    """A known key: its name and what it may do (`frames`: send pictures; `write`: layouts, slots,
    passages; `devices`: which devices there are and what opens the broker to them; `live`: watch
    the cameras that ingest fetches, as the notifier does)."""

    name: str
    scopes: frozenset[str]


class KeyFile:
    """The keys of a file; absent file: no key is known and every check fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, Key] = {}

    def check(self, presented: str, scope: str) -> Key | None:
        """The key that was presented, if it is known and has the scope."""
        self._refresh()
        digest = _digest(presented)
        found = next(
            (key for known, key in self._keys.items() if hmac.compare_digest(known, digest)), None
        )
        return found if found is not None and scope in found.scopes else None

    def add(self, name: str, *scopes: str) -> str:
        """Make a key, append its hash, return the key: the only time it is seen."""
        if not _NAME.fullmatch(name) or not scopes or not set(scopes) <= set(SCOPES):
            raise Invalid(
                "bad-key", f"a key needs a name [a-z0-9-]{{1,40}} and scopes out of {SCOPES}"
            )
        self._refresh()
        if name in {key.name for key in self._keys.values()}:
            raise Invalid("key-exists", f"there is a key named {name!r} already: remove it first")
        key = PREFIX + secrets.token_urlsafe(32)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{name} {','.join(sorted(scopes))} {_digest(key)}\n")
        return key

    def names(self) -> list[str]:
        """Names of the known keys."""
        self._refresh()
        return [key.name for key in self._keys.values()]

    def remove(self, name: str) -> bool:
        """Forget a key; False when there was none of that name."""
        self._refresh()
        if name not in self.names():
            return False
        kept = [
            line
            for line in self._path.read_text("utf-8").splitlines()
            if line.split()[:1] != [name]
        ]
        write_private(self._path, "".join(f"{line}\n" for line in kept))
        return True

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return
        lines = [line.split() for line in self._path.read_text("utf-8").splitlines()]
        self._keys = {
            digest: Key(name, frozenset(scopes.split(",")))
            for name, scopes, digest in (line for line in lines if len(line) == 3)
        }
        self._stamp = stamp


def bearer(authorization: str | None) -> str:
    """The key out of an `Authorization: Bearer ...` header; "" when there is none."""
    scheme, _, value = (authorization or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
