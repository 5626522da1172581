"""Pictures that people upload on the page, to try the system without a camera: `POST
/ingest/v1/cameras/{site}/{camera}/picture`. Needs a key of scope `cameras` (the notifier's).

Each upload is a separate frame, even of the same picture, and counts as taken when it arrived.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from parking.access.bearer import Bearer
from parking.core.errors import Invalid, Retryable
from parking.core.events import FrameReceived
from parking.core.ids import UPLOAD
from parking.core.topics import HTTP_CAMERAS, DeviceTopic, site_of
from parking.wire.ports import Clock, Producer
from services.ingest.counting import count
from services.ingest.door import Denied, read_jpeg, require_key
from services.ingest.frames import accept_frame
from services.ingest.messages import Context, Handled, Limits
from services.ingest.replay import Known

AT_ONCE: Final = 4
_STATUS: Final = {"too-large": 413, "bad-camera-id": 404, "slow-body": 408, "empty": 400}
_HASH_HEX: Final = 8


@dataclass(frozen=True, slots=True)
class Uploads:
    """What the route needs. `room` is how many pictures are handled at a time."""

    producer: Producer
    limits: Limits
    clock: Clock
    known: Known
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def take(self, camera_id: str, jpeg: bytes) -> FrameReceived:
        """Write the picture to Kafka as a frame of the camera. Raises Invalid (jpeg.inspect) and
        Retryable."""
        now_ms = self.clock.now_ms()
        device = DeviceTopic(site_of(camera_id), camera_id, "frame")
        context = Context(self.limits, turns=self.known.turns)
        name = f"{UPLOAD}/{now_ms}-{hashlib.sha256(jpeg).hexdigest()[:_HASH_HEX]}"
        event, record = accept_frame(device, jpeg, "api", now_ms, context, name)
        await self.producer.send([record])
        count(Handled("frame", via="api"))
        return event


def upload_routes(bearer: Bearer, uploads: Uploads) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post(HTTP_CAMERAS + "/{site}/{camera}/picture", status_code=202)
    async def upload_picture(request: Request, site: str, camera: str) -> Response:
        require_key(bearer, request, "cameras")
        if uploads.room.locked():
            raise Denied(503, "busy", "other pictures are being uploaded: try again soon")
        try:
            async with uploads.room:
                jpeg = await read_jpeg(request, uploads.limits.frame_max_bytes)
                event = await uploads.take(f"{site}/{camera}", jpeg)
        except Invalid as error:
            status = _STATUS.get(error.reason, 422)
            raise Denied(status, error.reason, error.detail) from error
        except Retryable as error:
            raise Denied(503, "kafka-away", str(error)) from error
        return Response(msgspec.json.encode({"id": event.id}), 202, media_type="application/json")

    return router
