"""Decide on the result of a poll, a picture or a failure: pure decisions, no I/O, no clock.

A polled picture is a plain frame (its id is the camera and the picture's sha256) and is handled
like every other frame. Whether a camera is reachable is reported in the same way as a device does
it with its last will.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from parking.core.errors import Invalid
from parking.core.events import DeviceReported, Via
from parking.core.orientation import Orientation
from parking.core.topics import PULLED, DeviceTopic, site_of
from services.ingest.frames import accept_frame, frozen, reported
from services.ingest.handler import dead_letter, refused_of
from services.ingest.jpeg import inspect
from services.ingest.messages import Context, Handled, Limits, Message
from services.ingest.pull.faults import CameraFault

Kind = Literal["snapshot", "mjpeg", "rtsp", "device"]
"""`device`: the camera publishes by itself and is not polled; the cameras file only turns its
pictures."""
VIA: Final[Mapping[str, Via]] = {"snapshot": "snapshot", "mjpeg": "mjpeg", "rtsp": "rtsp"}
_TEXT_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Reached(Message):
    """A polled camera became reachable or unreachable. The id is made from `cause`: the puller's
    start, and a number counted from then."""

    online: bool = False
    reason: str = ""
    cause: str = ""


def reached(camera_id: str, reason: str | None, cause: str, now_ms: int) -> Reached:
    """Return the camera's report: online, or offline with the `reason`."""
    online = reason is None
    topic = f"{PULLED}/{camera_id}"
    return Reached(topic, b"", now_ms, via="pull", online=online, reason=reason or "", cause=cause)


def fetched(camera_id: str, kind: Kind, jpeg: bytes, received_at_ms: int) -> Message:
    """Return a picture as a message for the lane."""
    return Message(f"{PULLED}/{camera_id}", jpeg, received_at_ms, via=VIA[kind])


def checked(jpeg: bytes, limits: Limits, turn: Orientation) -> bytes:
    """Return a picture for viewers: whole, upright, and without the rest of its EXIF. Raises
    CameraFault."""
    try:
        return inspect(jpeg, limits.frame_max_bytes, limits.frame_max_pixels, turn).data
    except Invalid as error:
        raise CameraFault(error.reason, error.detail) from error


def handle_pulled(message: Message, context: Context) -> Handled:
    """Decide on a picture or a report. Never raises because of its content."""
    camera_id = message.topic.removeprefix(f"{PULLED}/")
    if isinstance(message, Reached):
        return _reached(camera_id, message)
    device = DeviceTopic(site_of(camera_id), camera_id, "frame")
    now_ms, limits = message.received_at_ms, context.limits
    try:
        event, record = accept_frame(device, message.payload, message.via, now_ms, context)
    except Invalid as error:
        key = camera_id.encode()
        letter = dead_letter(message.topic, key, message.payload, error, now_ms, limits)
        group = refused_of(camera_id)
        return Handled("refused", (letter,), frame_of=group, reason=error.reason)
    if context.last_pictures.get(camera_id) == event.sha256:
        return Handled("repeated", (frozen(event),), via=message.via)
    return Handled("frame", (record,), frame_of=camera_id, picture=event.sha256, via=message.via)


def _reached(camera_id: str, news: Reached) -> Handled:
    kind: Literal["online", "offline"] = "online" if news.online else "offline"
    event = DeviceReported(
        id=f"{camera_id}/pull/{news.cause}/{kind}",
        site_id=site_of(camera_id),
        time_ms=news.received_at_ms,
        device_id=camera_id,
        kind=kind,
        reason=news.reason[:_TEXT_CHARS] or None,
    )
    return Handled("device", (reported(event),))
