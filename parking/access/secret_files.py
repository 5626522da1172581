"""Secrets in files: written atomically, readable only by their owner; MQTT users and their
hashes."""

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

from parking.core.errors import Invalid

# The passwords have 192 random bits, so stretching would add no protection and would slow down a
# reconnect storm of devices.
_ITERATIONS: Final = 1000


def new_password() -> str:
    """192 random bits."""
    return secrets.token_urlsafe(24)


def private_folder(path: Path) -> Path:
    """Create the folder, or restrict an existing one, for its owner alone (mode 700)."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file's content atomically, so that a reader sees the old or the new content but
    never a part. A new file is accessible only to its owner. An existing one keeps its owner and
    mode, because a broker may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)  # otherwise a power cut may leave an empty file under the new name
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
    """Copy owner, group and mode of the replaced file, so that its readers can still read it.
    Raises Invalid and leaves the old file if this is not possible."""
    before, mode = path.stat(), path.stat().st_mode & 0o777
    try:
        os.chown(new, before.st_uid, before.st_gid)
    except PermissionError:  # neither root nor the owner
        try:
            os.chown(new, -1, before.st_gid)
        except PermissionError:
            mode = 0
        if not mode & 0o040:
            detail = (
                f"{path} belongs to another user: let its group write to the folder and read it"
            )
            raise Invalid("not-the-owner", f"{detail} (chmod g+r), and be of that group") from None
    new.chmod(mode)


class _Locks(threading.local):
    """The folders that this thread has locked."""

    def __init__(self) -> None:
        self.folders: set[tuple[int, int]] = set()


_locks: Final = _Locks()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock against a command and the API writing at once, so that neither undoes the other's
    change. The holder may take the lock again; nothing may be awaited within."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder, os.O_RDONLY)
    status = os.fstat(handle)
    which = (status.st_dev, status.st_ino)
    try:
        if which in _locks.folders:
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        _locks.folders.add(which)
        try:
            yield
        finally:
            _locks.folders.discard(which)
    finally:
        os.close(handle)


def made_once(path: Path) -> str:
    """The secret in this file, which is created on first use."""
    if not path.exists():
        write_private(path, new_password())
    return path.read_text("utf-8")


class PasswordFile:
    """MQTT users and their password hashes in mosquitto's format. broker.mjs reads the file,
    too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def users(self) -> list[str]:
        """All users with a password, sorted."""
        return sorted(line.rpartition(":")[0] for line in self._lines())

    def set(self, user: str, password: str) -> None:
        """Add a user, or change a known user's password. Running brokers apply it."""
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
        entry = f"{user}:$7${_ITERATIONS}${_b64(salt)}${_b64(digest)}\n"
        with locked(self.path.parent):
            write_private(self.path, "".join([*self._others(user), entry]))

    def remove(self, user: str) -> None:
        """Remove a user, whose next connection is refused."""
        with locked(self.path.parent):
            write_private(self.path, "".join(self._others(user)))

    def _others(self, user: str) -> list[str]:
        return [f"{line}\n" for line in self._lines() if line.rpartition(":")[0] != user]

    def _lines(self) -> list[str]:
        return self.path.read_text("utf-8").splitlines() if self.path.exists() else []


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
