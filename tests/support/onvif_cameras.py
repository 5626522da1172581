"""Cameras that speak ONVIF on 127.0.0.1, each with one habit seen in the field. Raw sockets are
used so that they can lie."""

import asyncio
import base64
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate

from tests.support.cameras import PASSWORD, USER, digest_is_right, jpeg

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = {1: "http://www.onvif.org/ver10/media/wsdl", 2: "http://www.onvif.org/ver20/media/wsdl"}
# Profiles: token, name, codec, width, height, rate.
PROFILES = [("p_main", "main", "H265", 1920, 1080, 25), ("p_sub", "sub", "H264", 640, 360, 10)]


@dataclass
class OnvifCamera:
    """A camera and its habits. `login` is `wsse`, `http` (Digest, WS-Security ignored) or none.
    `clock_ahead_s` is the error of its clock; it accepts no login whose time is more than 5 s off.
    `version` is that of the newest media service. `host` is what it puts into addresses, None for
    its own."""

    login: str = "wsse"
    clock_ahead_s: float = 0.0
    version: int = 2
    knows_services: bool = True
    broken_version_2: bool = False
    clock_needs_login: bool = False
    host: str | None = None
    relative: bool = False
    login_in_uri: bool = False
    has_snapshots: bool = True
    sends_date: bool = False
    html: bool = False
    definitions: bool = False
    port: int = 0
    media_port: int = 0
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/onvif/device_service"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: (\d+)", head, re.I)
            body = (await reader.readexactly(int(length[1]))).decode() if length else ""
            self.heads.append(head + body)
            status, kind, content, more = self._answer(head, body)
            if self.sends_date:
                more += f"Date: {formatdate(time.time() + self.clock_ahead_s, usegmt=True)}\r\n"
            line = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\n{more}"
            writer.write(
                f"{line}Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        writer.close()

    def _answer(self, head: str, body: str) -> tuple[int, str, bytes, str]:
        if head.startswith("GET"):
            return 200, "image/jpeg", jpeg(len(self.heads)), ""
        if self.html:
            return 200, "text/html", b"<html><body>Please log in</html>", ""
        found = re.search(r"Body>\s*<(?:\w+:)?(\w+)", body)
        name = found[1] if found else "?"
        self.asked.append(name)
        is_clock = name == "GetSystemDateAndTime" and not self.clock_needs_login
        if self.login == "http" and not is_clock and not digest_is_right(head, "POST"):
            more = 'WWW-Authenticate: Digest realm="cam", nonce="n1", qop="auth", algorithm=MD5\r\n'
            return 401, "text/html", b"<html>401</html>", more
        if self.login == "wsse" and not is_clock and not self._signed(body):
            return 400, "application/soap+xml", _fault("ter:NotAuthorized", "not authorized"), ""
        inner = self._inner(name, body)
        if not inner:
            return 500, "application/soap+xml", _fault("ter:ActionNotSupported", "unknown"), ""
        dtd = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' if self.definitions else ""
        service = "tds" if _DEVICE in body else "tr2" if _MEDIA[2] in body else "trt"
        inner = f"<{service}:{name}Response>{inner}</{service}:{name}Response>"
        return 200, "application/soap+xml", f"{dtd}{_envelope(inner)}".encode(), ""

    def _signed(self, body: str) -> bool:
        def text(name: str) -> str:
            found = re.search(rf"<(?:\w+:)?{name}(?: [^>]*)?>([^<]*)<", body)
            return found[1] if found else ""

        created = text("Created")
        if not created or text("Username") != USER:
            return False
        made = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        secret = base64.b64decode(text("Nonce")) + created.encode() + PASSWORD.encode()
        digest = base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode()
        fresh = abs(made - time.time() - self.clock_ahead_s) < 5
        return fresh and digest == text("Password")

    def _inner(self, name: str, body: str) -> str:
        version = 2 if _MEDIA[2] in body else 1
        if version == 2 and self.broken_version_2:
            return ""
        if name == "GetSystemDateAndTime":
            return self._clock()
        if name == "GetServices" and self.knows_services:
            urls = {one: self._own(f"/onvif/media{one}") for one in range(1, self.version + 1)}
            return "".join(
                f"<tds:Service><tds:Namespace>{_MEDIA[one]}</tds:Namespace>"
                f"<tds:XAddr>{url}</tds:XAddr><tds:Version><tt:Major>{one}</tt:Major>"
                "<tt:Minor>0</tt:Minor></tds:Version></tds:Service>"
                for one, url in urls.items()
            )
        if name == "GetCapabilities":
            url = self._own("/onvif/media1")
            media = f"<tt:Media><tt:XAddr>{url}</tt:XAddr></tt:Media>"
            return f"<tds:Capabilities>{media}</tds:Capabilities>"
        if name == "GetProfiles":
            return "".join(_profile(version, one) for one in PROFILES)
        return self._uri(name, body)

    def _uri(self, name: str, body: str) -> str:
        token = re.search(r"ProfileToken>(\w+)<", body)
        if token is None or (name == "GetSnapshotUri" and not self.has_snapshots):
            return ""
        login = f"{USER}:{PASSWORD}@" if self.login_in_uri else ""
        query = f"?user={USER}&amp;password={PASSWORD}&amp;n=1" if self.login_in_uri else ""
        host = self.host or "127.0.0.1"
        if name == "GetStreamUri":
            address = f"rtsp://{login}{host}:8554/{token[1]}{query}"
        elif self.relative:
            address = f"/snap/{token[1]}.jpg"
        else:
            address = f"http://{login}{host}:{self.port}/snap/{token[1]}.jpg{query}"
        if _MEDIA[2] in body:
            return f"<tr2:Uri>{address}</tr2:Uri>"
        return f"<trt:MediaUri><tt:Uri>{address}</tt:Uri></trt:MediaUri>"

    def _own(self, path: str) -> str:
        if self.relative:
            return path
        return f"http://{self.host or '127.0.0.1'}:{self.media_port}{path}"

    def _clock(self) -> str:
        now = datetime.fromtimestamp(time.time() + self.clock_ahead_s, UTC)
        date = f"<tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month>"
        clock = f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        clock += f"<tt:Second>{now.second}</tt:Second>"
        return (
            "<tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            f"<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time>{clock}</tt:Time><tt:Date>{date}"
            f"<tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime>"
        )


def _profile(version: int, profile: tuple[str, str, str, int, int, int]) -> str:
    token, name, codec, width, height, rate = profile
    own = "trt" if version == 1 else "tr2"
    encoder = "tt:VideoEncoderConfiguration" if version == 1 else "tr2:VideoEncoder"
    fields = (
        f"<tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{codec}</tt:Encoding>"
        f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
        f"<tt:RateControl><tt:FrameRateLimit>{rate}</tt:FrameRateLimit></tt:RateControl>"
    )
    inner = f'<{encoder} token="e">{fields}</{encoder}>'
    if version == 2:
        inner = f"<tr2:Configurations>{inner}</tr2:Configurations>"
    label = "tt" if version == 1 else "tr2"
    name = f"<{label}:Name>{name}</{label}:Name>"
    return f'<{own}:Profiles token="{token}">{name}{inner}</{own}:Profiles>'


def _fault(code: str, words: str) -> bytes:
    return _envelope(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>"
        f"{code}</s:Value></s:Subcode></s:Code><s:Reason><s:Text>{words}</s:Text></s:Reason>"
        "</s:Fault>"
    ).encode()


def _envelope(inner: str) -> str:
    spaces = {"tds": _DEVICE, "trt": _MEDIA[1], "tr2": _MEDIA[2]}
    spaces |= {name: f"http://www.onvif.org/ver10/{kind}" for name, kind in _KINDS.items()}
    names = "".join(f' xmlns:{name}="{space}"' for name, space in spaces.items())
    envelope = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    return f"{envelope}{names}><s:Body>{inner}</s:Body></s:Envelope>"


_KINDS = {"tt": "schema", "ter": "error"}


@asynccontextmanager
async def onvif_camera(
    camera: OnvifCamera, *, other_port: bool = False
) -> AsyncIterator[OnvifCamera]:
    """Yield the running camera. With `other_port`, its media service has a port of its own."""
    servers = [await asyncio.start_server(camera.serve, "127.0.0.1", 0)]
    if other_port:
        servers.append(await asyncio.start_server(camera.serve, "127.0.0.1", 0))
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    camera.port, camera.media_port = ports[0], ports[-1]
    try:
        yield camera
    finally:
        for server in servers:
            server.close()
