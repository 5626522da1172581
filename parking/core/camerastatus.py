"""What is reported about a camera: its status with the reason, how often it is analysed, and the
age of its evidence. Pure."""

from typing import Final, Literal

from msgspec.structs import replace

from parking.core.events import CameraStatusChanged, Event
from parking.core.site import Camera, Device, Moment, Site, output_id, silence_limit_ms

# An unchanged status is reported again with the latest frame, because readers derive the age of
# what they show from it. It is reported at this interval, or at the camera's own interval if that
# is longer.
REFRESH_MS: Final = 2_000

PARTLY_BLURRED: Final = "partly-blurred"

Status = Literal["online", "degraded", "offline", "no-layout"]


def condition(site: Site, camera_id: str) -> tuple[Status, str]:
    """A camera's status and the reason; its evidence counts while `is_believed`."""
    camera = site.cameras[camera_id]
    device = site.devices.get(camera_id, Device())
    if camera.layout_version and not camera.slot_ids:
        return "no-layout", "out-of-service"
    if device.offline_since_ms is not None:
        return "offline", device.offline_reason or "offline"
    if camera.last_frame_at_ms is None:
        return "offline", "no-frame"
    if camera.silent:
        return _missing(site, camera)
    if not camera.layout_version:
        return "no-layout", "no-layout"
    if camera.health not in (None, "ok"):
        return "degraded", str(camera.health)
    if camera.blurred_frames >= site.parameters.exit_observations:
        return "degraded", PARTLY_BLURRED
    return "online", "ok"


def is_believed(status: Status, reason: str) -> bool:
    """Whether a camera's evidence counts. It gives none for slots behind a blurred part."""
    return status == "online" or reason == PARTLY_BLURRED


def _missing(site: Site, camera: Camera) -> tuple[Status, str]:
    """Why there is no fresh frame. Either none arrived, or all were already older than the silence
    limit, which means a wrong clock because no detector is that slow while newer frames wait."""
    limit_ms = silence_limit_ms(site, camera)
    if camera.late_at_ms is not None and site.tick_ms - camera.late_at_ms <= limit_ms:
        return "degraded", "late"
    return "offline", "silent"


def refresh_ms(camera: Camera) -> int:
    """How often the status is reported while it stays the same and frames come."""
    return max(REFRESH_MS, camera.interval_ms)


def report(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    """Report the camera's status with the next version."""
    status, reason = condition(site, camera_id)
    event = status_event(site, camera_id, moment, (status, reason))
    camera = replace(
        site.cameras[camera_id],
        status=status,
        reason=reason,
        since_ms=event.since_ms,
        version=event.version,
        reported_at_ms=moment.time_ms,
    )
    return with_camera(site, camera_id, camera), [event]


def status_event(
    site: Site, camera_id: str, moment: Moment, condition: tuple[Status, str]
) -> CameraStatusChanged:
    """The status event of a camera in this condition, with the next version."""
    camera, (status, reason) = site.cameras[camera_id], condition
    same = (status, reason) == (camera.status, camera.reason)
    return CameraStatusChanged(
        id=output_id(site, moment, camera_id, status),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        camera_id=camera_id,
        status=status,
        reason=reason,
        health=camera.health,
        version=camera.version + 1,
        last_frame_at_ms=camera.last_frame_at_ms,
        frame_ref=camera.frame_ref,
        interval_ms=camera.interval_ms if camera.layout_version else None,
        layout_version=camera.layout_version,
        analysed_every_ms=camera.analysed_every_ms,
        load_level=camera.load_level,
        evidence_at_ms=_older_evidence(site, camera_id) if is_believed(status, reason) else {},
        blurred=camera.blurred if reason == PARTLY_BLURRED else [],
        since_ms=camera.since_ms if same else moment.time_ms,
    )


def _older_evidence(site: Site, camera_id: str) -> dict[str, int]:
    """The time of the evidence for each slot for which this camera's last frame provides none. It
    is 0 for a slot without evidence."""
    camera = site.cameras[camera_id]
    last_ms = camera.last_frame_at_ms or 0
    times = {}
    for slot_id in camera.slot_ids:
        slot = site.slots.get(slot_id)  # None while its layout is being adopted
        sight = slot.sights.get(camera_id) if slot else None
        times[slot_id] = sight.time_ms if sight else 0
    return {slot_id: time_ms for slot_id, time_ms in times.items() if time_ms < last_ms}


def with_camera(site: Site, camera_id: str, camera: Camera) -> Site:
    """The site with this camera."""
    return replace(site, cameras=site.cameras | {camera_id: camera})
