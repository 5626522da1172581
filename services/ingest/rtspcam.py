"""RTSP cameras: key pictures of a stream, each decoded only when one is wanted.

All waiting for the network happens here, within bounds; the decoder gets whole pictures only, so a
stream that hangs cannot hang it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from parking.errors import Invalid
from parking.metrics import PULL_FAILURES
from parking.networks import Networks
from services.ingest.camerafile import Camera
from services.ingest.decoder import UNDECODABLE, Decoder
from services.ingest.faults import CameraFault, fault_of
from services.ingest.rtp import KeyPictures
from services.ingest.rtsp import Resolve, Session, connect, numeric

MAX_KEY_BYTES: Final = 8_000_000
# Cameras send a key picture every few seconds, some every ten or more.
_KEY_LIMITS: Final = 3
_DAMAGED_MOST: Final = 3


class RtspCamera:
    """puller.Source of one RTSP camera; the decoder is shared."""

    def __init__(
        self,
        camera: Camera,
        networks: Networks,
        decoder: Decoder,
        limit_s: float,
        resolve: Resolve = numeric,
    ) -> None:
        self._camera = camera
        self._networks = networks
        self._decoder = decoder
        self._limit_s = limit_s
        self._resolve = resolve

    async def pictures(self, want: Callable[[], str]) -> AsyncGenerator[bytes, None]:
        """See puller.Source. A key picture that cannot be decoded, or lacks parts, is passed over;
        `_DAMAGED_MOST` of them in a row are a fault."""
        damaged = 0
        try:
            async with self._session() as session:
                async with asyncio.timeout(self._limit_s):
                    keys = KeyPictures(await session.play(), MAX_KEY_BYTES)
                while want() != "end":
                    picture = await self._key_picture(session, keys)
                    if want() != "picture":
                        continue
                    try:
                        jpeg = await self._decoder.jpeg(picture)
                    except CameraFault as fault:
                        damaged += 1
                        if fault.reason != UNDECODABLE or damaged >= _DAMAGED_MOST:
                            raise
                        PULL_FAILURES.labels(self._camera.camera_id, fault.reason).inc()
                        continue
                    damaged = 0
                    yield jpeg
        except Invalid as error:
            raise CameraFault(error.reason, error.detail) from None
        except (OSError, EOFError, asyncio.IncompleteReadError) as error:
            raise fault_of(error) from None

    async def _key_picture(self, session: Session, keys: KeyPictures) -> bytes:
        now = asyncio.get_running_loop().time
        until_s = now() + self._limit_s * _KEY_LIMITS
        while now() < until_s:
            async with asyncio.timeout(self._limit_s):
                packet = await session.packet()
            picture = keys.feed(packet)
            if picture is not None:
                return picture
        raise CameraFault(
            "no-key-picture",
            f"none in {self._limit_s * _KEY_LIMITS:.0f} s: set the camera's I-frame interval lower",
        )

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Session, None]:
        async with asyncio.timeout(self._limit_s):
            reader, writer = await connect(self._camera, self._networks, self._resolve)
        session = Session(self._camera, reader, writer)
        try:
            yield session
        finally:
            session.close()
