"""API keys, stored as hashes in a file that ingest and notifier read (KEYS_FILE).

There is one line per key: `name scopes sha256`, then the sites to which it is limited, if any. A
key is 32 random bytes, so a plain SHA-256 cannot be reversed by search. The key is shown once, when
it is created (`parking keys add NAME`). The file is reloaded when it changes, so a removed key
stops working without a restart.

A key that sends pictures belongs to one camera. It has the camera's name, `site/device`, and no
other rights.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parking.access.secret_files import locked, write_private
from parking.core.errors import Invalid

PREFIX: Final = "pk_"
SCOPES: Final = ("frames", "read", "write", "devices", "live", "cameras", "plates")
ALL_SITES: Final = frozenset({"*"})
_SITE: Final = re.compile(r"[a-z0-9-]{1,40}")
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_CAMERA: Final = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Key:
    """A known key: its name and its scopes (`frames`: send the pictures of the camera that it is
    named after; `read`: read what needs a sign-in; `write`: that, and layouts, slots, passages;
    `devices`: list devices and manage their credentials; `live`: watch the cameras that ingest
    polls, `cameras`: add and change them, both for the notifier; `plates`: see the plates of
    vehicles). `sites` are those for which it is valid, and `*` means all."""

    name: str
    scopes: frozenset[str]
    sites: frozenset[str] = ALL_SITES

    @property
    def camera_id(self) -> str | None:
        """The one camera whose pictures it may send, or None. It is also None for keys from before
        keys named a camera."""
        return self.name if "/" in self.name else None


class KeyFile:
    """The keys in a file. If the file does not exist, no key is known and every check fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def check(self, presented: str, scope: str) -> Key | None:
        """Return the presented key, if it is known and has the scope."""
        found = self.find(presented)
        return found if found is not None and scope in found.scopes else None

    def find(self, presented: str) -> Key | None:
        """Return the presented key, if it is known, whatever its scopes."""
        self._refresh()
        digest = _digest(presented)
        return next(
            (key for known, key in self._keys.items() if hmac.compare_digest(known, digest)), None
        )

    def add(self, name: str, *scopes: str, sites: Collection[str] = ()) -> str:
        """Create a key, store its hash and return the key, which is never shown again. `sites`
        limits it to these sites. Raises Invalid."""
        _require_fit(name, scopes)
        _require_sites(scopes, sites)
        with locked(self._path.parent):
            if name in self.names():
                detail = f"a key named {name!r} already exists: remove it first"
                raise Invalid("key-exists", detail)
            return self._write(name, scopes, sites)

    def renew(self, camera_id: str) -> str:
        """Create a new key for the camera, which replaces an existing one."""
        _require_fit(camera_id, ("frames",))
        with locked(self._path.parent):
            return self._write(camera_id, ("frames",))

    def names(self) -> list[str]:
        """Names of the known keys."""
        self._refresh()
        return [key.name for key in self._keys.values()]

    def cameras(self) -> list[str]:
        """The cameras that have a key."""
        self._refresh()
        return [key.camera_id for key in self._keys.values() if key.camera_id]

    def without_camera(self) -> list[str]:
        """Names of `frames` keys from earlier versions that name no camera and no longer work."""
        self._refresh()
        keys = self._keys.values()
        return [key.name for key in keys if "frames" in key.scopes and not key.camera_id]

    def remove(self, name: str) -> bool:
        """Remove a key. Returns False if there was none with that name."""
        with locked(self._path.parent):
            if name not in self.names():
                return False
            write_private(self._path, "".join(self._others(name)))
            return True

    def _write(self, name: str, scopes: tuple[str, ...], sites: Collection[str] = ()) -> str:
        key = PREFIX + secrets.token_urlsafe(32)
        only = f" {','.join(sorted(sites))}" if sites else ""
        line = f"{name} {','.join(sorted(scopes))} {_digest(key)}{only}\n"
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
        # A renewed key does not change the size, and the file system's clock is coarse.
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp == self._stamp:
            return
        lines = [line.split() for line in self._path.read_text("utf-8").splitlines()]
        self._keys = {
            line[2]: Key(line[0], frozenset(line[1].split(",")), _sites(line[3:]))
            for line in lines
            if len(line) in (3, 4)
        }
        self._stamp = stamp


def _require_fit(name: str, scopes: tuple[str, ...]) -> None:
    if "frames" in scopes:
        if scopes != ("frames",) or not _CAMERA.fullmatch(name):
            detail = "a frames key belongs to one camera: name it SITE/CAMERA, with no other scope"
            raise Invalid("bad-key", detail)
    elif not _NAME.fullmatch(name) or not scopes or not set(scopes) <= set(SCOPES):
        raise Invalid("bad-key", f"a key needs a name [a-z0-9-]{{1,40}} and scopes from {SCOPES}")


def _require_sites(scopes: tuple[str, ...], sites: Collection[str]) -> None:
    if not all(map(_SITE.fullmatch, sites)):
        raise Invalid("bad-key", "a site's id is [a-z0-9-]{1,40}")
    if sites and not {"frames", "live", "cameras"}.isdisjoint(scopes):
        raise Invalid("bad-key", "keys of scope frames, live or cameras cannot be limited to sites")


def _sites(words: list[str]) -> frozenset[str]:
    return frozenset(words[0].split(",")) if words else ALL_SITES


def bearer(authorization: str | None) -> str:
    """The key from an `Authorization: Bearer ...` header; "" if there is none."""
    scheme, _, value = (authorization or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
