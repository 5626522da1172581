"""What becomes of a site when cameras, slots or all of it are removed. Pure.

Of each thing that goes one last event is written, with the reason `removed`: a slot as unknown, a
camera as offline, an open stay as given up. With that record the tracker takes it out of the
compacted topics (services/tracker/handler.py). Earlier events stay: history does not change.
"""

from msgspec.structs import replace

from parking.camerastatus import told
from parking.events import Event, Recounted, Removed
from parking.sessions import on_recount
from parking.site import REMOVED, Moment, Site
from parking.slots import decide, show, watchers, withdraw


def on_removal(site: Site, order: Removed, moment: Moment) -> tuple[Site, list[Event]]:
    """Without these cameras and slots; a slot that another camera names stays."""
    outputs: list[Event] = []
    cameras = list(site.cameras) if order.whole_site else order.camera_ids
    slots = list(site.slots) if order.whole_site else list(order.slot_ids)
    for camera_id in cameras:
        if camera_id in site.cameras:
            slots += site.cameras[camera_id].slot_ids
            site, made = _without_camera(site, camera_id, moment)
            outputs += made
    for slot_id in dict.fromkeys(slots):
        if slot_id in site.slots:
            site, made = _without_slot(site, slot_id, cameras, moment)
            outputs += made
    if order.whole_site:
        site, made = on_recount(site, Recounted(number_in=0), moment)
        outputs += made
        site = _emptied(site)
    return site, outputs


def _without_camera(site: Site, camera_id: str, moment: Moment) -> tuple[Site, list[Event]]:
    camera = site.cameras[camera_id]
    event = told(site, camera_id, moment, ("offline", REMOVED))
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
    site, made = show(site, slot_id, left, moment, "unknown", REMOVED)
    floor = max(site.version_floor, site.slots[slot_id].version)
    slots = {name: one for name, one in site.slots.items() if name != slot_id}
    return replace(site, slots=slots, version_floor=floor), made


def _emptied(site: Site) -> Site:
    """What must stay of a site that is no more: where its time and its versions have come to, and
    which commands it has seen."""
    return Site(
        site_id=site.site_id,
        run=site.run,
        tick_ms=site.tick_ms,
        recent_ids=site.recent_ids,
        version_floor=site.version_floor,
    )
