"""The polled cameras, accessed through ingest, because only ingest connects to cameras and only
ingest can read their logins. Nothing of a request is logged here."""

from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
import msgspec

from parking.core.errors import UNREADABLE, Retryable
from parking.core.topics import HTTP_CAMERAS
from parking.wire.bodies import TooLarge
from parking.wire.camera_sources import (
    AskedCamera,
    CameraSource,
    FoundCamera,
    NewSource,
    StreamProfile,
)
from services.notifier.asking import ask
from services.notifier.refusals import Elsewhere
from services.notifier.settings import LiveSource
from services.notifier.views import Accepted

T = TypeVar("T")

ANSWER_LIMIT_S: Final = 60.0  # ingest stops trying a camera earlier
CONNECT_LIMIT_S: Final = 5.0
_JSON_MAX_BYTES: Final = 2_000_000
_JSON: Final = "application/json"
_encode: Final = msgspec.json.encode


class _Words(msgspec.Struct):
    error: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PolledCameras:
    """Ingest's routes for cameras. Each method raises Elsewhere, Retryable."""

    ingest: LiveSource

    async def sources(self, site_id: str) -> list[CameraSource]:
        """Return a site's polled cameras."""
        body = await self._ask("GET", site_id)
        return _read(body, list[CameraSource])

    async def put(self, camera_id: str, source: NewSource) -> CameraSource:
        """Add a camera, or replace a version of it."""
        return _read(await self._ask("PUT", camera_id, _encode(source)), CameraSource)

    async def attempt(self, camera_id: str, source: NewSource) -> bytes:
        """Return a picture, as JPEG, of a camera that is not stored."""
        return await self._ask("POST", f"{camera_id}/try", _encode(source))

    async def find(self, site_id: str) -> list[FoundCamera]:
        """Return the ONVIF cameras that answer ingest."""
        return _read(await self._ask("POST", f"{site_id}/find"), list[FoundCamera])

    async def profiles(self, site_id: str, asked: AskedCamera) -> list[StreamProfile]:
        """Return the streams of one such camera."""
        body = await self._ask("POST", f"{site_id}/profiles", _encode(asked))
        return _read(body, list[StreamProfile])

    async def upload(self, camera_id: str, jpeg: bytes) -> Accepted:
        """Make a picture a frame of the camera. Ingest checks the picture."""
        return _read(await self._ask("POST", f"{camera_id}/picture", jpeg, "image/jpeg"), Accepted)

    async def remove(self, camera_id: str) -> None:
        """Stop polling a camera."""
        await self._ask("DELETE", camera_id)

    async def _ask(
        self, method: str, path: str, sent: bytes | None = None, media_type: str = _JSON
    ) -> bytes:
        headers = {"Authorization": f"Bearer {self.ingest.key}", "Content-Type": media_type}
        limit_bytes = max(_JSON_MAX_BYTES, self.ingest.picture_max_bytes)
        timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S, sock_connect=CONNECT_LIMIT_S)
        try:
            status, body = await ask(
                method,
                f"{self.ingest.url}{HTTP_CAMERAS}/{path}",
                sent=sent,
                headers=headers,
                limits=timeout,
                limit_bytes=limit_bytes,
            )
        except TooLarge:
            raise Retryable("ingest's answer is too large", "no-ingest") from None
        except (TimeoutError, aiohttp.ClientError) as error:
            detail = f"ingest, which polls the cameras, does not answer ({type(error).__name__})"
            raise Retryable(f"{detail}: try again soon", "no-ingest") from None
        if status >= 300:
            raise _refusal(status, body)
        return body


def _read(body: bytes, of: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=of)
    except UNREADABLE:
        raise Retryable("ingest sent an unknown response", "no-ingest") from None


def _refusal(status: int, body: bytes) -> Elsewhere:
    if status in (401, 403):
        detail = (
            "ingest refuses LIVE_KEY: it must be a key of the scopes live and cameras"
            " (`parking keys add notifier live cameras`)"
        )
        return Elsewhere(503, "no-right-at-ingest", detail)
    try:
        words = msgspec.json.decode(body, type=_Words)
    except UNREADABLE:
        return Elsewhere(503, "no-ingest", f"ingest responded with status {status}")
    if words.error == "not-found":  # the answer of an older ingest
        return Elsewhere(503, "no-ingest", "this ingest cannot add cameras: update it")
    return Elsewhere(status, words.error, words.detail)
