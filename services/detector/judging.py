"""From vehicles and slots to one observation a slot."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from parking.events import LayoutSlot, Observation
from parking.geometry import match_boxes
from parking.ports import Boxes
from services.detector.closer import CLOSER_PX, Search, in_doubt, together
from services.detector.crops import Picture
from services.detector.model import Facts
from services.detector.slotnet import SlotNet, doubtful_band

HIDDEN_FROM: Final = 0.5
"""Share of a slot's box that must show nothing; see parking.imagehealth.blank_shares."""
FREE_HIDDEN_FROM: Final = 0.35
"""The same for a slot that seems free: what shows nothing may hide a vehicle, while a vehicle that
is seen stands there."""


class Judge:
    """Says of each slot what it is: by the boxes alone, or by boxes and slot network together."""

    def __init__(self, facts: Facts, slotnet: SlotNet | None) -> None:
        self._facts = facts
        self._slotnet = slotnet

    def observe(
        self,
        picture: Picture,
        found: Boxes,
        slots: Sequence[LayoutSlot],
        closer: Search | None = None,
    ) -> list[Observation]:
        """One observation a slot, in order. `picture` is BGR, of any size; boxes and slots are
        normalised. `closer` searches the picture again where a slot is in doubt."""
        outlines = [np.asarray(slot.polygon, np.float64) for slot in slots]
        first = match_boxes(found.xyxy, found.scores, outlines)
        if self._slotnet is None or not slots:
            return [
                self._by_boxes(s.slot_id, score)
                for s, score in zip(slots, first.scores.tolist(), strict=True)
            ]
        fusion = self._slotnet.fusion
        logits = self._slotnet.logits(picture, outlines)
        chances = fusion.probabilities(together([first], [logits]))
        if closer is not None and in_doubt(chances):
            again = [closer(size_px) for size_px in CLOSER_PX]
            looks = [first, *(match_boxes(one.xyxy, one.scores, outlines) for one in again)]
            mirrored = self._slotnet.logits(picture, outlines, mirrored=True)
            chances = fusion.probabilities(together(looks, [logits, mirrored]))
        band = doubtful_band(fusion, chances)
        return [
            _told(slot.slot_id, occupied, band)
            for slot, occupied in zip(slots, chances, strict=True)
        ]

    def _by_boxes(self, slot_id: str, score: float) -> Observation:
        occupied = self._facts.probability(score)
        if score >= self._facts.threshold:
            return Observation(slot_id=slot_id, state="occupied", confidence=unit(occupied))
        return Observation(slot_id=slot_id, state="free", confidence=unit(1 - occupied))


def _told(slot_id: str, occupied: float, band: tuple[float, float]) -> Observation:
    """Within the band nobody knows, and the confidence is how near it came to knowing."""
    low, high = band
    sure = unit(max(occupied, 1 - occupied))
    if low < occupied < high:
        return Observation(slot_id=slot_id, state="unknown", confidence=sure)
    state: Literal["occupied", "free"] = "occupied" if occupied >= high else "free"
    return Observation(slot_id=slot_id, state=state, confidence=sure)


def without_hidden(seen: Sequence[Observation], blank: Sequence[float]) -> list[Observation]:
    """The observations, unknown where much of a slot's box shows nothing at all: behind a leaf or
    snow on the lens, in a lamp's glare, in the dark."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if share > (FREE_HIDDEN_FROM if one.state == "free" else HIDDEN_FROM)
        else one
        for one, share in zip(seen, blank, strict=True)
    ]


def unit(value: float) -> float:
    """Held within 0..1, to four places."""
    return round(min(max(value, 0.0), 1.0), 4)
