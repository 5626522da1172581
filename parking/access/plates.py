"""Number plates: which are passed on, and in what form. PLATES_FILE configures this for each site.

    {"demo": {"plates": "text", "key": "64 hex digits", "distance": 1}}

- `none`: nothing of a plate is passed on.
- `hash`: a keyed hash of the plate. Only equal plates match.
- `text`: also hashes that nearly equal plates share, and the encrypted plate itself for people with
  the right to see it.

A site that is not in the file has no key, so hashes from its devices are passed on unchanged and
plates are not passed on.

Everything is derived from (key, event, plate), without randomness, so repeating it gives the same
result. Plates are compared only by their letters and digits, in upper case.
"""

import hmac
import unicodedata
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from parking.core.errors import UNREADABLE, Invalid
from parking.core.events import PLATE_CHARS, GateEventReceived, PlateSealed, SiteId
from parking.runtime.settings import Reader

_NONCE_BYTES: Final = 12
_TOKEN_BYTES: Final = 6
# With fewer characters than this, almost any two plates are within one edit.
_NEAR_CHARS: Final = 4
_KEY_BYTES: Final = 32
# Random keys of 32 bytes have fewer distinct bytes than this about once in 10^30.
_DIFFERENT_BYTES: Final = 12
_LOOK_ALIKES: Final = str.maketrans("OIB", "018")
_USES: Final = ("plate", "device", "near", "nonce", "seal")

ReadPlate = Annotated[
    str, msgspec.Meta(min_length=1, max_length=2 * PLATE_CHARS, extra={"hidden": True})
]
"""A plate as a device or a client reads it."""

# `$` alone would accept a final newline.
MadeHash = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9A-Fa-f]{16,128}|[A-Za-z0-9+/_-]{22,86}={0,2})$(?!\n)",
        extra={
            "words": "a hash: 16 to 128 hex digits, or base64 of 128 bits or more",
            "hidden": True,
        },
    ),
]
"""A hash that a device or a client made of a plate: 64 bits or more as hex digits, or 128 bits or
more as base64. No plate is that long, so no plate is mistaken for a hash."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site's entry in the file. If `distance` is 0, only look-alikes are near."""

    plates: Literal["none", "hash", "text"]
    key: str | None = None
    distance: Literal[0, 1] = 1


@dataclass(frozen=True, slots=True)
class Taken:
    """What is passed on of a plate. `sealed` is written next to the gate event."""

    plate_hash: str | None = None
    plate_near: list[str] = field(default_factory=list)
    sealed: str | None = None


class SitePlates:
    """One site's rule. Its repr shows no key."""

    def __init__(self, entry: _Entry | None) -> None:
        self.rule = entry.plates if entry else "hash"
        self._distance = entry.distance if entry else 0
        self._subkeys: dict[str, bytes] = {}
        if entry and entry.key:
            key = bytes.fromhex(entry.key)
            self._subkeys = {use: hmac.digest(key, _use(use), "sha256") for use in _USES}

    def take(self, event_id: str, plate: str | None, plate_hash: str | None) -> Taken:
        """What is passed on of a reading, which is a plate or the device's hash of one. A device's
        hash is hashed again, because it may have no salt."""
        if self.rule == "none":
            return Taken()
        if not self._subkeys:
            return Taken(plate_hash)
        read = normal(plate or "")
        if not read:
            return Taken(self._hash("device", plate_hash).hex() if plate_hash else None)
        whole = self._hash("plate", read).hex()
        if self.rule == "hash":
            return Taken(whole)
        return Taken(whole, self._near(read), self._seal(event_id, read))

    def reveal(self, event_id: str, sealed: str) -> str:
        """The plate. Raises Invalid("sealed-otherwise") when it was not sealed for this event with
        the present key."""
        try:
            raw = b64decode(sealed, validate=True)
            cipher = AESGCM(self._subkey("seal"))
            return cipher.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], event_id.encode()
            ).decode()
        except (ValueError, InvalidTag) as error:
            detail = (
                f"the plate of {event_id} was sealed with a key other than the site's current one"
            )
            raise Invalid("sealed-otherwise", detail) from error

    def _seal(self, event_id: str, read: str) -> str:
        # Derived from the plate and its event, so the same nonce means the same text and reveals
        # nothing.
        nonce = self._hash("nonce", f"{event_id}\n{read}")[:_NONCE_BYTES]
        cipher = AESGCM(self._subkey("seal"))
        return b64encode(nonce + cipher.encrypt(nonce, read.encode(), event_id.encode())).decode()

    def _near(self, read: str) -> list[str]:
        same = read.translate(_LOOK_ALIKES)
        parts = [same]
        if self._distance and len(same) >= _NEAR_CHARS:
            parts += [same[:index] + same[index + 1 :] for index in range(len(same))]
        return [
            urlsafe_b64encode(self._hash("near", part)[:_TOKEN_BYTES]).decode() for part in parts
        ]

    def _hash(self, use: str, text: str) -> bytes:
        return hmac.digest(self._subkey(use), text.encode(), "sha256")

    def _subkey(self, use: str) -> bytes:
        """The site's key for one use."""
        if use not in self._subkeys:
            raise Invalid("no-plate-key", "the site has no key for plates")
        return self._subkeys[use]


class Plates:
    """Every site's rule."""

    def __init__(self, entries: Mapping[str, _Entry] | None = None) -> None:
        self._sites = {site: SitePlates(entry) for site, entry in (entries or {}).items()}
        self._other = SitePlates(None)

    def of(self, site_id: str) -> SitePlates:
        """The rule of a site."""
        return self._sites.get(site_id, self._other)

    @classmethod
    def read(cls, env: Reader) -> "Plates":
        """Read PLATES_FILE (mode 600). If it is unset, there are no sites. Faults are added to
        `env.problems`, without keys."""
        text = env.secret("PLATES", optional=True)
        if not text:
            return cls()
        return cls(_entries(text.encode(), env.problems))


def normal(read: str) -> str:
    """A plate in the form that is compared, stored and shown: letters and digits only, in upper
    case."""
    normal = unicodedata.normalize("NFKC", read).upper()
    return "".join(sign for sign in normal if sign.isalnum())[:PLATE_CHARS]


def sealed_event(event: GateEventReceived, taken: Taken) -> PlateSealed | None:
    """The record next to a gate event, if its plate is kept."""
    if taken.sealed is None:
        return None
    return PlateSealed(
        id=event.id,
        site_id=event.site_id,
        time_ms=event.time_ms,
        gate_id=event.gate_id,
        direction=event.direction,
        sealed=taken.sealed,
    )


def without_plates(payload: bytes) -> bytes:
    """A device's message for the dead letters without its plate. It is empty if that is not
    certain."""
    if b"plate" not in payload.lower() and b"\\u" not in payload:  # names may contain escapes
        return payload
    try:
        content = msgspec.json.decode(payload)
    except UNREADABLE:
        return b""
    if not isinstance(content, dict):
        return b""
    rest = {k: v for k, v in content.items() if not k.lower().startswith("plate")}
    kept = msgspec.json.encode(rest)
    return b"" if b"plate" in kept.lower() else kept


def _use(use: str) -> bytes:
    return f"parking plates: {use}".encode()


def _entries(text: bytes, problems: list[str]) -> dict[str, _Entry]:
    try:
        raw: Any = msgspec.json.decode(text)
    except UNREADABLE as error:
        problems.append(f"PLATES_FILE is not JSON: {error}")
        return {}
    if not isinstance(raw, dict):
        problems.append('PLATES_FILE must be {"SITE": {"plates": ..., "key": ...}, ...}')
        return {}
    entries: dict[str, _Entry] = {}
    for site, value in raw.items():
        try:
            entry = msgspec.convert(value, _Entry)
            entries[msgspec.convert(site, SiteId)] = entry
        except msgspec.ValidationError as error:
            problems.append(f"PLATES_FILE, site {site[:40]!r}: {error}")
            continue
        if fault := _fault(entry, [other.key for other in entries.values() if other is not entry]):
            problems.append(f"PLATES_FILE, site {site!r}: {fault}")
            entries[site] = _Entry(plates="none")
    return entries


def _fault(entry: _Entry, others: list[str | None]) -> str | None:
    if entry.plates == "none":
        return None
    how = "make one with `openssl rand -hex 32`"
    if entry.key is None:
        return f"plates {entry.plates!r} needs a key: {how}"
    try:
        key = bytes.fromhex(entry.key)
    except ValueError:
        return f"its key is not 64 hex digits: {how}"
    if len(key) != _KEY_BYTES or len(set(key)) < _DIFFERENT_BYTES:
        return f"its key is not 64 random hex digits: {how}"
    if any(other and other.lower() == key.hex() for other in others):
        return f"another site has the same key: {how}"
    return None
