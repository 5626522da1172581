"""How old what is shown is: a slot's newest evidence, told by the cameras that see it. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from parking.events import CameraStatusChanged, LayoutPublished, SlotStateUpdated


def newest_evidence_ms(
    slot_id: str, held: SlotStateUpdated | None, seen_by: Iterable[CameraStatusChanged]
) -> int | None:
    """When the slot was last seen well enough to count, by any of these cameras, or by what made
    its state; None when it never was."""
    newest_ms = (held.observed_at_ms or 0) if held is not None else 0
    for status in seen_by:
        newest_ms = max(newest_ms, _evidence_ms(slot_id, status))
    return newest_ms or None


def watches(status: CameraStatusChanged, layout: LayoutPublished) -> bool:
    """Whether what the camera sees counts as evidence, of the slots of this layout."""
    return status.status == "online" and status.layout_version == layout.version


def only_refreshed(held: CameraStatusChanged | None, told: CameraStatusChanged) -> bool:
    """Whether a status tells nothing but times: a picture came, as they do."""
    return held is not None and told == replace(
        held,
        id=told.id,
        time_ms=told.time_ms,
        version=told.version,
        last_frame_at_ms=told.last_frame_at_ms,
        frame_ref=told.frame_ref,
        analysed_every_ms=told.analysed_every_ms,
        evidence_at_ms=told.evidence_at_ms,
    )


def _evidence_ms(slot_id: str, status: CameraStatusChanged) -> int:
    """0 when it has none."""
    return status.evidence_at_ms.get(slot_id, status.last_frame_at_ms or 0)
