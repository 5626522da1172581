"""Turn pictures and device reports into events. Pure: no I/O, no clock."""

import hashlib
from dataclasses import dataclass
from typing import Final

from parking.core.events import TIME_END_MS, DeviceReported, FrameReceived, TimeSource, Via
from parking.core.orientation import UPRIGHT
from parking.core.topics import DEVICE_EVENTS, DeviceTopic, site_of
from parking.wire import codec
from parking.wire.ports import Outgoing
from services.ingest.jpeg import inspect
from services.ingest.messages import Context, Limits

SOURCE: Final = "ingest"
ID_HEX: Final = 32
SLOW_CLOCK: Final = "slow-clock"


@dataclass(frozen=True, slots=True)
class Time:
    """An event's time, the source of that time, and, where it is not the device's time, the
    reason."""

    time_ms: int
    source: TimeSource
    reason: str | None = None


def reported(event: DeviceReported) -> Outgoing:
    """Return a device report as a record."""
    return codec.outgoing(event, DEVICE_EVENTS, event.site_id, SOURCE)


def choose_time(
    captured_at_ms: int | None, received_at_ms: int, limits: Limits, back_ms: int | None = None
) -> Time:
    """Use the device's time if it is close enough to the time of receipt, otherwise the time of
    receipt, with the reason. `back_ms` replaces the usual limit into the past."""
    if not captured_at_ms:  # a device without a clock sends 0
        return Time(received_at_ms, "receipt", "no-clock")
    if captured_at_ms < received_at_ms - (limits.clock_back_ms if back_ms is None else back_ms):
        return Time(received_at_ms, "receipt", "too-old")
    if captured_at_ms > received_at_ms + limits.clock_ahead_ms:
        return Time(received_at_ms, "receipt", "too-new")
    return Time(captured_at_ms, "device")


def accept_frame(
    device: DeviceTopic,
    payload: bytes,
    via: Via,
    received_at_ms: int,
    context: Context,
    name: str | None = None,
) -> tuple[FrameReceived, Outgoing]:
    """Turn a picture that was checked, stripped and turned upright into an event and a record.
    `name` is the part of its id after the camera's id; if None, the picture's numbers or its hash
    are used. Raises Invalid (see jpeg.inspect)."""
    limits = context.limits
    turn = context.turns.get(device.device_id, UPRIGHT)
    picture = inspect(payload, limits.frame_max_bytes, limits.frame_max_pixels, turn)
    time = choose_time(device.captured_at_ms, received_at_ms, limits)
    lag_ms = received_at_ms - time.time_ms
    if time.source == "device" and context.clocks.slow(device.device_id, lag_ms):
        time = Time(received_at_ms, "receipt", SLOW_CLOCK)
    if name is not None:
        frame_id = f"{device.device_id}/{name}"
    elif device.boot_id is None:
        frame_id = f"{device.device_id}/{hashlib.sha256(payload).hexdigest()[:ID_HEX]}"
    else:
        frame_id = f"{device.device_id}/{device.boot_id}/{device.seq}"
    event = FrameReceived(
        id=frame_id,
        site_id=device.site_id,
        time_ms=time.time_ms,
        camera_id=device.device_id,
        via=via,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=hashlib.sha256(picture.data).hexdigest(),
        received_at_ms=received_at_ms,
        time_source=time.source,
        time_reason=time.reason,
        captured_at_ms=_device_time(device.captured_at_ms),
        recorded_at_ms=picture.recorded_at_ms,
        boot_id=device.boot_id,
        seq=device.seq,
    )
    return event, codec.outgoing_frame(event, picture.data, SOURCE)


def _device_time(captured_at_ms: int | None) -> int | None:
    """Return the device's time, or None if it is no real time: a device without a clock sends 0,
    and one that counts microseconds sends an impossible time."""
    return captured_at_ms if captured_at_ms and captured_at_ms < TIME_END_MS else None


def frozen(event: FrameReceived) -> Outgoing:
    """Report that the camera sent the picture of `event` again. It is not a new frame; the camera
    is alive, or its picture is frozen."""
    return reported(
        DeviceReported(
            id=f"{event.camera_id}/frozen/{event.sha256[:ID_HEX]}",
            site_id=event.site_id,
            time_ms=event.received_at_ms,
            device_id=event.camera_id,
            kind="heartbeat",
            reason="frozen",
        )
    )


def once_a_minute(device_id: str, reason: str, now_ms: int) -> Outgoing:
    """Report what is happening at a device, at most once a minute (the event's id contains the
    minute): `replay` (somebody other than the broker sent a frame a second time) or `rate` (the
    device exceeded its share)."""
    return reported(
        DeviceReported(
            id=f"{device_id}/{reason}/{now_ms // 60_000}",
            site_id=site_of(device_id),
            time_ms=now_ms,
            device_id=device_id,
            kind="heartbeat",
            reason=reason,
        )
    )
