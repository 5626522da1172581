"""From a slot's probability to its observation."""

from collections.abc import Collection, Sequence
from typing import Final

from parking.events import Observation

HIDDEN_FROM: Final = 0.5
"""Share of a slot's box that must show nothing; see parking.imagehealth.blank_shares."""
FREE_HIDDEN_FROM: Final = 0.35
"""The same for a slot that seems free: what shows nothing may hide a vehicle, while a vehicle that
is seen stands there."""


def observation(slot_id: str, occupied: float, band: tuple[float, float]) -> Observation:
    """Within the band nobody knows, and the confidence is how near it came to knowing."""
    low, high = band
    if occupied >= high:
        return Observation(slot_id=slot_id, state="occupied", confidence=unit(occupied))
    if occupied <= low:
        return Observation(slot_id=slot_id, state="free", confidence=unit(1 - occupied))
    sure = unit(max(occupied, 1 - occupied))
    return Observation(slot_id=slot_id, state="unknown", confidence=sure)


def without_hidden(seen: Sequence[Observation], blank: Sequence[float]) -> list[Observation]:
    """The observations, unknown where much of a slot's box shows nothing at all: behind a leaf or
    snow on the lens, in a lamp's glare, in the dark."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if share > (FREE_HIDDEN_FROM if one.state == "free" else HIDDEN_FROM)
        else one
        for one, share in zip(seen, blank, strict=True)
    ]


def without_blurred(seen: Sequence[Observation], unseen: Collection[str]) -> list[Observation]:
    """The observations, unknown of the slots that lie behind a blurred part of the lens, whatever
    was said of them before it was."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if one.slot_id in unseen
        else one
        for one in seen
    ]


def unit(value: float) -> float:
    """Held within 0..1, to four places."""
    return round(min(max(value, 0.0), 1.0), 4)
