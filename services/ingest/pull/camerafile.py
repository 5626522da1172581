"""The cameras file: which cameras are polled, and how. Pure; the caller reads the text.

    {"cameras": [{"camera": "demo/gate", "kind": "snapshot", "url": "http://192.168.1.20/capture",
                  "interval_s": 5, "credential": "gate"}]}

A camera that publishes by itself needs no entry, but may have one that turns its pictures:

    {"camera": "demo/yard", "kind": "device", "rotate": 90}

Names and passwords are in a separate file (mode 600): {"gate": {"username": "u", "password": "p"}}.
A URL may contain `{username}` and `{password}`, for cameras that need them there. All faults are
reported, but without values that could be secrets.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

import msgspec

from parking.core.errors import Invalid, SettingsError
from parking.core.events import CameraId
from parking.core.ids import NAME
from parking.core.orientation import UPRIGHT, Orientation
from parking.wire import jsontext
from parking.wire.camera_sources import Credential as Credential
from parking.wire.camera_sources import IntervalS, NewSource
from parking.wire.typefaults import WORDS, faults, kind_of
from services.ingest.pull.pulled import Kind

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
_LOGIN: Final = "login"
_LOGIN_IN_URL: Final = "name and password belong in the credentials file (`credential`)"
_PLACE: Final = re.compile(r"\{(username|password)\}")
_Name = Annotated[
    str,
    msgspec.Meta(pattern=NAME, extra={WORDS: "1 to 40 of A-Z, a-z, 0-9, dot, _ and -"}),
]
_Sha256 = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-fA-F]{64}$", extra={WORDS: "a certificate's SHA-256, as 64 hex digits"}
    ),
]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera's entry in the file."""

    camera: CameraId
    kind: Kind
    url: Annotated[str, msgspec.Meta(max_length=500)] = ""
    interval_s: IntervalS = 5.0
    credential: _Name | None = None
    tls_sha256: _Sha256 | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    mirror: bool = False
    onvif: Annotated[str, msgspec.Meta(max_length=500)] = ""
    profile: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera to poll, or (kind `device`) only one whose pictures are turned. `tls_sha256` is the
    fingerprint of its pinned certificate; `turn` makes its pictures upright, after their EXIF
    orientation; `onvif` replaces `url`: it is the address of the device service, which gives the
    URL of the `profile` (None: a small one)."""

    camera_id: str
    kind: Kind
    url: str
    interval_s: float = 5.0
    credential: Credential | None = field(default=None, repr=False)
    tls_sha256: str | None = None
    turn: Orientation = UPRIGHT
    onvif: str = ""
    profile: str | None = None

    @property
    def parts(self) -> SplitResult:
        """The URL, split into its parts."""
        return urlsplit(self.url or self.onvif)

    @property
    def host(self) -> str:
        """The host: a name or an address."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """The URL's port, or the default one."""
        return self.parts.port or _PORTS[self.parts.scheme]

    @property
    def shown(self) -> str:
        """The URL for logs and tables, without its query."""
        return f"{self.parts.scheme}://{self.parts.netloc}{self.parts.path}"

    @property
    def secret_url(self) -> str:
        """The URL to request, with its login filled in. Never show it."""
        login = self.credential
        if login is None:
            return self.url
        values = {"username": login.username, "password": login.password}
        return _PLACE.sub(lambda match: quote(values[match[1]], safe=""), self.url)


def read_credentials(text: bytes) -> dict[str, Credential]:
    """Return the logins by name. Raises SettingsError with every fault."""
    problems: list[str] = []
    found: dict[str, Credential] = {}
    raw = _json(text, problems)
    if not problems and not isinstance(raw, dict):
        problems.append(f"the credentials file must be {_LOGINS}, not {kind_of(raw)}")
    for name, value in raw.items() if isinstance(raw, dict) else ():
        wrong = [f"its name {fault}" for fault in faults(name, _Name, secret=True)]
        wrong += faults(value, Credential, secret=True)  # contains places and kinds, never a value
        problems += [f"{name[:40]!r}: {fault}" for fault in wrong]
        if not wrong:
            found[name] = msgspec.convert(value, Credential)
    if problems:
        raise SettingsError(problems)
    return found


def read_cameras(text: bytes, credentials: Mapping[str, Credential]) -> dict[str, Camera]:
    """Return the cameras by id. Raises SettingsError with every fault."""
    problems: list[str] = []
    raw = _json(text, problems)
    entries = raw.get("cameras") if isinstance(raw, dict) and set(raw) == {"cameras"} else None
    if not problems and not isinstance(entries, list):
        problems.append(f"the cameras file must be {_CAMERAS}, not {_instead(raw)}")
    entries = entries if isinstance(entries, list) else []
    if len(entries) > MAX_CAMERAS:
        problems.append(f"at most {MAX_CAMERAS} cameras, not {len(entries)}")
    cameras: dict[str, Camera] = {}
    for number, value in enumerate(entries[:MAX_CAMERAS], 1):
        where = f"camera {number}"
        wrong = faults(value, _Entry, secret=True)
        if wrong:
            wrong += ["url: missing"] if _lacks_address(value) else []
            problems += [f"{where}: {fault}" for fault in wrong]
            continue
        entry = msgspec.convert(value, _Entry)
        where += f" ({entry.camera})"
        problems += [f"{where}: {fault}" for fault in _faults(entry, credentials)]
        if entry.camera in cameras:
            problems.append(f"{where}: this camera is in the file twice")
        login = credentials.get(entry.credential) if entry.credential else None
        cameras[entry.camera] = Camera(
            entry.camera,
            entry.kind,
            entry.url,
            entry.interval_s,
            login,
            entry.tls_sha256,
            Orientation(entry.rotate, entry.mirror),
            entry.onvif,
            entry.profile,
        )
    if problems:
        raise SettingsError(problems)
    return cameras


def polled(camera_id: str, source: NewSource, login: Credential | None) -> Camera:
    """Return a camera that is not in the file. Raises Invalid("bad-camera") with every fault."""
    logins = {_LOGIN: login} if login else {}
    entry = _Entry(
        camera=camera_id,
        kind=source.kind,
        url=source.url,
        interval_s=source.interval_s,
        credential=_LOGIN if login else None,
    )
    own = "name and password do not belong in the address: give them as its login"
    faults = [one.replace(_LOGIN_IN_URL, own) for one in _faults(entry, logins)]
    if faults:
        raise Invalid("bad-camera", "; ".join(faults), faults)
    return Camera(camera_id, entry.kind, entry.url, entry.interval_s, login)


def _lacks_address(value: object) -> bool:
    """Return whether an entry that has other faults is of a polled camera without an address."""
    if not isinstance(value, dict) or value.get("kind") not in _SCHEMES:
        return False
    return not (value.get("url") or value.get("onvif"))


def _json(text: bytes, problems: list[str]) -> Any:
    try:
        return jsontext.parse(text)
    except Invalid as error:  # names a place, not its value
        problems.append(error.detail)
        return None


def _instead(raw: Any) -> str:
    if not isinstance(raw, dict):
        return kind_of(raw)
    others = ", ".join(ascii(name[:40]) for name in raw if name != "cameras")
    if not raw or others:
        return f"one with {others}" if others else "an empty one"
    return f"one in which cameras is {kind_of(raw['cameras'])}"


def _faults(entry: _Entry, credentials: Mapping[str, Credential]) -> list[str]:
    if entry.kind == "device":
        names = ("url", "onvif", "profile", "credential", "tls_sha256")
        return [f"{n}: ingest does not poll devices: remove it" for n in names if getattr(entry, n)]
    if entry.url and entry.onvif:
        return ["onvif: the camera has a url, so remove one of them"]
    name, url = ("onvif", entry.onvif) if entry.onvif else ("url", entry.url)
    if not url:
        return ["url: missing"]
    if re.search(r"[\x00-\x20\x7f]", url):
        return [f"{name}: must not contain spaces or control characters"]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [
            f"{name}: cannot be parsed; check that the port is a number and brackets are closed"
        ]
    faults = [f"{name}: {fault}" for fault in _url_faults(entry, parts)]
    if not parts.hostname or port == 0:
        faults.append(f"{name}: has no host, or its port is 0")
    return faults + _other_faults(entry, parts, credentials)


def _other_faults(
    entry: _Entry, parts: SplitResult, credentials: Mapping[str, Credential]
) -> list[str]:
    faults = []
    if entry.credential is not None and entry.credential not in credentials:
        faults.append(f"credential: {entry.credential!r} is not in the credentials file")
    if _PLACE.search(entry.url) and entry.credential is None:
        faults.append("credential: the url contains a login placeholder, but no credential is set")
    if entry.tls_sha256 and not parts.scheme.endswith("s"):
        faults.append("tls_sha256: the url is not encrypted")
    if entry.profile and not entry.onvif:
        faults.append("profile: only a camera with `onvif` has profiles")
    if entry.onvif and entry.kind == "mjpeg":
        faults.append("kind: ONVIF gives addresses of rtsp and snapshot only")
    return faults


def _url_faults(entry: _Entry, parts: SplitResult) -> list[str]:
    faults = []
    schemes = ("http", "https") if entry.onvif else _SCHEMES[entry.kind]
    if parts.scheme not in schemes:
        needing = "it" if entry.onvif else entry.kind
        faults.append(f"{needing} needs {' or '.join(s + '://' for s in schemes)}")
    if "@" in parts.netloc:
        faults.append(_LOGIN_IN_URL)
    if parts.fragment:
        faults.append("the part after # is never sent: remove it")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET.fullmatch(name) and not _PLACE.fullmatch(value):
            faults.append(f"{name[:20]}= may only be {{username}} or {{password}}")
    return faults
