"""A picture as an event, and what is reported of a device. Pure: no I/O, no clock."""

import hashlib
from dataclasses import dataclass
from typing import Final

from parking import codec
from parking.events import TIME_END_MS, DeviceReported, FrameReceived, TimeSource, Via
from parking.ports import Outgoing
from parking.topics import DEVICE_EVENTS, DeviceTopic
from services.ingest.jpeg import inspect
from services.ingest.messages import Context, Limits

SOURCE: Final = "ingest"
ID_HEX: Final = 32
SLOW_CLOCK: Final = "slow-clock"


@dataclass(frozen=True, slots=True)
class Time:
    """An event's one time, where it is from, and why it is not the device's."""

    time_ms: int
    source: TimeSource
    reason: str | None = None


def reported(event: DeviceReported) -> Outgoing:
    """A report as a record."""
    return codec.outgoing(event, DEVICE_EVENTS, event.site_id, SOURCE)


def choose_time(
    captured_at_ms: int | None, received_at_ms: int, limits: Limits, back_ms: int | None = None
) -> Time:
    """The device's time where it lies within the bounds of receipt (`back_ms`: instead of the usual
    one), otherwise receipt, and why."""
    if not captured_at_ms:  # a device without a clock sends 0
        return Time(received_at_ms, "receipt", "no-clock")
    if captured_at_ms < received_at_ms - (limits.clock_back_ms if back_ms is None else back_ms):
        return Time(received_at_ms, "receipt", "too-old")
    if captured_at_ms > received_at_ms + limits.clock_ahead_ms:
        return Time(received_at_ms, "receipt", "too-new")
    return Time(captured_at_ms, "device")


def accept_frame(
    device: DeviceTopic, payload: bytes, via: Via, received_at_ms: int, context: Context
) -> tuple[FrameReceived, Outgoing]:
    """A checked and stripped picture as event and record. Raises Invalid (see jpeg.inspect)."""
    limits = context.limits
    picture = inspect(payload, limits.frame_max_bytes, limits.frame_max_pixels)
    time = choose_time(device.captured_at_ms, received_at_ms, limits)
    lag_ms = received_at_ms - time.time_ms
    if time.source == "device" and context.clocks.slow(device.device_id, lag_ms):
        time = Time(received_at_ms, "receipt", SLOW_CLOCK)
    if device.boot_id is None:
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
        captured_at_ms=_told(device.captured_at_ms),
        recorded_at_ms=picture.recorded_at_ms,
        boot_id=device.boot_id,
        seq=device.seq,
    )
    return event, codec.outgoing_frame(event, picture.data, SOURCE)


def _told(captured_at_ms: int | None) -> int | None:
    """A device without a clock tells 0; one that counts microseconds, what is no time at all."""
    return captured_at_ms if captured_at_ms and captured_at_ms < TIME_END_MS else None


def frozen(event: FrameReceived) -> Outgoing:
    """The camera sent the picture of `event` again: no new frame, but it is alive, or frozen."""
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


def replayed(device: DeviceTopic, now_ms: int) -> Outgoing:
    """Somebody sent a frame a second time that was no repeat of the broker's: one report a minute
    and device, by its id."""
    return reported(
        DeviceReported(
            id=f"{device.device_id}/replay/{now_ms // 60_000}",
            site_id=device.site_id,
            time_ms=now_ms,
            device_id=device.device_id,
            kind="heartbeat",
            reason="replay",
        )
    )
