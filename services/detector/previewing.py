"""Judge outlines that somebody is drawing. Nothing is remembered or published. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from parking.core.events import LayoutPublished, LayoutSlot, Zone
from parking.core.geometry import is_simple, polygon_area
from parking.core.lots import MIN_AREA
from parking.core.topics import site_of
from parking.wire.previews import OutlineSeen, PreviewOrder, SlotPreview
from services.detector.analysis import Finding

_ZONE = Zone(zone_id="drawn", name="drawn")
_UNKNOWN = OutlineSeen(state="unknown", confidence=0.0)


def layout_of(order: PreviewOrder, in_force: LayoutPublished | None) -> LayoutPublished:
    """The outlines as a layout, each named by its index, with the other settings of the camera's
    layout. The picture is the one that they are drawn on, so no reference is compared. Its ids are
    not the camera's, because the detector remembers by them what live pictures need."""
    camera_id = f"{order.camera_id}/preview"
    slots = [
        LayoutSlot(slot_id=str(index), zone_id=_ZONE.zone_id, polygon=outline)
        for index, outline in enumerate(order.outlines)
        if is_simple(outline) and polygon_area(outline) >= MIN_AREA
    ]
    if in_force is not None:
        return replace(
            in_force,
            id=camera_id,
            camera_id=camera_id,
            slots=slots,
            zones=[_ZONE],
            reference=None,
        )
    return LayoutPublished(
        id=camera_id,
        site_id=site_of(order.camera_id),
        time_ms=0,
        camera_id=camera_id,
        version=1,
        site_name="preview",
        camera_name="preview",
        interval_ms=1000,
        zones=[_ZONE],
        slots=slots,
    )


def answer(outlines: Sequence[object], finding: Finding) -> SlotPreview:
    """What was seen of each outline, in their order."""
    seen = {
        one.slot_id: OutlineSeen(state=one.state, confidence=one.confidence)
        for one in finding.observations
    }
    return SlotPreview(
        health=finding.health,
        outlines=[seen.get(str(index), _UNKNOWN) for index in range(len(outlines))],
    )
