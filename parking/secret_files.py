"""Secrets in files: written at once, readable by their owner only; MQTT users and their hashes."""

import base64
import contextlib
import fcntl
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from parking.errors import Invalid

# The passwords are random, 192 bits: stretching protects nothing more, and a reconnect storm of
# devices would pay for it.
_ITERATIONS: Final = 1000


def new_password() -> str:
    """192 random bits."""
    return secrets.token_urlsafe(24)


def write_private(path: Path, text: str) -> None:
    """Replace a file's content at once: a reader finds the old or the new, never a part. A new file
    is its owner's only; one that is there keeps its owner and mode (a broker reads it)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)  # or a power cut may leave the new name and nothing in it
        if path.exists():
            _as_before(new, path)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _as_before(new: Path, path: Path) -> None:
    """Owner, group and mode of the file that is replaced: whoever reads it must still be able to.
    Raises Invalid, and leaves the old one."""
    before, mode = path.stat(), path.stat().st_mode & 0o777
    try:
        os.chown(new, before.st_uid, before.st_gid)
    except PermissionError:  # neither root nor the owner
        try:
            os.chown(new, -1, before.st_gid)
        except PermissionError:
            mode = 0
        if not mode & 0o040:
            detail = f"{path} belongs to another user: let its group write the folder and read it"
            raise Invalid("not-the-owner", f"{detail} (chmod g+r), and be of that group") from None
    new.chmod(mode)


class _Held(threading.local):
    """The folders that this thread has locked."""

    def __init__(self) -> None:
        self.folders: set[tuple[int, int]] = set()


_held: Final = _Held()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A command and the API may write at once: neither must undo what the other did. Whoever holds
    it may ask for it again; nothing must be awaited within."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder, os.O_RDONLY)
    status = os.fstat(handle)
    which = (status.st_dev, status.st_ino)
    try:
        if which in _held.folders:
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        _held.folders.add(which)
        try:
            yield
        finally:
            _held.folders.discard(which)
    finally:
        os.close(handle)


def made_once(path: Path) -> str:
    """The secret in this file; a new one the first time."""
    if not path.exists():
        write_private(path, new_password())
    return path.read_text("utf-8")


class PasswordFile:
    """MQTT users and their password hashes, in mosquitto's format; broker.mjs reads it too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def users(self) -> list[str]:
        """Everybody who has a password, sorted."""
        return sorted(line.rpartition(":")[0] for line in self._lines())

    def set(self, user: str, password: str) -> None:
        """Add a user, or give a known one another password; the running brokers see it."""
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
        entry = f"{user}:$7${_ITERATIONS}${_b64(salt)}${_b64(digest)}\n"
        with locked(self.path.parent):
            write_private(self.path, "".join([*self._others(user), entry]))

    def remove(self, user: str) -> None:
        """Forget a user; its next connection is refused."""
        with locked(self.path.parent):
            write_private(self.path, "".join(self._others(user)))

    def _others(self, user: str) -> list[str]:
        return [f"{line}\n" for line in self._lines() if line.rpartition(":")[0] != user]

    def _lines(self) -> list[str]:
        return self.path.read_text("utf-8").splitlines() if self.path.exists() else []


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
