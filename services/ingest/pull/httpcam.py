"""Cameras that speak HTTP: one picture per request, or an MJPEG stream.

Pictures are passed on without decoding. Three things are limited: the camera's address
(guardedhttp.py), the time until each picture, and the picture's size.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from parking.core.errors import Invalid
from parking.runtime.metrics import PULL_FAILURES
from parking.wire.mjpeg import Splitter, check_type
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.faults import CameraFault, fault_of, status_fault
from services.ingest.pull.guardedhttp import GuardedHttp, read_body
from services.ingest.pull.networks import Networks

_CHUNK: Final = 65_536


class HttpCamera:
    """A snapshot or MJPEG camera. `resolver` looks up names; None uses aiohttp's own."""

    def __init__(
        self,
        camera: Camera,
        networks: Networks,
        max_bytes: int,
        limit_s: float,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._camera = camera
        self._max_bytes = max_bytes
        self._limit_s = limit_s
        self._http = GuardedHttp(networks, limit_s, camera.credential, camera.tls_sha256, resolver)

    async def pictures(self, want: Callable[[], str]) -> AsyncGenerator[bytes, None]:
        """See puller.Source. A snapshot camera returns one picture per request. Pictures
        of a stream that are not wanted are read too, so that the next picture is a new one."""
        try:
            if self._camera.kind == "snapshot":
                yield await self._snapshot()
            else:
                async for jpeg in self._stream(want):
                    yield jpeg
        except Invalid as error:
            raise CameraFault(error.reason, error.detail) from None
        except (OSError, aiohttp.ClientError, ValueError, zlib.error) as error:
            raise fault_of(error) from None  # its text may contain the address, and so a login

    async def _snapshot(self) -> bytes:
        async with asyncio.timeout(self._limit_s), self._answer() as response:
            return self._picture(await read_body(response, self._max_bytes), response)

    def _picture(self, body: bytes, response: aiohttp.ClientResponse) -> bytes:
        """Return the JPEG in an answer: plain, after other data, or in a stream with a single
        picture."""
        if not body.startswith(b"\xff\xd8"):
            kind = response.content_type[:60]
            found = Splitter(self._max_bytes).feed(body)
            if not found:
                raise CameraFault(
                    "not-a-jpeg", f"it answers {kind!r}, {len(body)} bytes, not a JPEG"
                )
            body = found[0]
        return body

    async def _stream(self, want: Callable[[], str]) -> AsyncGenerator[bytes, None]:
        now = asyncio.get_running_loop().time
        async with self._answer() as response:
            check_type(response.headers.get("Content-Type", ""))
            splitter = Splitter(self._max_bytes)
            due = now() + self._limit_s  # for the next whole picture; bytes alone don't count
            while True:
                async with asyncio.timeout_at(due):
                    chunk = await response.content.read(_CHUNK)
                if not chunk:
                    raise CameraFault("cut-off", "the camera ended the stream")
                found = splitter.feed(chunk)
                self._count(splitter)
                if found:
                    due = now() + self._limit_s
                    if want() == "picture":
                        yield found[-1]
                        due = now() + self._limit_s
                if want() == "end":
                    return

    def _count(self, splitter: Splitter) -> None:
        """Count pictures that are skipped because they are endless or no JPEG. Many in a row end in
        the time limit."""
        if splitter.damaged:
            PULL_FAILURES.labels(self._camera.camera_id, "truncated").inc(splitter.damaged)
            splitter.damaged = 0

    @asynccontextmanager
    async def _answer(self) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Yield the start of an answer with status 200, within the time limit. Raises
        CameraFault."""
        async with self._http.answer(self._camera.secret_url) as response:
            if response.status != 200:
                has_login = self._camera.credential is not None
                raise status_fault("HTTP", response.status, has_login=has_login)
            yield response
