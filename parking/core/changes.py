"""Compute the layouts that result from removing or renaming cameras, slots, zones and sites. Pure.

Sites, zones and slots exist only in layouts, so changing one publishes the next version of each
layout that names it. A removal also sends a command to the tracker (`Removed`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, Removed, SiteCommanded, SiteSettings
from parking.core.topics import site_of

Layouts = Sequence[LayoutPublished]
"""The layouts in force of one site, one per camera."""


@dataclass(frozen=True, slots=True)
class Change:
    """The changed layouts, whose versions have not been raised yet, and what is removed."""

    layouts: list[LayoutPublished]
    removed: Removed | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A change as records: layouts, then commands. `id`: the id of the last record."""

    layouts: list[LayoutPublished]
    commands: list[SiteCommanded]
    id: str

    @property
    def summary(self) -> str:
        """Return the change in words, for the log."""
        kinds = [type(one.command).__name__ for one in self.commands]
        return ", ".join([*(one.id for one in self.layouts), *kinds]) or "nothing to change"


def written(
    change: Change, site: Layouts, versions: Mapping[str, int], command: SiteCommanded
) -> Written:
    """Return the change as records. `versions` holds the version of each camera's latest layout,
    including removed cameras. `command` is an empty command with id, time and author. Raises
    Invalid("bad-layout") with every fault."""
    layouts = []
    for one in change.layouts:
        version = versions.get(one.camera_id, 0) + 1
        layout_id = f"{one.camera_id}/layout/{version}"
        layouts.append(replace(one, id=layout_id, version=version, time_ms=command.time_ms))
    faults = [f"{one.camera_id}: {fault}" for one in layouts for fault in lots.check(one)]
    changed = {one.camera_id for one in layouts}
    after = [*layouts, *(one for one in site if one.camera_id not in changed)]
    faults += lots.check_site(after)
    if faults:
        raise Invalid("bad-layout", "; ".join(faults), faults)
    adopted = [lots.adoption(one, command.issued_by) for one in layouts if not one.removed]
    last = [replace(command, command=change.removed)] if change.removed else []
    ids = [command.id] if last else [one.id for one in layouts]
    return Written(layouts, [*adopted, *last], ids[-1] if ids else command.id)


def without_camera(site: Layouts, camera_id: str) -> Change:
    """Remove the camera and the slots that no other camera names. This also works for a camera that
    sent pictures but has no layout."""
    emptied = [_without_slots(one) for one in site if one.camera_id == camera_id]
    return Change(emptied, Removed(camera_ids=[camera_id]))


def without_site(site: Layouts) -> Change:
    """Remove everything of the site."""
    return Change([_without_slots(one) for one in site], Removed(whole_site=True))


def without_slot(site: Layouts, slot_id: str) -> Change:
    """Remove the slot from every camera's layout. Raises Invalid("no-slot")."""
    if slot_id not in {slot.slot_id for one in site for slot in one.slots}:
        raise Invalid("no-slot", f"no layout of the site names slot {slot_id[:100]!r}")
    return Change(_without(site, {slot_id}), Removed(slot_ids=[slot_id]))


def without_zone(site: Layouts, zone_id: str) -> Change:
    """Remove the zone and its slots. Raises Invalid("no-zone")."""
    _require_zone(site, zone_id)
    slots = {slot.slot_id for one in site for slot in one.slots if slot.zone_id == zone_id}
    kept = {one.camera_id: one for one in _without(site, slots)}
    changed = []
    for one in site:
        now = kept.get(one.camera_id, one)
        zones = [zone for zone in now.zones if zone.zone_id != zone_id]
        if zones != list(now.zones) or now is not one:
            changed.append(replace(now, zones=zones))
    return Change(changed, Removed(slot_ids=sorted(slots)) if slots else None)


def with_site_name(site: Layouts, name: str) -> Change:
    """Rename the site in every camera's layout. Raises Invalid("no-site")."""
    if not site:
        raise Invalid("no-site", "the site has no layout that could name it")
    return Change(_differing(site, [replace(one, site_name=name) for one in site]))


def with_settings(site: Layouts, settings: SiteSettings) -> Change:
    """Set what the site shows to drivers. Raises Invalid("no-site")."""
    if not site:
        raise Invalid("no-site", "the site has no layout that could hold its settings")
    return Change(_differing(site, [replace(one, site=settings) for one in site]))


def with_camera_name(site: Layouts, camera_id: str, name: str) -> Change:
    """Set the camera's display name."""
    known = _of(site, camera_id)
    return Change(_differing([known], [replace(known, camera_name=name)]))


def with_zone_name(site: Layouts, zone_id: str, name: str) -> Change:
    """Rename the zone. Raises Invalid("no-zone")."""
    _require_zone(site, zone_id)
    named = [
        replace(
            one, zones=[replace(z, name=name) if z.zone_id == zone_id else z for z in one.zones]
        )
        for one in site
    ]
    return Change(_differing(site, named))


def with_slot_id(site: Layouts, slot_id: str, new_id: str) -> Change:
    """Change a slot's id. Its history stays under the old id. Raises Invalid `no-slot` or
    `slot-exists`."""
    known = {slot.slot_id for one in site for slot in one.slots}
    if new_id in known:
        raise Invalid("slot-exists", f"slot {new_id[:100]!r} already exists")
    change = without_slot(site, slot_id)
    renamed = [
        replace(
            one,
            slots=[replace(s, slot_id=new_id) if s.slot_id == slot_id else s for s in one.slots],
        )
        for one in site
        if slot_id in {slot.slot_id for slot in one.slots}
    ]
    return Change(renamed, change.removed)


def with_camera_id(site: Layouts, camera_id: str, new_id: str) -> Change:
    """Move the view to another device: its slots stay and the old device is removed. Raises Invalid
    `no-layout`, `camera-exists` or `bad-camera-id`."""
    known = _of(site, camera_id)
    if site_of(new_id) != known.site_id:
        raise Invalid(
            "bad-camera-id",
            f"{new_id} does not belong to site {known.site_id}; a device cannot change its site",
        )
    if new_id in {one.camera_id for one in site}:
        raise Invalid("camera-exists", f"{new_id} already has a layout")
    new = replace(known, camera_id=new_id, id=f"{new_id}/layout/1", version=1)
    return Change([new, _without_slots(known)], Removed(camera_ids=[camera_id]))


def _without_slots(layout: LayoutPublished) -> LayoutPublished:
    """The last version of a layout, without slots. Names and zones stay for readers of the
    history."""
    return replace(layout, slots=[], reference=None, removed=True)


def _without(site: Layouts, slot_ids: set[str]) -> list[LayoutPublished]:
    kept = [replace(one, slots=[s for s in one.slots if s.slot_id not in slot_ids]) for one in site]
    return _differing(site, kept)


def _differing(before: Layouts, after: Layouts) -> list[LayoutPublished]:
    return [now for one, now in zip(before, after, strict=True) if not lots.same_layout(one, now)]


def _of(site: Iterable[LayoutPublished], camera_id: str) -> LayoutPublished:
    known = next((one for one in site if one.camera_id == camera_id), None)
    if known is None:
        raise Invalid("no-layout", f"{camera_id[:100]!r} has no layout")
    return known


def _require_zone(site: Layouts, zone_id: str) -> None:
    if zone_id not in {zone.zone_id for one in site for zone in one.zones}:
        raise Invalid("no-zone", f"no layout of the site names zone {zone_id[:100]!r}")
