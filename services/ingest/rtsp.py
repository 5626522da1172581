"""An RTSP client that can do what fetching pictures needs: DESCRIBE, SETUP and PLAY over one TCP
connection (RFC 2326, interleaved), Basic and Digest logins, TLS.

ffmpeg's own client would look a name up by itself, follow a camera's redirect to any address, and
get the password on the way; here one guarded connection is made and no other.
"""

import asyncio
import hashlib
import re
import secrets
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from parking.networks import Forbidden, Networks
from services.ingest.camerafile import Camera, Credential
from services.ingest.faults import CameraFault, status_fault
from services.ingest.rtp import HEADER_BYTES, Track, video_track

Resolve = Callable[[str, int], Awaitable[list[str]]]
_MAX_HEAD_BYTES: Final = 16_384
_MAX_BODY_BYTES: Final = 65_536
_PACKETS_A_TURN: Final = 32
_KEEP_ALIVE_S: Final = 25.0
_FIELD: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^,\s]+))')


async def numeric(host: str, port: int) -> list[str]:
    """The addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def connect(
    camera: Camera, networks: Networks, resolve: Resolve
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first address that is allowed and answers; the one that was checked is the one that is
    connected to. Raises OSError (Forbidden when none is allowed)."""
    context = _tls(camera)
    host, port = camera.host, camera.port
    failed: OSError | None = None
    for address in await resolve(host, port):
        try:
            networks.check(address)
            reader, writer = await asyncio.open_connection(
                address,
                port,
                limit=_MAX_HEAD_BYTES,
                ssl=context,
                server_hostname=host if context else None,
            )
        except OSError as error:
            if failed is None or isinstance(failed, Forbidden):
                failed = error
            continue
        _check_pin(camera, writer)
        return reader, writer
    raise failed or socket.gaierror("no address")


def _tls(camera: Camera) -> ssl.SSLContext | None:
    if camera.parts.scheme != "rtsps":
        return None
    context = ssl.create_default_context()
    if camera.tls_sha256:  # the pinned fingerprint takes the authority's place
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check_pin(camera: Camera, writer: asyncio.StreamWriter) -> None:
    shown = writer.get_extra_info("ssl_object")
    if camera.tls_sha256 and shown is not None:
        certificate = shown.getpeercert(binary_form=True) or b""
        if hashlib.sha256(certificate).hexdigest() != camera.tls_sha256.lower():
            writer.transport.abort()
            raise CameraFault("tls", "the certificate is another than the pinned one")


class Session:
    """One connection to a camera. Every method may raise OSError, CameraFault, Invalid and, when
    the connection ends, asyncio.IncompleteReadError; none waits by itself: bound the waits."""

    def __init__(
        self, camera: Camera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._camera = camera
        self._reader = reader
        self._writer = writer
        parts = urlsplit(camera.secret_url)
        self._url = parts.geturl()
        self._number = 0
        self._session = ""
        self._challenge: dict[str, str] | None = None
        self._logins = 0
        self._basic = False
        self._asked_s = 0.0
        self._packets = 0

    async def play(self) -> Track:
        """Ask for the video; packets follow."""
        head, body = await self._ask("DESCRIBE", self._url, Accept="application/sdp")
        track = video_track(body.decode("utf-8", "replace"))
        base = head.get("content-base") or head.get("content-location") or self._url
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        head, _ = await self._ask("SETUP", _under(base, track.control), Transport=transport)
        self._session = head.get("session", "").partition(";")[0].strip()
        await self._ask("PLAY", base, Range="npt=0.000-")
        return track

    async def packet(self) -> bytes:
        """The next RTP packet of the video."""
        while True:
            if _now_s() - self._asked_s > _KEEP_ALIVE_S:
                await self._send("OPTIONS", self._url, {})  # its answer is passed over below
            found = await self._read()
            if isinstance(found, bytes):
                return found

    def close(self) -> None:
        """End it; a camera is told, but not waited for."""
        if self._session and not self._writer.is_closing():
            self._number += 1
            text = f"TEARDOWN {self._url} RTSP/1.0\r\nCSeq: {self._number}\r\n"
            self._writer.write(f"{text}Session: {self._session}\r\n\r\n".encode())
        self._writer.close()

    async def _ask(self, method: str, url: str, **more: str) -> tuple[Mapping[str, str], bytes]:
        login = self._camera.credential
        for attempt in (1, 2):
            await self._send(method, url, more)
            while isinstance(answer := await self._read(), bytes):
                pass  # a packet that was on the way
            status, head, body = answer
            if status == 401 and login is not None and attempt == 1:
                self._challenged(head.get("www-authenticate", ""))
                continue
            break
        if status != 200:
            raise status_fault("RTSP", status, has_login=login is not None)
        return head, body

    async def _send(self, method: str, url: str, more: Mapping[str, str]) -> None:
        self._number += 1
        self._asked_s = _now_s()
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", "User-Agent: smart-parking"]
        lines += [f"{name}: {value}" for name, value in more.items()]
        if self._session:
            lines.append(f"Session: {self._session}")
        authorization = self._authorization(method, url)
        if authorization:
            lines.append(f"Authorization: {authorization}")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self._writer.drain()

    async def _read(self) -> bytes | tuple[int, Mapping[str, str], bytes]:
        """An RTP packet of the video's channel, or an answer."""
        while True:
            self._packets += 1
            if not self._packets % _PACKETS_A_TURN:
                await asyncio.sleep(0)  # what is there already is read without a pause
            first = await self._reader.readexactly(1)
            if first == b"$":
                rest = await self._reader.readexactly(3)
                packet = await self._reader.readexactly(int.from_bytes(rest[1:]))
                if rest[0] != 0:
                    continue
                if len(packet) < HEADER_BYTES:
                    raise CameraFault("bad-answer", "its packets are too short to be RTP")
                return packet
            try:
                text = first + await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                raise CameraFault("bad-answer", "what it answers is not RTSP") from None
            start, *lines = text.decode("latin-1").strip().split("\r\n")
            head = _headers(lines)
            length = head.get("content-length", "0")
            if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
                raise CameraFault("bad-answer", "it announces a description of that size")
            body = await self._reader.readexactly(int(length))
            status = re.match(r"RTSP/1\.\d (\d{3})", start)
            if status is None:
                raise CameraFault("bad-answer", "what it answers is not RTSP")
            return int(status[1]), head, body

    # ------------------------------------------------------------ the login
    def _challenged(self, challenge: str) -> None:
        scheme, _, fields = challenge.partition(" ")
        self._basic = scheme.lower() == "basic"
        self._logins = 0
        self._challenge = {name: q or plain for name, q, plain in _FIELD.findall(fields)}

    def _authorization(self, method: str, url: str) -> str:
        login, challenge = self._camera.credential, self._challenge
        if login is None or challenge is None:
            return ""
        if self._basic:
            return "Basic " + b64encode(f"{login.username}:{login.password}".encode()).decode()
        self._logins += 1
        return digest(login, challenge, method, url, self._logins)


def digest(
    login: Credential, challenge: Mapping[str, str], method: str, url: str, count: int
) -> str:
    """The Authorization header of RFC 7616, MD5 or SHA-256, for the `count`th time with this
    challenge. Raises CameraFault for other ways."""
    name = challenge.get("algorithm", "MD5").upper()
    if name not in ("MD5", "SHA-256"):
        raise CameraFault("bad-answer", f"its login wants {name[:20]!r}, which is not spoken here")
    realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")

    def hashed(text: str) -> str:
        kind: Any = hashlib.md5 if name == "MD5" else hashlib.sha256
        return str(kind(text.encode(), usedforsecurity=False).hexdigest())

    middle = [nonce]
    more = ""
    if "auth" in challenge.get("qop", ""):
        own = secrets.token_hex(8)
        middle += [f"{count:08x}", own, "auth"]
        more = f', qop=auth, nc={count:08x}, cnonce="{own}"'
    secret = hashed(f"{login.username}:{realm}:{login.password}")
    response = hashed(":".join([secret, *middle, hashed(f"{method}:{url}")]))
    return (
        f'Digest username="{login.username}", realm="{realm}", nonce="{nonce}", uri="{url}", '
        f'response="{response}", algorithm={name}{more}'
    )


def _headers(lines: list[str]) -> dict[str, str]:
    """By name in small letters. Of several ways to log in, Digest is taken where it is offered."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = (part.strip() for part in line.partition(":"))
        if not found.get(name.lower(), "").lower().startswith("digest "):
            found[name.lower()] = value
    return found


def _under(base: str, control: str) -> str:
    """A track's address; only ever said on this connection, never connected to."""
    if control == "*":
        return base
    return control if "://" in control else f"{base.rstrip('/')}/{control}"


def _now_s() -> float:
    return asyncio.get_running_loop().time()
