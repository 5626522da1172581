"""Remove cameras, slots or a whole site from the state. Pure.

Each removed item gets one last event with the reason `removed`: a slot as unknown, a camera as
offline, an open stay as given up. Along with that record, the tracker removes the item from the
compacted topics (services/tracker/handler.py). Earlier events stay, because history does not
change.

Pictures taken before a camera's removal may be analysed after it. They do not bring the camera
back, but a layout or a later picture does.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from parking.core.camerastatus import status_event
from parking.core.events import Event, Recounted, Removed
from parking.core.ids import UPLOAD
from parking.core.sessions import on_recount
from parking.core.site import REMOVED, Moment, Site
from parking.core.slots import decide, show, watchers, withdraw

UNDER_WAY_MS: Final = 30_000
"""How long after a removal a camera may still be polled, with both clocks' difference."""
REMOVED_MEMORY: Final = 1_000
"""How many removed cameras a site remembers; the oldest are forgotten first."""


def on_removal(site: Site, order: Removed, moment: Moment) -> tuple[Site, list[Event]]:
    """Remove these cameras and slots. A slot that another camera names stays."""
    outputs: list[Event] = []
    cameras = list(site.cameras) if order.whole_site else order.camera_ids
    names = [*cameras, site.site_id] if order.whole_site else cameras
    site = replace(site, removed_at_ms=_remember(site.removed_at_ms, names, moment.time_ms))
    slots = list(site.slots) if order.whole_site else list(order.slot_ids)
    for camera_id in cameras:
        if camera_id in site.cameras:
            slots += site.cameras[camera_id].slot_ids
            site, emitted = _without_camera(site, camera_id, moment)
            outputs += emitted
    for slot_id in dict.fromkeys(slots):
        if slot_id in site.slots:
            site, emitted = _without_slot(site, slot_id, cameras, moment)
            outputs += emitted
    if order.whole_site:
        site, emitted = on_recount(site, Recounted(number_in=0), moment)
        outputs += emitted
        site = _emptied(site)
    return site, outputs


def was_removed(site: Site, frame_id: str, camera_id: str, taken_at_ms: int) -> bool:
    """Whether a picture of this time was taken, or under way, when its camera was removed. Somebody
    who uploads a picture after the removal wants the camera back."""
    if camera_id in site.cameras:
        return False
    under_way_ms = 0 if frame_id.startswith(f"{camera_id}/{UPLOAD}/") else UNDER_WAY_MS
    at_ms = [site.removed_at_ms.get(name) for name in (camera_id, site.site_id)]
    return any(one is not None and taken_at_ms <= one + under_way_ms for one in at_ms)


def is_back(site: Site, camera_id: str) -> Site:
    """The site with this camera no longer counted as removed."""
    if camera_id not in site.removed_at_ms:
        return site
    others = {name: at_ms for name, at_ms in site.removed_at_ms.items() if name != camera_id}
    return replace(site, removed_at_ms=others)


def _remember(before: Mapping[str, int], names: Iterable[str], now_ms: int) -> dict[str, int]:
    now = dict.fromkeys(names, now_ms)
    known = {name: at_ms for name, at_ms in before.items() if name not in now} | now
    return dict(list(known.items())[-REMOVED_MEMORY:])


def _without_camera(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    camera = site.cameras[camera_id]
    event = status_event(site, camera_id, moment, ("offline", REMOVED))
    cameras = {name: one for name, one in site.cameras.items() if name != camera_id}
    devices = {name: one for name, one in site.devices.items() if name != camera_id}
    floor = max(site.version_floor, camera.version + 1)
    return replace(site, cameras=cameras, devices=devices, version_floor=floor), [event]


def _without_slot(
    site: Site, slot_id: str, cameras: list[str], moment: Moment
) -> tuple[Site, list[Event]]:
    left = withdraw(site.slots[slot_id], cameras)
    if watchers(site, slot_id):
        return decide(site, slot_id, left, moment, "no-evidence")
    site, emitted = show(site, slot_id, left, moment, "unknown", REMOVED)
    floor = max(site.version_floor, site.slots[slot_id].version)
    slots = {name: one for name, one in site.slots.items() if name != slot_id}
    return replace(site, slots=slots, version_floor=floor), emitted


def _emptied(site: Site) -> Site:
    """What remains of a removed site: its time, its versions, the commands it has applied, and when
    its cameras were removed."""
    return Site(
        site_id=site.site_id,
        run=site.run,
        tick_ms=site.tick_ms,
        recent_ids=site.recent_ids,
        version_floor=site.version_floor,
        removed_at_ms=site.removed_at_ms,
    )
