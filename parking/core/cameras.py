"""Which camera reports count: frames, health, connection and silence. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from parking.core.camerastatus import condition, is_believed, refresh_ms, report, with_camera
from parking.core.events import (
    DetectionMade,
    DeviceReported,
    Event,
    ImageHealth,
)
from parking.core.site import Camera, Device, Moment, Site, camera_of, silence_limit_ms
from parking.core.slots import decide, see, withdraw
from parking.core.timekeeping import STEP_MS

# How many recent frame ids are remembered in order to recognise a frame that ingest wrote twice.
# This is twice the number of frames that all cameras together can have between MQTT and Kafka (the
# default of ingest's HANDOVER_FRAMES).
FRAME_MEMORY: Final = 64

# `analysed_every_ms` is a moving average in which the latest gap between two frames has weight 1/N.
_SMOOTHING: Final = 4

_SLUG: Final = re.compile(r"([a-z][a-z-]{1,39}): ")


def on_detection(site: Site, detection: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    """Apply one frame's evidence, even if the detector is late, as long as it is within the silence
    limit. A frame is ignored if it is not newer than its camera's last applied frame (by its place
    in the log or by the device's own numbers). It is also ignored if it was already applied from
    another place in the log, because ingest writes a frame again when it or the broker missed the
    acknowledgement."""
    camera = camera_of(site, detection.camera_id)
    name = detection.frame_ref.frame_id.removeprefix(f"{detection.camera_id}/")
    if name in camera.frames or not _newer(detection, name, camera):
        return site, []
    if _counted_before(name, camera.frames):
        return site, []
    site = _count_restart(site, camera, detection, name)
    device = site.devices.get(detection.camera_id, Device())
    moment = replace(moment, restarts=device.restarts)
    oldest_ms = site.tick_ms - silence_limit_ms(site, camera)
    fresh = detection.time_ms >= oldest_ms
    last_ms = max(detection.time_ms, camera.last_frame_at_ms or 0)
    camera = replace(
        _with_health(camera, detection.health, site.parameters.exit_observations),
        frame_ref=detection.frame_ref,
        frames=[*camera.frames, name][-FRAME_MEMORY:],
        last_frame_at_ms=last_ms,
        silent=last_ms < oldest_ms,
        late_at_ms=None if fresh else site.tick_ms,
        analysed_every_ms=_pace(site, camera, detection),
        judged_at_ms=camera.judged_at_ms if _deferred(detection) else last_ms,
        load_level=detection.effort.load_level if detection.effort else 0,
    )
    site = _lift_offline(with_camera(site, detection.camera_id, camera), detection)
    outputs: list[Event] = []
    if is_believed(*condition(site, detection.camera_id)):
        # A layout older than the adopted one may use the same slot ids for different spaces.
        believed = (
            detection.health.status == "ok" and detection.layout_version >= camera.layout_version
        )
        if fresh and believed:
            site, outputs = _apply(site, detection, moment)
        site, forgotten = _forget(site, detection, moment)
        outputs += forgotten
    site, changes = settle(site, detection.camera_id, moment)
    return site, outputs + changes


def on_device(site: Site, event: DeviceReported, moment: Moment) -> tuple[Site, list[Event]]:
    """Apply online and offline reports. They come from the LWT or, for a polled camera, from ingest
    with the reason as `slug: words`. A report about a connection older than the current one is
    ignored."""
    if event.kind not in ("online", "offline"):
        return site, []
    device = site.devices.get(event.device_id, Device())
    ended = event.kind == "offline"
    place = device.place
    if event.boot_id is not None and event.connection is not None:
        place = (event.boot_id, event.connection, int(ended))
        if device.place is not None and place <= device.place:
            return site, []
    since = event.time_ms if ended else None
    known = _SLUG.match(event.reason or "") if ended else None
    device = replace(
        device, place=place, offline_since_ms=since, offline_reason=known[1] if known else None
    )
    site = replace(site, devices=site.devices | {event.device_id: device})
    if event.device_id not in site.cameras:
        return site, []
    return settle(site, event.device_id, moment)


def on_silence(site: Site, moment: Moment) -> tuple[Site, list[Event]]:
    """After a tick: withdraw the evidence of cameras that sent no fresh frame for too long."""
    outputs: list[Event] = []
    for camera_id, camera in site.cameras.items():
        limit_ms = silence_limit_ms(site, camera)
        last_ms = camera.last_frame_at_ms
        if last_ms is not None and not camera.silent and site.tick_ms - last_ms > limit_ms:
            site = with_camera(site, camera_id, replace(camera, silent=True))
        elif not camera.silent or camera.reason != "late":
            continue
        if condition(site, camera_id) != (camera.status, camera.reason):
            site, changes = settle(site, camera_id, moment)
            outputs += changes
    return site, outputs


def settle(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    """Withdraw a changed camera's evidence unless the camera is online. Report its status if the
    status changed, or if a frame arrives and a refresh is due."""
    status, reason = condition(site, camera_id)
    camera = site.cameras[camera_id]
    outputs: list[Event] = []
    # Compare in both directions, because the clock of the last report may have been ahead. A frame
    # may be slightly early.
    passed_ms = abs(moment.time_ms - camera.reported_at_ms)
    due = moment.frame_ref is not None and 4 * passed_ms >= 3 * refresh_ms(camera)
    if (status, reason) != (camera.status, camera.reason) or due:
        site, changes = report(site, camera_id, moment)
        outputs += changes
    if not is_believed(status, reason):
        for slot_id in camera.slot_ids:
            slot = site.slots[slot_id]
            left = withdraw(slot, (camera_id,))
            if left is not slot:
                site, changes = decide(site, slot_id, left, moment, reason)
                outputs += changes
    return site, outputs


def _count_restart(site: Site, camera: Camera, detection: DetectionMade, name: str) -> Site:
    """Count a restart if the frame is new but has a lower boot number than the last one: the camera
    was reflashed and reuses ids of earlier frames."""
    last, own = _last_numbers(camera.frames), _numbers(name)
    later = detection.time_ms > (camera.last_frame_at_ms or 0)
    if last is None or own is None or not later or own[0] >= last[0]:
        return site
    device = site.devices.get(detection.camera_id, Device())
    device = replace(device, restarts=device.restarts + 1)
    return replace(site, devices=site.devices | {detection.camera_id: device})


def _newer(detection: DetectionMade, name: str, camera: Camera) -> bool:
    """Compare places in the log, because all frames of a camera are in one partition. If the places
    contradict the frames, the topic may have been recreated, so the camera's own numbers or
    timestamps decide."""
    frame, last = detection.frame_ref, camera.frame_ref
    if last is None or frame.partition != last.partition or frame.offset > last.offset:
        return True
    before, own = _last_numbers(camera.frames), _numbers(name)
    if before is not None and own is not None and before[0] == own[0]:
        return own[1] > before[1]
    return detection.time_ms > (camera.last_frame_at_ms or 0)


def _counted_before(name: str, applied: Sequence[str]) -> bool:
    """Whether the frame has the same boot number and a lower sequence number, so it is late or was
    sent again."""
    last, own = _last_numbers(applied), _numbers(name)
    return last is not None and own is not None and own[0] == last[0] and own[1] < last[1]


def _last_numbers(applied: Sequence[str]) -> tuple[int, int] | None:
    return _numbers(applied[-1]) if applied else None


def _numbers(name: str) -> tuple[int, int] | None:
    """Boot and sequence number, if the frame's id contains them. An id that was derived from a hash
    of the bytes or written by another producer may not contain them."""
    boot, _, seq = name.partition("/")
    return (int(boot), int(seq)) if boot.isdecimal() and seq.isdecimal() else None


def _with_health(camera: Camera, health: ImageHealth, patience: int) -> Camera:
    """Count good and bad pictures. A single bad picture provides no evidence, and `patience` bad
    pictures in a row make the camera unhealthy. The first good picture makes it healthy again, but
    each slot still waits for its own observations. Blurred parts are reported once `patience` good
    frames in a row have some."""
    if health.status == "ok":
        count = min(camera.blurred_frames + 1, patience) if health.blurred else 0
        return replace(
            camera,
            health="ok",
            unhealthy_frames=0,
            blurred=health.blurred,
            blurred_frames=count,
        )
    frames = camera.unhealthy_frames + 1
    believed = camera.health == "ok" and frames < patience
    return replace(
        camera, health="ok" if believed else health.status, unhealthy_frames=min(frames, patience)
    )


def _deferred(detection: DetectionMade) -> bool:
    """Whether changed slots of this frame were left to a later frame."""
    return detection.effort is not None and detection.effort.deferred > 0


def _pace(site: Site, camera: Camera, detection: DetectionMade) -> int | None:
    """Update the smoothed time between applied frames on which every change was judged. It starts
    over after silence and ignores timestamps that go backwards."""
    before = camera.analysed_every_ms
    gap_ms = detection.time_ms - (camera.judged_at_ms or detection.time_ms)
    if gap_ms <= 0:
        return before
    if _deferred(detection):
        return max(gap_ms, before or 0)
    if gap_ms > silence_limit_ms(site, camera):
        return None
    return gap_ms if before is None else before + round((gap_ms - before) / _SMOOTHING)


def _lift_offline(site: Site, detection: DetectionMade) -> Site:
    """A frame taken after a device was reported offline shows that it is back."""
    device = site.devices.get(detection.camera_id)
    if (
        device is None
        or device.offline_since_ms is None
        or detection.time_ms <= device.offline_since_ms
    ):
        return site
    back = replace(device, offline_since_ms=None)
    return replace(site, devices=site.devices | {detection.camera_id: back})


def _apply(site: Site, detection: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    outputs: list[Event] = []
    named = set(site.cameras[detection.camera_id].slot_ids)
    for seen in detection.observations:
        if seen.slot_id in named:
            slot = site.slots[seen.slot_id]
            now = see(slot, detection.camera_id, seen, detection.time_ms, site.parameters)
            if now is not slot:
                site, changes = decide(site, seen.slot_id, now, moment)
                outputs += changes
    return site, outputs


def _forget(site: Site, detection: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    """Withdraw the camera's evidence for slots that it has not observed for longer than the silence
    limit. Only the frames' timestamps count, so a slow detector gives the same result. A frame from
    well after the site's time comes from a wrong clock and is ignored."""
    camera = site.cameras[detection.camera_id]
    outputs: list[Event] = []
    if detection.time_ms > site.tick_ms + STEP_MS:
        return site, outputs
    oldest_ms = detection.time_ms - silence_limit_ms(site, camera)
    for slot_id in camera.slot_ids:
        slot = site.slots[slot_id]
        sight = slot.sights.get(detection.camera_id)
        if sight is not None and sight.time_ms < oldest_ms:
            left = withdraw(slot, (detection.camera_id,))
            site, changes = decide(site, slot_id, left, moment, "no-evidence")
            outputs += changes
    return site, outputs
