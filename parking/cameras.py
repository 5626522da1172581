"""When a camera can be believed: frames, health, connection and silence. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from parking.camerastatus import condition, is_believed, refresh_ms, report, with_camera
from parking.events import (
    DetectionMade,
    DeviceReported,
    Event,
    ImageHealth,
)
from parking.site import Camera, Device, Moment, Site, camera_of, silence_limit_ms
from parking.slots import decide, see, withdraw
from parking.timekeeping import STEP_MS

# How far back a frame that ingest wrote twice is known again: twice what all cameras together have
# between MQTT and Kafka at once (ingest's HANDOVER_FRAMES, unless set higher).
FRAME_MEMORY: Final = 64

# The share of the newest gap between two frames in `analysed_every_ms`: one in so many.
_SMOOTHING: Final = 4

_SLUG: Final = re.compile(r"([a-z][a-z-]{1,39}): ")


def on_detection(site: Site, made: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    """One frame's evidence, however long the detector took for it within the silence limit; unless
    it is not newer than its camera's last applied one (by its place in the log, or as the device
    counts), or was applied from another place in the log: ingest writes a frame again whose
    acknowledgement it, or the broker, did not see."""
    camera = camera_of(site, made.camera_id)
    name = made.frame_ref.frame_id.removeprefix(f"{made.camera_id}/")
    if name in camera.frames or not _newer(made, name, camera):
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
        analysed_every_ms=_pace(site, camera, made),
        judged_at_ms=camera.judged_at_ms if _deferred(made) else last_ms,
        load_level=made.effort.load_level if made.effort else 0,
    )
    site = _lift_offline(with_camera(site, made.camera_id, camera), made)
    outputs: list[Event] = []
    if is_believed(*condition(site, made.camera_id)):
        # Polygons of an older layout than the adopted one may name other ground by the same names.
        believed = made.health.status == "ok" and made.layout_version >= camera.layout_version
        if fresh and believed:
            site, outputs = _apply(site, made, moment)
        site, forgotten = _forget(site, made, moment)
        outputs += forgotten
    site, told = settle(site, made.camera_id, moment)
    return site, outputs + told


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
    """A tick was applied: cameras that sent nothing fresh for too long lose their evidence."""
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
    return site, outputs


def settle(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    """After a camera changed: withdraw its evidence unless it is online, and report its status when
    that is another, or when a frame makes a refresh due."""
    status, reason = condition(site, camera_id)
    camera = site.cameras[camera_id]
    outputs: list[Event] = []
    # Either way: the last report may be of a clock that was ahead. A frame a little early is as
    # good as the next one.
    passed_ms = abs(moment.time_ms - camera.reported_at_ms)
    due = moment.frame_ref is not None and 4 * passed_ms >= 3 * refresh_ms(camera)
    if (status, reason) != (camera.status, camera.reason) or due:
        site, told = report(site, camera_id, moment)
        outputs += told
    if not is_believed(status, reason):
        for slot_id in camera.slot_ids:
            slot = site.slots[slot_id]
            left = withdraw(slot, (camera_id,))
            if left is not slot:
                site, changes = decide(site, slot_id, left, moment, reason)
                outputs += changes
    return site, outputs


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


def _newer(made: DetectionMade, name: str, camera: Camera) -> bool:
    """By its place in the log: a camera's frames lie in one partition. Where that says otherwise
    the topic may have been made anew: then the camera's own numbers count, or its time."""
    frame, last = made.frame_ref, camera.frame_ref
    if last is None or frame.partition != last.partition or frame.offset > last.offset:
        return True
    before, own = _last_numbers(camera.frames), _numbers(name)
    if before is not None and own is not None and before[0] == own[0]:
        return own[1] > before[1]
    return made.time_ms > (camera.last_frame_at_ms or 0)


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
    first good one makes it healthy again: its slots still want their own observations. As many good
    ones that are blurred in part are told."""
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


def _deferred(made: DetectionMade) -> bool:
    """Whether what changed in it was left to a later frame."""
    return made.effort is not None and made.effort.deferred > 0


def _pace(site: Site, camera: Camera, made: DetectionMade) -> int | None:
    """The smoothed time between applied frames on which all that changed was judged, with one more.
    It begins anew after silence, and passes over times that go back."""
    before = camera.analysed_every_ms
    gap_ms = made.time_ms - (camera.judged_at_ms or made.time_ms)
    if gap_ms <= 0:
        return before
    if _deferred(made):
        return max(gap_ms, before or 0)
    if gap_ms > silence_limit_ms(site, camera):
        return None
    return gap_ms if before is None else before + round((gap_ms - before) / _SMOOTHING)


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


def _forget(site: Site, made: DetectionMade, moment: Moment) -> tuple[Site, list[Event]]:
    """Take back what the camera said of slots of which it has had nothing to say for the silence
    limit, by the times of its frames: a slow detector must come to the same. A frame from well
    after the site's time is of a wrong clock, and tells no time."""
    camera = site.cameras[made.camera_id]
    outputs: list[Event] = []
    if made.time_ms > site.tick_ms + STEP_MS:
        return site, outputs
    oldest_ms = made.time_ms - silence_limit_ms(site, camera)
    for slot_id in camera.slot_ids:
        slot = site.slots[slot_id]
        sight = slot.sights.get(made.camera_id)
        if sight is not None and sight.time_ms < oldest_ms:
            left = withdraw(slot, (made.camera_id,))
            site, changes = decide(site, slot_id, left, moment, "no-evidence")
            outputs += changes
    return site, outputs
