"""The age of what is shown: a slot's newest evidence from the cameras that see it. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from parking.core.events import CameraStatusChanged, LayoutPublished, SlotStateUpdated


def newest_evidence_ms(
    slot_id: str, before: SlotStateUpdated | None, seen_by: Iterable[CameraStatusChanged]
) -> int | None:
    """Return when the slot was last seen well enough to count, by any of these cameras or by the
    cause of its state; None if never."""
    newest_ms = (before.observed_at_ms or 0) if before is not None else 0
    for status in seen_by:
        newest_ms = max(newest_ms, _evidence_ms(slot_id, status))
    return newest_ms or None


def watches(status: CameraStatusChanged, layout: LayoutPublished) -> bool:
    """Return whether the camera's view counts as evidence for the slots of this layout."""
    return status.status == "online" and status.layout_version == layout.version


def only_refreshed(before: CameraStatusChanged | None, newer: CameraStatusChanged) -> bool:
    """Return whether a status changes nothing but times, as each new picture does."""
    return before is not None and newer == replace(
        before,
        id=newer.id,
        time_ms=newer.time_ms,
        version=newer.version,
        last_frame_at_ms=newer.last_frame_at_ms,
        frame_ref=newer.frame_ref,
        analysed_every_ms=newer.analysed_every_ms,
        evidence_at_ms=newer.evidence_at_ms,
    )


def _evidence_ms(slot_id: str, status: CameraStatusChanged) -> int:
    """Return when the camera last gave evidence for the slot, or 0 if it has none."""
    return status.evidence_at_ms.get(slot_id, status.last_frame_at_ms or 0)
