"""The logins of cameras that were added in the page, encrypted with the key in CAMERAS_KEY.

A login opens only for the camera and the scheme, host and port that it was given for, so nobody can
have it sent elsewhere by changing the address.
"""

import os
from base64 import b64decode, b64encode
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from parking.core.errors import Invalid
from parking.runtime.settings import Reader
from parking.wire.camera_sources import Credential

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
# Random keys of 32 bytes have fewer distinct bytes than this about once in 10^30.
_DIFFERENT_BYTES: Final = 12


class LoginKey:
    """Encrypts and decrypts logins. Its repr shows no key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def read(cls, env: Reader) -> "LoginKey | None":
        """Read CAMERAS_KEY[_FILE]. Returns None if it is not set. Faults are added to
        `env.problems`, without the key."""
        text = env.secret("CAMERAS_KEY", optional=True)
        if not text:
            return None
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES or len(set(key)) < _DIFFERENT_BYTES:
            env.problems.append(
                "CAMERAS_KEY is not 64 random hex digits: create one with `openssl rand -hex 32`"
            )
            return None
        return cls(key)

    def seal(self, login: Credential, camera_id: str, url: str) -> str:
        """The login in base64: nonce and AES-256-GCM."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(login), _bound(camera_id, url))
        return b64encode(nonce + sealed).decode()

    def reveal(self, sealed: str, camera_id: str, url: str) -> Credential:
        """The login. Raises Invalid("sealed-otherwise") with another key, camera or address."""
        try:
            raw = b64decode(sealed, validate=True)
            text = self._cipher.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(camera_id, url)
            )
            return msgspec.json.decode(text, type=Credential)
        except (InvalidTag, ValueError, msgspec.DecodeError, RecursionError) as error:
            detail = (
                f"the login of {camera_id} was encrypted with another key or for another host:"
                " enter it again"
            )
            raise Invalid("sealed-otherwise", detail) from error


def _bound(camera_id: str, url: str) -> bytes:
    parts = urlsplit(url)
    return f"{camera_id}\n{parts.scheme}://{parts.hostname}:{parts.port}".encode()
