"""RTSP cameras: the key pictures of a stream, decoded only when a picture is wanted.

    camera <-- checked connection --> relay.py, passage.py <-- 127.0.0.1 --> FFmpeg in video.py

All waiting happens here, with time limits, so a stream that hangs cannot hang a decoder.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import quote, urlsplit

from parking.runtime.metrics import PULL_FAILURES
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.faults import CameraFault, fault_of, status_fault
from services.ingest.pull.guarded import Resolve, connect, numeric
from services.ingest.pull.networks import Networks
from services.ingest.pull.passage import Passage
from services.ingest.pull.relay import Relay, finish
from services.ingest.pull.streams import UNDECODABLE, Stream, Streams

MAX_KEY_GAP_BYTES: Final = 64_000_000
# Cameras send a key picture every few seconds, some only every ten seconds or more.
_KEY_LIMITS: Final = 3
_DAMAGED_MOST: Final = 3
_DECODE_LIMIT_S: Final = 15.0  # so that a busy machine does not look like a hanging decoder
_LEAVE_LIMIT_S: Final = 1.0
_MAX_LOGIN_CHARS: Final = 127  # FFmpeg's limit
_ENDS: Final = {
    "EOFError": ("cut-off", "the camera ended the connection"),
    "IndexError": ("no-video", "it offers no video"),
}


class RtspCamera:
    """The puller.Source of one RTSP camera; all cameras share the readers."""

    def __init__(
        self,
        camera: Camera,
        networks: Networks,
        streams: Streams,
        limit_s: float,
        resolve: Resolve = numeric,
    ) -> None:
        self._camera = camera
        self._networks = networks
        self._streams = streams
        self._limit_s = limit_s
        self._resolve = resolve

    async def pictures(self, want: Callable[[], str]) -> AsyncGenerator[bytes, None]:
        """See puller.Source. A key picture that cannot be decoded completely is skipped.
        `_DAMAGED_MOST` of them in a row are a fault."""
        damaged = 0
        passage = Passage(has_login=self._camera.credential is not None)
        try:
            async with self._opened(passage) as (stream, relay):
                while want() != "end":
                    await self._key(stream, relay)
                    if want() != "picture":
                        continue
                    try:
                        jpeg = await stream.jpeg(_DECODE_LIMIT_S)
                    except CameraFault as fault:
                        damaged += 1
                        if fault.reason != UNDECODABLE or damaged >= _DAMAGED_MOST:
                            raise
                        PULL_FAILURES.labels(self._camera.camera_id, fault.reason).inc()
                        continue
                    damaged = 0
                    yield jpeg
        except EOFError as error:
            raise self._end_fault(passage.status, str(error)) from None
        except (OSError, ValueError) as error:
            raise fault_of(error) from None

    async def _key(self, stream: Stream, relay: Relay) -> None:
        limit_s = self._limit_s * _KEY_LIMITS
        try:
            async with asyncio.timeout(limit_s):
                await stream.key()
        except TimeoutError:
            detail = f"none in {limit_s:.0f} s: set the camera's I-frame interval lower"
            raise CameraFault("no-key-picture", detail) from None
        relay.unkeyed = 0

    @asynccontextmanager
    async def _opened(self, passage: Passage) -> AsyncGenerator[tuple[Stream, Relay], None]:
        async with asyncio.timeout(self._limit_s):
            connection = await connect(self._camera, self._networks, self._resolve)
        relay = Relay(connection, passage, self._limit_s, MAX_KEY_GAP_BYTES)
        try:
            stream = await self._streams.open(self._camera.camera_id, self._url(relay.port))
        except BaseException:
            relay.close()
            raise
        relaying = asyncio.create_task(relay.run(stream))
        try:
            yield stream, relay
        finally:
            stream.close()
            try:
                await finish(relaying, _LEAVE_LIMIT_S)
            finally:  # also when a camera is removed while its connection ends
                relaying.cancel()
                relay.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_LIMIT_S):
                    await stream.ended.wait()
            if not stream.ended.is_set():
                stream.hang()

    def _url(self, port: int) -> str:
        login = self._camera.credential
        user = ""
        if login is not None:
            user = f"{quote(login.username, safe='')}:{quote(login.password, safe='')}"
            if len(user) > _MAX_LOGIN_CHARS:
                raise CameraFault(
                    "login-too-long",
                    f"FFmpeg supports logins of {_MAX_LOGIN_CHARS} characters, special ones"
                    " count as three or more: give the camera a shorter one",
                )
            user += "@"
        parts = urlsplit(self._camera.secret_url)
        return parts._replace(scheme="rtsp", netloc=f"{user}127.0.0.1:{port}").geturl()

    def _end_fault(self, status: int, reason: str) -> CameraFault:
        if status:
            return status_fault("RTSP", status, has_login=self._camera.credential is not None)
        unreadable = ("bad-answer", f"FFmpeg cannot read its stream ({reason})")
        return CameraFault(*_ENDS.get(reason, unreadable))
