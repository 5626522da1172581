"""Remove cameras, slots or a whole site from the state. Pure.

Each removed item gets one last event with the reason `removed`: a slot as unknown, a camera as
offline, an open stay as given up. Along with that record, the tracker removes the item from the
compacted topics (services/tracker/handler.py). Earlier events stay, because history does not
change.
"""

from msgspec.structs import replace

from parking.core.camerastatus import status_event
from parking.core.events import Event, Recounted, Removed
from parking.core.sessions import on_recount
from parking.core.site import REMOVED, Moment, Site
from parking.core.slots import decide, show, watchers, withdraw


def on_removal(site: Site, order: Removed, moment: Moment) -> tuple[Site, list[Event]]:
    """Remove these cameras and slots. A slot that another camera names stays."""
    outputs: list[Event] = []
    cameras = list(site.cameras) if order.whole_site else order.camera_ids
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
    """What remains of a removed site: its time, its versions and the commands it has applied."""
    return Site(
        site_id=site.site_id,
        run=site.run,
        tick_ms=site.tick_ms,
        recent_ids=site.recent_ids,
        version_floor=site.version_floor,
    )
