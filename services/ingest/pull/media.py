"""What an ONVIF camera offers: its clock, its media services, profiles and addresses. Pure.

A camera's own addresses are used for scheme, port and path only. Their host is always replaced by
the one that was asked, because a camera often gives 0.0.0.0, its address before it was moved, or
one behind a router, and because a login must not go to a machine that an answer names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit
from xml.sax.saxutils import escape

from services.ingest.pull import soap
from services.ingest.pull.camerafile import Credential
from services.ingest.pull.soap import Call, Element

_ONVIF: Final = "http://www.onvif.org"
_DEVICE: Final = f"{_ONVIF}/ver10/device/wsdl"
_MEDIA: Final = f"{_ONVIF}/ver10/media/wsdl"
_MEDIA2: Final = f"{_ONVIF}/ver20/media/wsdl"
_SCHEMA: Final = f"{_ONVIF}/ver10/schema"
_MAX_PROFILES: Final = 16
_ENOUGH_PIXELS: Final = 1280 * 720
# Some cameras put a login into the query, others into the path, joined by _.
_LOGIN: Final = re.compile(
    r"(?<![a-z])(user(?:name)?|usr|login|pass(?:word|wd)?|pwd|psw)=(.*?)(?=_[a-z]+=|[&/;]|$)", re.I
)
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]")

CLOCK: Final = Call(_DEVICE, "GetSystemDateAndTime")
SERVICES: Final = Call(_DEVICE, "GetServices", "<IncludeCapability>false</IncludeCapability>")
CAPABILITIES: Final = Call(_DEVICE, "GetCapabilities", "<Category>Media</Category>")


@dataclass(frozen=True, slots=True)
class Service:
    """A media service, version 1 or 2 (version 2 supports H.265)."""

    url: str
    version: int

    def profiles(self) -> Call:
        """List the profiles."""
        return Call(self._namespace, "GetProfiles", "<Type>All</Type>" if self._is_2 else "")

    def stream(self, token: str) -> Call:
        """Ask for the address of a profile's stream, over TCP."""
        named = f"<ProfileToken>{escape(token)}</ProfileToken>"
        if self._is_2:
            return Call(self._namespace, "GetStreamUri", f"<Protocol>RTSP</Protocol>{named}")
        transport = "<Protocol>RTSP</Protocol>"
        setup = f'<Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
        setup += f'<Transport xmlns="{_SCHEMA}">{transport}</Transport>'
        inner = f"<StreamSetup>{setup}</StreamSetup>{named}"
        return Call(self._namespace, "GetStreamUri", inner)

    def snapshot(self, token: str) -> Call:
        """Ask for the address of its single pictures."""
        named = f"<ProfileToken>{escape(token)}</ProfileToken>"
        return Call(self._namespace, "GetSnapshotUri", named)

    @property
    def _is_2(self) -> bool:
        return self.version == 2

    @property
    def _namespace(self) -> str:
        return _MEDIA2 if self._is_2 else _MEDIA


@dataclass(frozen=True, slots=True)
class Profile:
    """One of a camera's streams. Addresses contain no login (at most `{username}` and
    `{password}`), and are empty if the camera gives none. `codec` and sizes are what the camera
    reports."""

    token: str
    name: str
    codec: str = ""
    width: int = 0
    height: int = 0
    rate: int = 0
    stream: str = ""
    snapshot: str = ""


def clock_skew_s(answer: Element, now_s: float) -> float:
    """Return how far the camera's clock is ahead, or 0 if the answer does not say."""
    utc = soap.find(answer, "UTCDateTime")
    fields = ("Year", "Month", "Day", "Hour", "Minute", "Second")
    try:
        time = datetime(*(soap.number(utc, name) for name in fields), tzinfo=UTC)  # type: ignore[misc,arg-type]  # six numbers
    except ValueError:
        return 0.0
    return time.timestamp() - now_s


def date_skew_s(date: str, now_s: float) -> float:
    """Return the same from the Date header of an HTTP answer."""
    try:
        return parsedate_to_datetime(date).timestamp() - now_s
    except (ValueError, OverflowError):
        return 0.0


def media_services(answer: Element, asked: str) -> list[Service]:
    """Return the media services from GetServices or GetCapabilities, version 2 first."""
    found: list[Service] = []
    for one in soap.every(answer, "Service"):
        version = {_MEDIA: 1, _MEDIA2: 2}.get(soap.text(one, "Namespace"))
        url = web_url(soap.text(one, "XAddr"), asked)
        if version and url:
            found.append(Service(url, version))
    media = soap.find(answer, "Media")
    url = web_url(soap.text(media, "XAddr"), asked)
    if not found and url:
        found.append(Service(url, 1))
    return sorted(found, key=lambda service: -service.version)


def profiles_in(answer: Element) -> list[Profile]:
    """Return the profiles, without addresses."""
    found: list[Profile] = []
    for one in soap.every(answer, "Profiles"):
        token = one.get("token", "")
        encoder = soap.find(one, "VideoEncoderConfiguration", "VideoEncoder")
        size = soap.find(encoder, "Resolution") if encoder is not None else None
        rate = soap.number(encoder, "FrameRateLimit")
        if token and encoder is not None and len(found) < _MAX_PROFILES:
            codec = soap.shown(soap.text(encoder, "Encoding"))
            sides = soap.number(size, "Width"), soap.number(size, "Height")
            name = soap.shown(soap.text(one, "Name"))
            found.append(Profile(token, name, codec, *sides, rate))
    return found


def with_addresses(
    profile: Profile, stream: str, snapshot: str, asked: str, login: Credential | None
) -> Profile:
    """Return the profile with the addresses from GetStreamUri and GetSnapshotUri."""
    return replace(
        profile,
        stream=_address(stream, asked, ("rtsp", "rtsps"), login),
        snapshot=_address(snapshot, asked, ("http", "https"), login),
    )


def uri_in(answer: Element) -> str:
    """Return the address in an answer to either call, or "" if there is none."""
    return soap.text(answer, "Uri")


def web_url(url: str, asked: str) -> str:
    """Return a service's address at the host that was asked, or "" if it is unusable."""
    return _address(url.split()[0] if url.split() else "", asked, ("http", "https"), None)


def choose(profiles: Sequence[Profile], wanted: str | None, kind: str) -> Profile | None:
    """Return the profile with this name or token. Without a name, return the largest profile of at
    most 1280x720, or else the smallest, that has an address for `kind` (`rtsp` or `snapshot`)."""
    usable = [one for one in profiles if address_for(one, kind)]
    if wanted is not None:
        return next((one for one in usable if wanted in (one.token, one.name)), None)
    small = [one for one in usable if one.width * one.height <= _ENOUGH_PIXELS]
    if small:
        return max(small, key=lambda one: one.width * one.height)
    return min(usable, key=lambda one: one.width * one.height, default=None)


def address_for(profile: Profile, kind: str) -> str:
    """Return the profile's address for a kind of camera."""
    return profile.stream if kind == "rtsp" else profile.snapshot


def _address(url: str, asked: str, schemes: Sequence[str], login: Credential | None) -> str:
    if not url or _UNSAFE.search(url) or len(url) > 500:
        return ""
    try:
        parts, base = urlsplit(urljoin(asked, url)), urlsplit(asked)
        port, host = parts.port, base.hostname or ""
    except ValueError:
        return ""
    if base.scheme == "https" and parts.scheme == "http":
        # A login, or a checked certificate, is for the encrypted connection only.
        parts, port = parts._replace(scheme="https"), base.port
    if parts.scheme not in schemes or port == 0:
        return ""
    host = f"[{host}]" if ":" in host else host
    netloc = f"{host}:{port}" if port else host
    path, query = (_without_login(part, login) for part in (parts.path, parts.query))
    return parts._replace(netloc=netloc, path=path, query=query, fragment="").geturl()


def _without_login(part: str, login: Credential | None) -> str:
    """Return a path or query in which placeholders replace a login."""

    def place(found: re.Match[str]) -> str:
        name = "username" if found[1][0].lower() in "ul" else "password"
        return f"{found[1]}={{{name}}}" if login else f"{found[1]}="

    return _LOGIN.sub(place, part)
