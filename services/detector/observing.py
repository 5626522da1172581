"""Turn a slot's probability into its observation."""

from collections.abc import Collection, Sequence
from typing import Final

from parking.core.events import Observation, Seen

HIDDEN_FROM: Final = 0.5
"""If more than this share of a slot's box shows nothing, the slot is unknown; see
imagehealth.blank_shares."""
FREE_HIDDEN_FROM: Final = 0.35
"""The same for a slot that seems free. The limit differs because the blank part may hide a vehicle,
while a detected vehicle is certain."""


def observation(
    slot_id: str,
    occupied: float,
    band: tuple[float, float],
    straddling: Sequence[str] = (),
    *,
    contradicted: bool = False,
) -> Observation:
    """Return the slot's observation. Within the band the state is unknown, and the confidence shows
    how close it is to a decision. `straddling` are the other slots under the same vehicle. If there
    are any, or if the slot network contradicts, the slot is never free."""
    low, high = band
    state: Seen
    if occupied >= high:
        state, sure = "occupied", occupied
    elif occupied <= low and not straddling and not contradicted:
        state, sure = "free", 1 - occupied
    else:
        state, sure = "unknown", max(occupied, 1 - occupied)
    return Observation(
        slot_id=slot_id, state=state, confidence=unit(sure), straddling=list(straddling)
    )


def without_hidden(seen: Sequence[Observation], blank: Sequence[float]) -> list[Observation]:
    """Return the observations, with slots unknown where much of their box shows nothing at all:
    behind a leaf or snow on the lens, in a lamp's glare, or in the dark."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if share > (FREE_HIDDEN_FROM if one.state == "free" else HIDDEN_FROM)
        else one
        for one, share in zip(seen, blank, strict=True)
    ]


def without_blurred(seen: Sequence[Observation], unseen: Collection[str]) -> list[Observation]:
    """Return the observations, with slots behind a blurred part of the lens unknown, whatever their
    last result."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if one.slot_id in unseen
        else one
        for one in seen
    ]


def unit(value: float) -> float:
    """Clamp to 0..1, rounded to four places."""
    return round(min(max(value, 0.0), 1.0), 4)
