"""Passwords of the embedded stack: random, made once, in files that only their owner can read."""

import base64
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

# The passwords are random, 192 bits: stretching protects nothing more, and a reconnect storm of
# devices would pay for it.
_ITERATIONS: Final = 1000


def write_private(path: Path, text: str) -> None:
    """Replace a file's content at once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def made_once(path: Path) -> str:
    """The secret in this file; a new one the first time."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text("utf-8")


class PasswordFile:
    """MQTT users and their password hashes, in mosquitto's format; broker.mjs reads it too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, user: str, password: str) -> None:
        """Add a user, or give a known one another password; the running brokers see it."""
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
        entry = f"{user}:$7${_ITERATIONS}${_b64(salt)}${_b64(digest)}\n"
        write_private(self.path, "".join([*self._others(user), entry]))

    def remove(self, user: str) -> None:
        """Forget a user; its next connection is refused."""
        write_private(self.path, "".join(self._others(user)))

    def _others(self, user: str) -> list[str]:
        lines = self.path.read_text("utf-8").splitlines(True) if self.path.exists() else []
        return [line for line in lines if line.rpartition(":")[0] != user]


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
