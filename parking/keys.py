"""API keys, kept hashed in a file that ingest and notifier read (KEYS_FILE).

One line a key: `name scopes sha256`. A key is 32 random bytes, so a plain SHA-256 cannot be
searched; it is shown once, when it is made (`python -m parking keys add NAME`). The file is read
again when it changes, so a removed key stops working without a restart.

A key that sends pictures is one camera's own: its name is the camera's, `site/device`, and it opens
nothing else.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parking.errors import Invalid
from parking.secret_files import locked, write_private

PREFIX: Final = "pk_"
SCOPES: Final = ("frames", "write", "devices", "live", "plates")
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_CAMERA: Final = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Key:
    """A known key: its name and what it may do (`frames`: send the pictures of the camera that it
    is named after; `write`: layouts, slots, passages; `devices`: which devices there are and what
    opens the broker to them; `live`: watch the cameras that ingest fetches, as the notifier
    does; `plates`: see the plates of vehicles)."""

    name: str
    scopes: frozenset[str]

    @property
    def camera_id(self) -> str | None:
        """The one camera it sends for; None as well for keys made before they had one."""
        return self.name if "/" in self.name else None


class KeyFile:
    """The keys of a file; absent file: no key is known and every check fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
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
        """Make a key, keep its hash, return the key: the only time it is seen. Raises Invalid."""
        _require_fit(name, scopes)
        with locked(self._path.parent):
            if name in self.names():
                detail = f"there is a key named {name!r} already: remove it first"
                raise Invalid("key-exists", detail)
            return self._write(name, scopes)

    def renew(self, camera_id: str) -> str:
        """The camera's new key, in place of the one that it may have."""
        _require_fit(camera_id, ("frames",))
        with locked(self._path.parent):
            return self._write(camera_id, ("frames",))

    def names(self) -> list[str]:
        """Names of the known keys."""
        self._refresh()
        return [key.name for key in self._keys.values()]

    def cameras(self) -> list[str]:
        """The cameras that have a key of their own."""
        self._refresh()
        return [key.camera_id for key in self._keys.values() if key.camera_id]

    def without_camera(self) -> list[str]:
        """Names of the keys for `frames`, from earlier versions, that name no camera: of no use."""
        self._refresh()
        keys = self._keys.values()
        return [key.name for key in keys if "frames" in key.scopes and not key.camera_id]

    def remove(self, name: str) -> bool:
        """Forget a key; False when there was none of that name."""
        with locked(self._path.parent):
            if name not in self.names():
                return False
            write_private(self._path, "".join(self._others(name)))
            return True

    def _write(self, name: str, scopes: tuple[str, ...]) -> str:
        key = PREFIX + secrets.token_urlsafe(32)
        line = f"{name} {','.join(sorted(scopes))} {_digest(key)}\n"
        write_private(self._path, "".join([*self._others(name), line]))
        return key

    def _others(self, name: str) -> list[str]:
        if not self._path.exists():
            return []
        lines = self._path.read_text("utf-8").splitlines()
        return [f"{line}\n" for line in lines if line.split()[:1] != [name]]

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
            return
        # A renewed key leaves the size as it is, and the clock of the file system is coarse.
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp == self._stamp:
            return
        lines = [line.split() for line in self._path.read_text("utf-8").splitlines()]
        self._keys = {
            digest: Key(name, frozenset(scopes.split(",")))
            for name, scopes, digest in (line for line in lines if len(line) == 3)
        }
        self._stamp = stamp


def _require_fit(name: str, scopes: tuple[str, ...]) -> None:
    if "frames" in scopes:
        if scopes != ("frames",) or not _CAMERA.fullmatch(name):
            detail = "a key for frames is one camera's own: name it SITE/CAMERA, give it no more"
            raise Invalid("bad-key", detail)
    elif not _NAME.fullmatch(name) or not scopes or not set(scopes) <= set(SCOPES):
        raise Invalid("bad-key", f"a key needs a name [a-z0-9-]{{1,40}} and scopes out of {SCOPES}")


def bearer(authorization: str | None) -> str:
    """The key out of an `Authorization: Bearer ...` header; "" when there is none."""
    scheme, _, value = (authorization or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
