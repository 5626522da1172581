"""Signed updates: the manifest's content and signature. No I/O.

manifest.json: {"release": 2, "version": "0.2.0", "boards": ["ai_thinker", ...], "files":
[["app/ring.mpy", bytes, "sha256 in hex"], ...], "signature": "hex"}. The signature is RSA-3072
(PKCS #1 v1.5, SHA-256) over everything else, in the form that `text` writes. The device holds only
the public key, so nothing on it can sign (docs/decisions/0016-signed-updates.md).
"""

import json
from hashlib import sha256

_EXPONENT_SQUARINGS = 16  # 65537 = 2^16 + 1
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
_MIN_BITS = 2048
MAX_BYTES = 400_000  # of a whole image
MAX_FILES = 80
FOLDERS = ("app/", "hal/", "boards/")


class Refused(Exception):
    """The update is refused. The message says why."""


def text(body):
    """Return the signed bytes: one line per value, with files in their listed order."""
    lines = ["%d %s" % (body["release"], body["version"]), " ".join(body["boards"])]
    lines += ["%s %d %s" % tuple(one) for one in body["files"]]
    return "\n".join(lines).encode()


def signed(data, signature, modulus):
    """Return whether the holder of this key signed the data. The whole padded block is compared
    rather than parsed, so nothing can be hidden in it."""
    size = (len("%x" % modulus) + 1) // 2
    number = int.from_bytes(signature, "big")
    if size * 8 < _MIN_BITS or len(signature) != size or number >= modulus:
        return False
    power = number
    for _ in range(_EXPONENT_SQUARINGS):
        power = power * power % modulus
    power = power * number % modulus
    tail = b"\0" + _DIGEST_INFO + sha256(data).digest()
    return power.to_bytes(size, "big") == b"\0\x01" + b"\xff" * (size - 2 - len(tail)) + tail


def check(raw, key_hex, release, board):
    """Parse a manifest and check that it may be installed over `release` on `board`. Raises
    Refused."""
    if not key_hex:
        raise Refused("this device has no update_key: it takes no updates")
    try:
        body = json.loads(raw)
        data = text(body)
        signature = bytes.fromhex(body["signature"])
        modulus = int(key_hex, 16)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("not a manifest")
    if not signed(data, signature, modulus):
        raise Refused("the signature is not by our key")
    if body["release"] <= release:
        raise Refused("release %d is not newer than %d" % (body["release"], release))
    if board not in body["boards"]:
        raise Refused("not made for " + board)
    files = body["files"]
    if len(files) > MAX_FILES or sum(one[1] for one in files) > MAX_BYTES:
        raise Refused("too large")
    for name, _, _ in files:
        if not name.startswith(FOLDERS) or ".." in name or "//" in name:
            raise Refused("a file lies outside the image: " + name[:60])
    return body
