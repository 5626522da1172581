"""When a camera can be believed: frames, health, connection and silence. Pure."""

import re
from collections.abc import Sequence
from typing import Final, Literal

from msgspec.structs import replace

from parking.events import (
    CameraStatusChanged,
    DetectionMade,
    DeviceReported,
    Event,
    FrameRef,
    ImageHealth,
)
from parking.site import Camera, Device, Moment, Site, output_id, silence_limit_ms
from parking.slots import decide, see, withdraw

# An unchanged status is told again with the latest frame, at most this often.
REFRESH_MS: Final = 10_000
# How far back a frame that ingest wrote twice is known again: twice what all cameras together have
# between MQTT and Kafka at once (ingest's HANDOVER_FRAMES, unless set higher).
FRAME_MEMORY: Final = 64

# For so long, or its silence limit, after its last late frame a camera is called late, not silent.
_LATE_MS: Final = 30_000

_SLUG: Final = re.compile(r"([a-z][a-z-]{1,39}): ")
Status = Literal["online", "degraded", "offline", "no-layout"]


def condition(site: Site, camera_id: str) -> tuple[Status, str]:
    """A camera's status and the reason; its evidence counts only while it is online."""
    camera = site.cameras[camera_id]
    device = site.devices.get(camera_id, Device())
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
    return "online", "ok"


def _missing(site: Site, camera: Camera) -> tuple[Status, str]:
    """Why there is no fresh frame: none came, or those that came were too old already."""
    late_ms = max(_LATE_MS, silence_limit_ms(site, camera))
    if camera.late_at_ms is not None and site.tick_ms - camera.late_at_ms <= late_ms:
        return "degraded", "late"
    return "offline", "silent"


def on_detection(site: Site, made: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    """One frame's evidence, unless it is not newer than its camera's last applied one (by its place
    in the log, or as the device counts), or was applied from another place in the log: ingest
    writes a frame again whose acknowledgement it, or the broker, did not see."""
    camera = site.cameras.get(made.camera_id, Camera())
    name = made.frame_ref.frame_id.removeprefix(f"{made.camera_id}/")
    if name in camera.frames or not _newer(made.frame_ref, camera.frame_ref):
        return site, []
    if _counted_before(name, camera.frames):
        return site, []
    site = _count_restart(site, camera, made, name)
    device = site.devices.get(made.camera_id, Device())
    moment = replace(moment, restarts=device.restarts)
    oldest_ms = site.tick_ms - silence_limit_ms(site, camera)
    fresh = made.time_ms >= oldest_ms
    last_ms = max(made.time_ms, camera.last_frame_at_ms or 0)
    camera = replace(
        _with_health(camera, made.health, site.parameters.exit_observations),
        frame_ref=made.frame_ref,
        frames=[*camera.frames, name][-FRAME_MEMORY:],
        last_frame_at_ms=last_ms,
        silent=last_ms < oldest_ms,
        late_at_ms=None if fresh else site.tick_ms,
    )
    site = _lift_offline(with_camera(site, made.camera_id, camera), made)
    site, outputs = settle(site, made.camera_id, moment)
    # Polygons of an older layout than the adopted one may name other ground by the same names.
    believed = made.health.status == "ok" and made.layout_version >= camera.layout_version
    if fresh and believed and condition(site, made.camera_id)[0] == "online":
        site, changes = _apply(site, made, moment)
        outputs += changes
    return site, outputs


def on_device(site: Site, told: DeviceReported, moment: Moment) -> tuple[Site, list[Event]]:
    """Online and offline (LWT, or ingest of a camera that it fetches, with the reason as `slug:
    words`). A report of an older connection than the one known is late."""
    if told.kind not in ("online", "offline"):
        return site, []
    device = site.devices.get(told.device_id, Device())
    ended = told.kind == "offline"
    place = device.place
    if told.boot_id is not None and told.connection is not None:
        place = (told.boot_id, told.connection, int(ended))
        if device.place is not None and place <= device.place:
            return site, []
    since = told.time_ms if ended else None
    known = _SLUG.match(told.reason or "") if ended else None
    device = replace(
        device, place=place, offline_since_ms=since, offline_reason=known[1] if known else None
    )
    site = replace(site, devices=site.devices | {told.device_id: device})
    if told.device_id not in site.cameras:
        return site, []
    return settle(site, told.device_id, moment)


def on_silence(site: Site, moment: Moment) -> tuple[Site, list[Event]]:
    """A tick was applied: cameras that sent nothing fresh for too long, and single slots that a
    camera has had nothing to say of for as long, lose their evidence."""
    outputs: list[Event] = []
    for camera_id, camera in site.cameras.items():
        limit_ms = silence_limit_ms(site, camera)
        last_ms = camera.last_frame_at_ms
        if last_ms is not None and not camera.silent and site.tick_ms - last_ms > limit_ms:
            site = with_camera(site, camera_id, replace(camera, silent=True))
        elif not camera.silent or camera.reason != "late":
            continue
        if condition(site, camera_id) != (camera.status, camera.reason):
            site, told = settle(site, camera_id, moment)
            outputs += told
    for slot_id, slot in site.slots.items():
        old = [
            camera_id
            for camera_id, sight in slot.sights.items()
            if site.tick_ms - sight.time_ms > silence_limit_ms(site, site.cameras[camera_id])
        ]
        if old:
            left = withdraw(slot, old)
            site, changes = decide(site, slot_id, left, moment, "no-evidence")
            outputs += changes
    return site, outputs


def settle(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    """After a camera changed: withdraw its evidence unless it is online, and report its status when
    that is another, or when a frame makes a refresh due."""
    status, reason = condition(site, camera_id)
    camera = site.cameras[camera_id]
    outputs: list[Event] = []
    # Either way: the last report may be of a clock that was ahead.
    due = moment.frame_ref is not None and abs(moment.time_ms - camera.reported_at_ms) >= REFRESH_MS
    if (status, reason) != (camera.status, camera.reason) or due:
        site, told = report(site, camera_id, moment)
        outputs += told
    if status != "online":
        for slot_id in camera.slot_ids:
            slot = site.slots[slot_id]
            left = withdraw(slot, (camera_id,))
            if left is not slot:
                site, changes = decide(site, slot_id, left, moment, reason)
                outputs += changes
    return site, outputs


def report(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    """The camera's status told, one version up."""
    status, reason = condition(site, camera_id)
    camera = replace(
        site.cameras[camera_id],
        status=status,
        reason=reason,
        version=site.cameras[camera_id].version + 1,
        reported_at_ms=moment.time_ms,
    )
    event = CameraStatusChanged(
        id=output_id(site, moment, camera_id, status),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        camera_id=camera_id,
        status=status,
        reason=reason,
        health=camera.health,
        version=camera.version,
        last_frame_at_ms=camera.last_frame_at_ms,
        frame_ref=camera.frame_ref,
        interval_ms=camera.interval_ms if camera.layout_version else None,
        layout_version=camera.layout_version,
    )
    return with_camera(site, camera_id, camera), [event]


def with_camera(site: Site, camera_id: str, camera: Camera) -> Site:
    """The site with this camera."""
    return replace(site, cameras=site.cameras | {camera_id: camera})


def _count_restart(site: Site, camera: Camera, made: DetectionMade, name: str) -> Site:
    """A new frame with a lower boot number than the last one's: the camera was flashed again, and
    gives its frames ids that it has given before."""
    last, own = _last_numbers(camera.frames), _numbers(name)
    later = made.time_ms > (camera.last_frame_at_ms or 0)
    if last is None or own is None or not later or own[0] >= last[0]:
        return site
    device = site.devices.get(made.camera_id, Device())
    device = replace(device, restarts=device.restarts + 1)
    return replace(site, devices=site.devices | {made.camera_id: device})


def _newer(frame: FrameRef, last: FrameRef | None) -> bool:
    """A camera's frames lie in one partition; another one means that the topic was made anew."""
    return last is None or frame.partition != last.partition or frame.offset > last.offset


def _counted_before(name: str, applied: Sequence[str]) -> bool:
    """Of the same boot, with a lower number: it came late, or somebody sends it again."""
    last, own = _last_numbers(applied), _numbers(name)
    return last is not None and own is not None and own[0] == last[0] and own[1] < last[1]


def _last_numbers(applied: Sequence[str]) -> tuple[int, int] | None:
    return _numbers(applied[-1]) if applied else None


def _numbers(name: str) -> tuple[int, int] | None:
    """Boot and sequence number, where the frame's name is made of them (its bytes' hash is not, and
    other producers may call it what they like)."""
    boot, _, seq = name.partition("/")
    return (int(boot), int(seq)) if boot.isdecimal() and seq.isdecimal() else None


def _with_health(camera: Camera, health: ImageHealth, patience: int) -> Camera:
    """One bad picture is no evidence; `patience` of them in a row make the camera unhealthy. The
    first good one makes it healthy again: its slots still want their own observations."""
    if health.status == "ok":
        return replace(camera, health="ok", unhealthy_frames=0)
    frames = camera.unhealthy_frames + 1
    believed = camera.health == "ok" and frames < patience
    return replace(
        camera, health="ok" if believed else health.status, unhealthy_frames=min(frames, patience)
    )


def _lift_offline(site: Site, made: DetectionMade) -> Site:
    """A frame taken after a device was told offline shows that it is back."""
    device = site.devices.get(made.camera_id)
    if device is None or device.offline_since_ms is None or made.time_ms <= device.offline_since_ms:
        return site
    back = replace(device, offline_since_ms=None)
    return replace(site, devices=site.devices | {made.camera_id: back})


def _apply(site: Site, made: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    outputs: list[Event] = []
    named = set(site.cameras[made.camera_id].slot_ids)
    for seen in made.observations:
        if seen.slot_id in named:
            slot = site.slots[seen.slot_id]
            now = see(slot, made.camera_id, seen, made.time_ms, site.parameters)
            if now is not slot:
                site, changes = decide(site, seen.slot_id, now, moment)
                outputs += changes
    return site, outputs
