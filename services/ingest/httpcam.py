"""Cameras that speak HTTP: one picture a request, or an MJPEG stream.

A picture is passed on as it is, not decoded. What bounds a camera: its address (checked at the
socket, so neither a redirect nor a name that changes leads elsewhere), the time to each picture,
and the bytes of it. Redirects are not followed.
"""

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver

from parking.errors import Invalid
from parking.mjpeg import Splitter, boundary_of
from parking.networks import Networks
from services.ingest.camerafile import Camera
from services.ingest.faults import CameraFault, fault_of, status_fault

_CHUNK: Final = 65_536
_AGENT: Final = {"User-Agent": "smart-parking"}


class HttpCamera:
    """A snapshot or MJPEG camera. `resolver`: how names are looked up, aiohttp's own if None."""

    def __init__(
        self,
        camera: Camera,
        networks: Networks,
        max_bytes: int,
        limit_s: float,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._camera = camera
        self._networks = networks
        self._max_bytes = max_bytes
        self._limit_s = limit_s
        self._resolver = resolver
        self._basic = False

    async def pictures(self, want: Callable[[], str]) -> AsyncGenerator[bytes, None]:
        """See puller.Source. A snapshot camera gives one picture; what of a stream is not wanted is
        read all the same, so that the next picture is a new one."""
        try:
            if self._camera.kind == "snapshot":
                yield await self._snapshot()
            else:
                async for jpeg in self._stream(want):
                    yield jpeg
        except Invalid as error:
            raise CameraFault(error.reason, error.detail) from None
        except (OSError, aiohttp.ClientError, ValueError) as error:
            raise fault_of(error) from None  # its text may hold the address, and with it a login

    async def _snapshot(self) -> bytes:
        async with asyncio.timeout(self._limit_s), self._answer() as response:
            if (response.content_length or 0) > self._max_bytes:
                raise self._too_large()
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > self._max_bytes:
                    raise self._too_large()
            if not body.startswith(b"\xff\xd8"):
                kind = response.content_type[:60]
                raise CameraFault("not-a-jpeg", f"it answers {kind!r}, {len(body)} bytes, no JPEG")
            return bytes(body)

    async def _stream(self, want: Callable[[], str]) -> AsyncGenerator[bytes, None]:
        now = asyncio.get_running_loop().time
        async with self._answer() as response:
            splitter = Splitter(
                boundary_of(response.headers.get("Content-Type", "")), self._max_bytes
            )
            due = now() + self._limit_s  # of the next whole picture: bytes alone are not enough
            while True:
                async with asyncio.timeout_at(due):
                    chunk = await response.content.read(_CHUNK)
                if not chunk:
                    raise CameraFault("cut-off", "the camera ended the stream")
                found = splitter.feed(chunk)
                if found:
                    due = now() + self._limit_s
                    if want() == "picture":
                        yield found[-1]
                        due = now() + self._limit_s
                if want() == "end":
                    return

    @asynccontextmanager
    async def _answer(self) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The beginning of an answer that is 200, within the limit. Raises CameraFault."""
        async with self._session() as session:
            async with asyncio.timeout(self._limit_s):
                response = await self._open(session)
            try:
                yield response
            finally:
                response.close()

    async def _open(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        response = await self._ask(session)
        login = self._camera.credential
        challenge = response.headers.get("WWW-Authenticate", "").lower()
        if response.status == 401 and login and not self._basic and "basic" in challenge:
            response.close()
            self._basic = True  # only to a camera that asks for it, before any Digest
            response = await self._ask(session)
        if response.status == 200:
            return response
        response.close()
        raise status_fault("HTTP", response.status, has_login=login is not None)

    async def _ask(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        login = self._camera.credential
        headers = {}
        if login is not None and self._basic:
            token = b64encode(f"{login.username}:{login.password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        pin = self._camera.tls_sha256
        return await session.get(
            self._camera.secret_url,
            allow_redirects=False,
            headers=headers,
            ssl=aiohttp.Fingerprint(bytes.fromhex(pin)) if pin else True,
        )

    @asynccontextmanager
    async def _session(self) -> Any:
        login = self._camera.credential
        digest = (
            (aiohttp.DigestAuthMiddleware(login.username, login.password),)
            if login and not self._basic
            else ()
        )
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,  # small cameras have few connections, and drop idle ones
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_AGENT,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=self._limit_s),
            middlewares=digest,
            auto_decompress=False,  # a small body must not become a large one
        ) as session:
            yield session

    def _socket(self, info: Any) -> socket.socket:
        """The place where an address is known and nothing is sent yet."""
        family, kind, protocol, _, address = info
        self._networks.check(str(address[0]))
        return socket.socket(family, kind, protocol)

    def _too_large(self) -> CameraFault:
        return CameraFault("too-large", f"at most {self._max_bytes} bytes a picture are taken")
