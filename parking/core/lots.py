"""Check layouts, and build layouts from annotated footage. Pure.

An annotations file is `{"frames": [{"file", "camera", "width", "height", "slots": [{"id", "polygon"
[[x, y]..] in pixels, "occupied" 0|1|null}]}]}`. tools/render writes this form, and public parking
data sets are easy to convert to it. Optional: `timestamp` of a frame (ISO 8601; UTC if it has no
time zone), `dataset`, `site` {"id", "name", "zones" {id: name}, "slots" {id: {"zone", "plan" [[x,
y]..] in metres}}}, `cameras` {id: {"name"}}, and `gate` [{"frame": index of the scene's frame,
"direction": "entry"|"exit"}] for gate events.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import (
    LayoutAdopted,
    LayoutPublished,
    LayoutSlot,
    SiteCommanded,
    SlotRef,
    Zone,
)
from parking.core.geometry import is_simple, polygon_area
from parking.core.jpeghead import header_size
from parking.core.outlines import thickness, twins
from parking.core.site import too_large

MAX_SLOTS = 1000
MAX_INTERVAL_MS = 86_400_000
MAX_PLAN_M = 1e8
"""Larger than the coordinates of any map."""
MAX_REFERENCE_PX = 480
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
MIN_AREA = 1e-5
"""Minimum area of a slot as a share of the picture: about 3x3 pixels at 1280x720."""
MIN_ACROSS = 0.002
"""Minimum area of a slot divided by its longest diagonal, as a share of the picture. It is 0.0032
for the most distant slots of six public data sets."""
MOST_TWINS = 10


def check(layout: LayoutPublished) -> list[str]:
    """Return every fault of a layout in words, or [] if it can be used."""
    faults = []
    if layout.camera_id.split("/")[0] != layout.site_id:
        faults.append(f"camera {layout.camera_id} does not belong to site {layout.site_id}")
    faults += _unprintable(layout)
    if layout.interval_ms > MAX_INTERVAL_MS:
        faults.append(f"interval_ms {layout.interval_ms} is more than a day ({MAX_INTERVAL_MS})")
    if len(layout.slots) > MAX_SLOTS:
        faults.append(f"{len(layout.slots)} slots are more than {MAX_SLOTS}")
        return faults
    if layout.reference is not None and not _small_jpeg(layout.reference):
        faults.append(f"the reference is not a JPEG of at most {MAX_REFERENCE_PX} pixels a side")
    faults += _repeated("slot", [slot.slot_id for slot in layout.slots])
    faults += _repeated("zone", [zone.zone_id for zone in layout.zones])
    zones = {zone.zone_id for zone in layout.zones}
    return faults + [fault for slot in layout.slots for fault in _check_slot(slot, zones)]


def _check_slot(slot: LayoutSlot, zones: set[str]) -> Iterator[str]:
    where = f"slot {slot.slot_id}"
    if slot.slot_id in (".", ".."):
        yield f"{where}: this id cannot be used in a URL; choose another"
    if slot.zone_id not in zones:
        yield f"{where}: there is no zone {slot.zone_id}"
    if not is_simple(slot.polygon):
        yield f"{where}: its outline crosses itself or encloses nothing"
    elif polygon_area(slot.polygon) < MIN_AREA:
        yield f"{where}: its polygon has almost no area"
    if slot.plan is not None and not _on_plan(slot.plan):
        yield f"{where}: its plan is more than {MAX_PLAN_M:.0e} metres away"
    elif slot.plan is not None and not is_simple(slot.plan):
        yield f"{where}: its outline on the plan crosses itself"


def check_new(layout: LayoutPublished, in_force: LayoutPublished | None = None) -> list[str]:
    """Return the faults of a layout that is about to be published: those found by `check`, plus
    outlines that are too small to be seen or that overlap.

    `in_force` is the camera's current layout. An enabled slot whose outline is already in it is not
    rejected for its size or for overlapping another such slot.
    """
    faults = check(layout)
    if len(layout.slots) > MAX_SLOTS:
        return faults
    enabled = [slot for slot in layout.slots if slot.enabled]
    before = {
        slot.slot_id: slot.polygon for slot in (in_force.slots if in_force else []) if slot.enabled
    }
    kept = [before.get(slot.slot_id) == slot.polygon for slot in enabled]
    for slot, unchanged in zip(enabled, kept, strict=True):
        across = thickness(slot.polygon)
        if across < MIN_ACROSS and not unchanged and is_simple(slot.polygon):
            faults.append(
                f"slot {slot.slot_id}: its outline is {across:.2%} of the picture across; less than"
                f" {MIN_ACROSS:.1%} (about 2 pixels of 1280x720) cannot be seen"
            )
    pairs = twins([slot.polygon for slot in enabled], kept)
    faults += [
        f"slot {enabled[one].slot_id} has the same outline as slot {enabled[other].slot_id}: a "
        f"vehicle would count for only one of them"
        for other, one in pairs[:MOST_TWINS]
    ]
    return faults


def check_site(layouts: Iterable[LayoutPublished]) -> list[str]:
    """Return why the cameras' layouts together exceed the site's limits, or [] if they do not. The
    tracker counts again at adoption, including the slots of earlier layouts."""
    views = [[slot.slot_id for slot in layout.slots if slot.enabled] for layout in layouts]
    fault = too_large(len({slot for view in views for slot in view}), sum(map(len, views)))
    return [fault] if fault else []


def require(layouts: Iterable[LayoutPublished], site_id: str, slot_id: str | None = None) -> None:
    """Raise Invalid `no-site` or `no-slot`, which lists the existing ids, if one is missing."""
    layouts = [one for one in layouts if not one.removed]
    sites = sorted({one.site_id for one in layouts})
    own = [one for one in layouts if one.site_id == site_id]
    if not own:
        there = f"there are {', '.join(sites[:20])}" if sites else "no layout was published yet"
        raise Invalid("no-site", f"there is no site {site_id[:100]!r}: {there}")
    slots = sorted({slot.slot_id for one in own for slot in one.slots})
    if slot_id is not None and slot_id not in slots:
        near = get_close_matches(slot_id, slots, 3) or slots[:10]
        detail = f"site {site_id} has no slot {slot_id[:100]!r}; it has {', '.join(near)}, ..."
        raise Invalid("no-slot", detail)


def checked(layout: LayoutPublished) -> LayoutPublished:
    """Return the layout. Raises Invalid("bad-layout") with every fault of `check`."""
    return _without_faults(layout, check(layout))


def checked_new(
    layout: LayoutPublished, in_force: LayoutPublished | None = None
) -> LayoutPublished:
    """Return the layout. Raises Invalid("bad-layout") with every fault of `check_new`."""
    return _without_faults(layout, check_new(layout, in_force))


def _without_faults(layout: LayoutPublished, faults: list[str]) -> LayoutPublished:
    if faults:
        raise Invalid("bad-layout", "; ".join(faults))
    return layout


def same_layout(one: LayoutPublished, other: LayoutPublished) -> bool:
    """Whether two layouts differ only in version, id or time of publication."""
    return replace(one, id=other.id, time_ms=other.time_ms, version=other.version) == other


def successor(layout: LayoutPublished, current: LayoutPublished | None) -> LayoutPublished:
    """Return the layout with the version after `current`, because readers apply only higher
    versions. Return `current` itself if nothing differs."""
    if current is None:
        return layout
    if same_layout(layout, current):
        return current
    version = current.version + 1
    return replace(layout, id=f"{layout.camera_id}/layout/{version}", version=version)


def adoption(layout: LayoutPublished, issued_by: str) -> SiteCommanded:
    """The command that makes the site's tracker use the layout. It has the layout's id, so
    publishing twice adopts once."""
    slots = [SlotRef(slot_id=s.slot_id, zone_id=s.zone_id) for s in layout.slots if s.enabled]
    return SiteCommanded(
        id=layout.id,
        site_id=layout.site_id,
        time_ms=layout.time_ms,
        issued_by=issued_by,
        command=LayoutAdopted(
            camera_id=layout.camera_id,
            version=layout.version,
            interval_ms=layout.interval_ms,
            slots=slots,
        ),
    )


def slug(text: str) -> str:
    """Turn any text into a part of an id: `[a-z0-9-]{1,40}`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "x"


def layouts_from_annotations(
    annotations: Mapping[str, Any],
    site_id: str,
    *,
    interval_ms: int,
    time_ms: int,
    version: int = 1,
) -> list[LayoutPublished]:
    """Build one layout per camera, with each slot as in the camera's first frame that names it.
    Optional keys are used if present: `site` {name, zones, slots {id: {zone, plan}}}, `cameras`
    {id: {name}}. Raises Invalid("bad-annotations")."""
    try:
        return [
            _layout(annotations, frames, (site_id, camera), interval_ms, time_ms, version)
            for camera, frames in _by_camera(annotations["frames"]).items()
        ]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise Invalid("bad-annotations", f"{type(error).__name__}: {error}") from error


def _by_camera(frames: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    cameras: dict[str, list[Mapping[str, Any]]] = {}
    for frame in frames:
        cameras.setdefault(str(frame["camera"]), []).append(frame)
    return cameras


def _layout(
    annotations: Mapping[str, Any],
    frames: list[Mapping[str, Any]],
    names: tuple[str, str],
    interval_ms: int,
    time_ms: int,
    version: int,
) -> LayoutPublished:
    site_id, camera = names
    site = annotations.get("site") or {}
    known = site.get("slots") or {}
    found: dict[str, LayoutSlot] = {}
    for frame in frames:
        for slot in frame["slots"]:
            slot_id = str(slot["id"])
            if slot_id in found:
                continue
            more = known.get(slot_id) or {}
            plan = more.get("plan")
            found[slot_id] = LayoutSlot(
                slot_id=slot_id,
                zone_id=str(more.get("zone", "lot")),
                polygon=[
                    _inside(x / frame["width"], y / frame["height"]) for x, y in slot["polygon"]
                ],
                plan=[(float(x), float(y)) for x, y in plan] if plan else None,
            )
    used = {slot.zone_id for slot in found.values()}
    named = {str(zone): str(name) for zone, name in (site.get("zones") or {}).items()}
    camera_id = f"{site_id}/{slug(camera)}"
    return LayoutPublished(
        id=f"{camera_id}/layout/{version}",
        site_id=site_id,
        time_ms=time_ms,
        camera_id=camera_id,
        version=version,
        site_name=str(site.get("name") or annotations.get("dataset") or site_id),
        camera_name=str(((annotations.get("cameras") or {}).get(camera) or {}).get("name", camera)),
        interval_ms=interval_ms,
        zones=[Zone(zone_id=zone, name=named.get(zone, zone)) for zone in sorted(used)],
        slots=list(found.values()),
    )


def _unprintable(layout: LayoutPublished) -> list[str]:
    """Names are shown on one line, sometimes where a control character would take effect."""
    names = {"site_name": layout.site_name, "camera_name": layout.camera_name}
    names |= {f"the name of zone {zone.zone_id}": zone.name for zone in layout.zones}
    found = {place: _CONTROL.search(name) for place, name in names.items()}
    return [
        f"{place}: the control character U+{ord(match[0]):04X} is not allowed in a name"
        for place, match in found.items()
        if match
    ]


def _on_plan(plan: Iterable[tuple[float, float]]) -> bool:
    return all(abs(x) <= MAX_PLAN_M and abs(y) <= MAX_PLAN_M for x, y in plan)


def _small_jpeg(data: bytes) -> bool:
    try:
        return 0 < max(header_size(data)) <= MAX_REFERENCE_PX
    except Invalid:
        return False


def _inside(x: float, y: float) -> tuple[float, float]:
    """Clamp to the picture, because a corner may be drawn slightly beyond its edge."""
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


def _repeated(what: str, ids: list[str]) -> list[str]:
    counts = Counter(ids)
    return [f"{what} {i} is named twice" for i in sorted(i for i in counts if counts[i] > 1)]
