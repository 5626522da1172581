"""A slot as the API shows it, and counts of slots. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from parking.core.events import CameraStatusChanged, LayoutSlot, SlotState, SlotStateUpdated
from services.notifier.ages import newest_evidence_ms
from services.notifier.views import Counts, SlotView


def slot_view(
    site_id: str,
    slot: LayoutSlot | None,
    current: SlotStateUpdated | None,
    cameras: list[str],
    evidence: Sequence[CameraStatusChanged] = (),
) -> SlotView:
    """Return the view of a slot: as drawn (`slot`), its state (`current`; at least one of the two
    exists), and the cameras that see it. `evidence` is the status of each camera that counts
    now."""
    known = slot or current
    assert known is not None  # noqa: S101 -- a slot is in a layout or has a state, else not here
    return SlotView(
        site_id=site_id,
        slot_id=known.slot_id,
        zone_id=known.zone_id,
        kind=slot.kind if slot else "standard",
        state=current.state if current else "unknown",
        version=current.version if current else 0,
        changed_at_ms=current.changed_at_ms if current else None,
        observed_at_ms=newest_evidence_ms(known.slot_id, current, evidence),
        confidence=current.confidence if current else 0.0,
        reason=current.reason if current else "not observed yet",
        camera_ids=cameras,
        plan=slot.plan if slot else None,
        issued_by=current.issued_by if current else None,
        straddling=current.straddling if current else [],
    )


def counts_by_zone(
    slots: Mapping[tuple[str, SlotState], int], zones: Iterable[str]
) -> tuple[Counts, dict[str, Counts]]:
    """Return the counts of all slots and the counts by zone, from the number of slots per zone and
    state. A zone in `zones` without slots is included."""
    total: Counter[SlotState] = Counter()
    by_zone: dict[str, Counter[SlotState]] = {zone: Counter() for zone in zones}
    for (zone, state), count in slots.items():
        total[state] += count
        by_zone.setdefault(zone, Counter())[state] += count
    return counts_of(total), {zone: counts_of(states) for zone, states in by_zone.items()}


def counts_of(by_state: Counter[SlotState]) -> Counts:
    """Return counts from the number of slots in each state."""
    return Counts(
        free=by_state["free"],
        occupied=by_state["occupied"],
        unknown=by_state["unknown"],
        closed=by_state["closed"],
        total=by_state.total(),
    )
