"""What becomes of what a pulled camera gave, or did not give: pure decisions, no I/O, no clock.

A fetched picture is a plain frame (its id is the camera and the picture's sha256) and goes the way
of all frames. Whether a camera can be reached is told as a device tells it by its last will.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from parking.errors import Invalid
from parking.events import DeviceReported, Via
from parking.topics import PULLED, DeviceTopic, site_of
from services.ingest.frames import accept_frame, frozen, reported
from services.ingest.handler import dead_letter, refused_of
from services.ingest.messages import Context, Handled, Message

Kind = Literal["snapshot", "mjpeg", "rtsp"]
VIA: Final[Mapping[Kind, Via]] = {"snapshot": "snapshot", "mjpeg": "mjpeg", "rtsp": "rtsp"}
_TEXT_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Reached(Message):
    """A camera began, or ceased, to give pictures. `cause` makes the id: the puller's start and a
    number within it."""

    online: bool = False
    reason: str = ""
    cause: str = ""


def reached(camera_id: str, reason: str | None, cause: str, now_ms: int) -> Reached:
    """The news of a camera: online, or offline with the `reason`."""
    online = reason is None
    topic = f"{PULLED}/{camera_id}"
    return Reached(topic, b"", now_ms, via="pull", online=online, reason=reason or "", cause=cause)


def fetched(camera_id: str, kind: Kind, jpeg: bytes, received_at_ms: int) -> Message:
    """A picture as the lane takes it."""
    return Message(f"{PULLED}/{camera_id}", jpeg, received_at_ms, via=VIA[kind])


def handle_pulled(message: Message, context: Context) -> Handled:
    """Decide on a picture or on news. Never raises for its content."""
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


def _reached(camera_id: str, told: Reached) -> Handled:
    kind: Literal["online", "offline"] = "online" if told.online else "offline"
    event = DeviceReported(
        id=f"{camera_id}/pull/{told.cause}/{kind}",
        site_id=site_of(camera_id),
        time_ms=told.received_at_ms,
        device_id=camera_id,
        kind=kind,
        reason=told.reason[:_TEXT_CHARS] or None,
    )
    return Handled("device", (reported(event),))
