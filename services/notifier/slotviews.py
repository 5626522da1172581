"""A slot as the API shows it, and slots in numbers. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from parking.events import CameraStatusChanged, LayoutSlot, SlotState, SlotStateUpdated
from services.notifier.ages import newest_evidence_ms
from services.notifier.views import Counts, SlotView


def slot_view(
    site_id: str,
    slot: LayoutSlot | None,
    held: SlotStateUpdated | None,
    cameras: list[str],
    evidence: Sequence[CameraStatusChanged] = (),
) -> SlotView:
    """The slot as it is drawn (`slot`), as it is (`held`; one of the two is there), and by whom it
    is seen. `evidence`: the status of each camera that counts now."""
    known = slot or held
    assert known is not None  # noqa: S101 -- a slot is in a layout or has a state, else not here
    return SlotView(
        site_id=site_id,
        slot_id=known.slot_id,
        zone_id=known.zone_id,
        kind=slot.kind if slot else "standard",
        state=held.state if held else "unknown",
        version=held.version if held else 0,
        changed_at_ms=held.changed_at_ms if held else None,
        observed_at_ms=newest_evidence_ms(known.slot_id, held, evidence),
        confidence=held.confidence if held else 0.0,
        reason=held.reason if held else "not observed yet",
        camera_ids=cameras,
        plan=slot.plan if slot else None,
    )


def counts_by_zone(
    slots: Mapping[tuple[str, SlotState], int], zones: Iterable[str]
) -> tuple[Counts, dict[str, Counts]]:
    """Counts of all and by zone, out of how many slots each zone has in each state; a zone of
    `zones` without slots counts, too."""
    total: Counter[SlotState] = Counter()
    by_zone: dict[str, Counter[SlotState]] = {zone: Counter() for zone in zones}
    for (zone, state), count in slots.items():
        total[state] += count
        by_zone.setdefault(zone, Counter())[state] += count
    return _counts(total), {zone: _counts(states) for zone, states in by_zone.items()}


def _counts(by_state: Counter[SlotState]) -> Counts:
    return Counts(
        free=by_state["free"],
        occupied=by_state["occupied"],
        unknown=by_state["unknown"],
        closed=by_state["closed"],
        total=by_state.total(),
    )
