"""HTTP to cameras, but only to addresses that were checked.

The address is checked at the socket, so neither a redirect nor a changed DNS entry leads elsewhere.
Redirects are not followed. Heads that aiohttp's parser would refuse are repaired first (heads.py).
The password itself is sent only to a camera that offers Basic but not Digest.
"""

import asyncio
import functools
import socket
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler

from parking.core.errors import Invalid
from parking.wire.bodies import TooLarge, read_at_most
from services.ingest.pull.camerafile import Credential
from services.ingest.pull.heads import repair
from services.ingest.pull.networks import Networks

_CHUNK: Final = 65_536
_ENCODED: Final = ("gzip", "x-gzip", "deflate")
_HEADERS: Final = {"User-Agent": "smart-parking", "Accept-Encoding": "identity"}


class _Tolerant(ResponseHandler):
    """aiohttp's side of a connection, for one answer."""

    _head: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        """Buffer the head until it is complete and repaired."""
        if self._head is not None and data:
            data = self._head + data
            repaired = repair(data)
            self._head = data if repaired is None else None
            data = b"" if repaired is None else repaired
            if not data:
                return
        super().data_received(data)


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the whole body, decompressed, because some cameras compress it without being asked.
    Raises Invalid("too-large"), zlib.error and what aiohttp raises. The caller limits the time."""
    too_large = Invalid("too-large", f"at most {max_bytes} bytes per answer are allowed")
    if (response.content_length or 0) > max_bytes:
        raise too_large
    try:
        body = await read_at_most(response.content.iter_chunked(_CHUNK), max_bytes)
    except TooLarge:
        raise too_large from None
    if response.headers.get("Content-Encoding", "").lower() not in _ENCODED:
        return body
    data = zlib.decompressobj(47).decompress(body, max_bytes + 1)
    if len(data) > max_bytes:  # a small body must not expand into a large one
        raise too_large
    return data


class GuardedHttp:
    """One camera's HTTP. `tls_sha256` is the fingerprint of its pinned certificate. `resolver`
    looks up names; None uses aiohttp's own."""

    def __init__(
        self,
        networks: Networks,
        limit_s: float,
        login: Credential | None = None,
        tls_sha256: str | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._networks = networks
        self._limit_s = limit_s
        self._login = login
        self._pin = tls_sha256
        self._resolver = resolver
        self._basic = False

    @asynccontextmanager
    async def answer(
        self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Yield the start of the answer to a GET, or to a POST of `body`, within the time limit,
        whatever its status. Raises aiohttp's errors, OSError and TimeoutError."""
        async with self._session() as session:
            async with asyncio.timeout(self._limit_s):
                response = await self._ask(session, url, body, headers or {})
                challenge = response.headers.get("WWW-Authenticate", "").lower()
                offers_basic = response.status == 401 and "basic" in challenge
                if offers_basic and self._login and not self._basic:
                    response.close()
                    self._basic = True  # only to a camera that asks for it, before any Digest
                    response = await self._ask(session, url, body, headers or {})
            try:
                yield response
            finally:
                response.close()

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        own = dict(headers)
        if self._login is not None and self._basic:
            login = f"{self._login.username}:{self._login.password}"
            own["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        return await session.request(
            "GET" if body is None else "POST",
            url,
            data=body,
            allow_redirects=False,
            headers=own,
            ssl=aiohttp.Fingerprint(bytes.fromhex(self._pin)) if self._pin else True,
        )

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[aiohttp.ClientSession, None]:
        factory: Any = functools.partial(_Tolerant, loop=asyncio.get_running_loop())
        login = self._login
        digest = (
            (aiohttp.DigestAuthMiddleware(login.username, login.password),)
            if login and not self._basic
            else ()
        )
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,  # small cameras allow few connections, and drop idle ones
        )
        # aiohttp has no public way to see a head before its parser does.
        connector._factory = factory  # noqa: SLF001 -- see above
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=self._limit_s),
            middlewares=digest,
            auto_decompress=False,  # the caller decompresses, within bounds
        ) as session:
            yield session

    def _socket(self, info: Any) -> socket.socket:
        """Create the socket at the moment when the address is known and nothing has been sent
        yet."""
        family, kind, protocol, _, address = info
        self._networks.check(str(address[0]))
        return socket.socket(family, kind, protocol)
