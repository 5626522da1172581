"""The cameras file: which cameras are fetched, and how. Pure; the text comes from the caller.

    {"cameras": [{"camera": "demo/gate", "kind": "snapshot", "url": "http://192.168.1.20/capture",
                  "interval_s": 5, "credential": "gate"}]}

Names and passwords stand in a file of their own (mode 600): {"gate": {"username": "u",
"password": "p"}}. A URL may name them as `{username}` and `{password}`, for cameras that want them
there. Every fault is told, none of them with a value that could be a secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

import msgspec

from parking import jsontext
from parking.errors import Invalid, SettingsError
from parking.events import CameraId
from parking.ids import NAME
from parking.typefaults import WORDS, faults, kind_of
from services.ingest.pulled import Kind

MAX_CAMERAS: Final = 256
_CAMERAS: Final = '{"cameras": [{"camera": "demo/gate", "kind": "snapshot", "url": "http://192.168.1.20/capture"}]}'
_LOGINS: Final = '{"gate": {"username": "u", "password": "p"}}'
_SCHEMES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "snapshot": ("http", "https"),
    "mjpeg": ("http", "https"),
    "rtsp": ("rtsp", "rtsps"),
}
_PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_SECRET: Final = re.compile(r"(user(name)?|usr|login|pass(word|wd)?|pwd|psw|token|auth|key)", re.I)
_PLACE: Final = re.compile(r"\{(username|password)\}")
_Name = Annotated[
    str,
    msgspec.Meta(pattern=NAME, extra={WORDS: "1 to 40 of A-Z, a-z, 0-9, dot, _ and -"}),
]
_Seconds = Annotated[float, msgspec.Meta(ge=0.2, le=3600)]
_Sha256 = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-fA-F]{64}$", extra={WORDS: "64 of 0-9 and a-f, a certificate's SHA-256"}
    ),
]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera as it stands in the file."""

    camera: CameraId
    kind: Kind
    url: Annotated[str, msgspec.Meta(max_length=500)]
    interval_s: _Seconds = 5.0
    credential: _Name | None = None
    tls_sha256: _Sha256 | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera's login. Its repr tells nothing."""

    # Neither way to log in can carry these signs in a name.
    username: Annotated[
        str,
        msgspec.Meta(
            max_length=100,
            pattern=r'^[^\x00-\x1f\x7f":\\]*$',
            extra={WORDS: 'text without ", :, \\ and control characters'},
        ),
    ]
    password: Annotated[str, msgspec.Meta(max_length=200)]

    def __repr__(self) -> str:
        return "Credential(...)"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera to fetch pictures from. `tls_sha256`: its certificate's, pinned."""

    camera_id: str
    kind: Kind
    url: str
    interval_s: float = 5.0
    credential: Credential | None = field(default=None, repr=False)
    tls_sha256: str | None = None

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """A name or an address."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """The URL's, or the usual one."""
        return self.parts.port or _PORTS[self.parts.scheme]

    @property
    def shown(self) -> str:
        """The URL for logs and tables: without its query."""
        return f"{self.parts.scheme}://{self.parts.netloc}{self.parts.path}"

    @property
    def secret_url(self) -> str:
        """The URL to ask for, its login filled in. Never to be shown."""
        login = self.credential
        if login is None:
            return self.url
        values = {"username": login.username, "password": login.password}
        return _PLACE.sub(lambda match: quote(values[match[1]], safe=""), self.url)


def read_credentials(text: bytes) -> dict[str, Credential]:
    """The logins by name. Raises SettingsError with every fault."""
    problems: list[str] = []
    found: dict[str, Credential] = {}
    raw = _json(text, "the credentials file", problems)
    if not problems and not isinstance(raw, dict):
        problems.append(f"the credentials file: it must be {_LOGINS}, not {kind_of(raw)}")
    for name, value in raw.items() if isinstance(raw, dict) else ():
        told = [f"its name {fault}" for fault in faults(name, _Name, secret=True)]
        told += faults(value, Credential, secret=True)  # tells places and kinds, never a value
        problems += [f"the credentials file, {name[:40]!r}: {fault}" for fault in told]
        if not told:
            found[name] = msgspec.convert(value, Credential)
    if problems:
        raise SettingsError(problems)
    return found


def read_cameras(text: bytes, credentials: Mapping[str, Credential]) -> dict[str, Camera]:
    """The cameras by id. Raises SettingsError with every fault."""
    problems: list[str] = []
    raw = _json(text, "the cameras file", problems)
    entries = raw.get("cameras") if isinstance(raw, dict) and set(raw) == {"cameras"} else None
    if not problems and not isinstance(entries, list):
        problems.append(f"the cameras file: it must be {_CAMERAS}, not {_instead(raw)}")
    entries = entries if isinstance(entries, list) else []
    if len(entries) > MAX_CAMERAS:
        problems.append(f"the cameras file: at most {MAX_CAMERAS} cameras, not {len(entries)}")
    cameras: dict[str, Camera] = {}
    for number, value in enumerate(entries[:MAX_CAMERAS], 1):
        where = f"camera {number}"
        told = faults(value, _Entry, secret=True)
        if told:
            problems += [f"{where}: {fault}" for fault in told]
            continue
        entry = msgspec.convert(value, _Entry)
        where += f" ({entry.camera})"
        problems += [f"{where}: {fault}" for fault in _faults(entry, credentials)]
        if entry.camera in cameras:
            problems.append(f"{where}: this camera stands in the file twice")
        login = credentials.get(entry.credential) if entry.credential else None
        cameras[entry.camera] = Camera(
            entry.camera, entry.kind, entry.url, entry.interval_s, login, entry.tls_sha256
        )
    if problems:
        raise SettingsError(problems)
    return cameras


def _json(text: bytes, what: str, problems: list[str]) -> Any:
    try:
        return jsontext.parse(text)
    except Invalid as error:  # names a place, not what stands there
        problems.append(f"{what}, {error.detail}")
        return None


def _instead(raw: Any) -> str:
    if not isinstance(raw, dict):
        return kind_of(raw)
    others = ", ".join(ascii(name[:40]) for name in raw if name != "cameras")
    if not raw or others:
        return f"one with {others}" if others else "an empty one"
    return f"one in which cameras is {kind_of(raw['cameras'])}"


def _faults(entry: _Entry, credentials: Mapping[str, Credential]) -> list[str]:
    if re.search(r"[\x00-\x20\x7f]", entry.url):
        return ["url: no spaces or control characters may stand in it"]
    try:
        parts = urlsplit(entry.url)
        port = parts.port
    except ValueError:
        return ["url: it cannot be read: is the port a number, are brackets closed?"]
    faults = _url_faults(entry, parts)
    if not parts.hostname or port == 0:
        faults.append("url: there is no host in it, or its port is 0")
    if entry.credential is not None and entry.credential not in credentials:
        faults.append(f"credential: {entry.credential!r} is not in the credentials file")
    if _PLACE.search(entry.url) and entry.credential is None:
        faults.append("credential: the url wants a login, but none is named")
    if entry.tls_sha256 and not parts.scheme.endswith("s"):
        faults.append("tls_sha256: the url is not encrypted")
    return faults


def _url_faults(entry: _Entry, parts: SplitResult) -> list[str]:
    faults = []
    schemes = _SCHEMES[entry.kind]
    if parts.scheme not in schemes:
        faults.append(f"url: {entry.kind} needs {' or '.join(s + '://' for s in schemes)}")
    if "@" in parts.netloc:
        faults.append("url: name and password belong in the credentials file (`credential`)")
    if parts.fragment:
        faults.append("url: what follows # is never sent: leave it out")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET.fullmatch(name) and not _PLACE.fullmatch(value):
            faults.append(f"url: {name[:20]}= may only be {{username}} or {{password}}")
    return faults
