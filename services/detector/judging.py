"""From vehicles and slots to one observation a slot."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from parking.events import LayoutSlot, Observation
from parking.geometry import match_boxes
from parking.ports import Boxes
from services.detector.crops import Picture
from services.detector.model import Facts
from services.detector.slotnet import SlotNet

HIDDEN_FROM: Final = 0.5
"""Share of a slot's box that must show nothing; see parking.imagehealth.blank_shares."""


class Judge:
    """Says of each slot what it is: by the boxes alone, or by boxes and slot network together."""

    def __init__(self, facts: Facts, slotnet: SlotNet | None) -> None:
        self._facts = facts
        self._slotnet = slotnet

    def observe(
        self, picture: Picture, found: Boxes, slots: Sequence[LayoutSlot]
    ) -> list[Observation]:
        """One observation a slot, in order. `picture` is BGR, of any size; boxes and slots are
        normalised."""
        outlines = [np.asarray(slot.polygon, np.float64) for slot in slots]
        matches = match_boxes(found.xyxy, found.scores, outlines)
        scores = matches.scores.tolist()
        if self._slotnet is None:
            return [
                self._by_boxes(s.slot_id, score) for s, score in zip(slots, scores, strict=True)
            ]
        logits = self._slotnet.logits(picture, outlines).tolist()
        opinions = zip(slots, scores, logits, matches.covered.tolist(), strict=True)
        return [self._together(self._slotnet, slot.slot_id, opinion) for slot, *opinion in opinions]

    def _by_boxes(self, slot_id: str, score: float) -> Observation:
        occupied = self._facts.probability(score)
        if score >= self._facts.threshold:
            return Observation(slot_id=slot_id, state="occupied", confidence=unit(occupied))
        return Observation(slot_id=slot_id, state="free", confidence=unit(1 - occupied))

    @staticmethod
    def _together(slotnet: SlotNet, slot_id: str, opinion: Sequence[float]) -> Observation:
        """Within the band nobody knows, and the confidence is how near it came to knowing."""
        fusion = slotnet.fusion
        occupied = fusion.probability(*opinion)
        sure = unit(max(occupied, 1 - occupied))
        if fusion.low < occupied < fusion.high:
            return Observation(slot_id=slot_id, state="unknown", confidence=sure)
        return Observation(
            slot_id=slot_id,
            state="occupied" if occupied >= fusion.high else "free",
            confidence=sure,
        )


def without_hidden(seen: Sequence[Observation], blank: Sequence[float]) -> list[Observation]:
    """The observations, unknown where more than half of a slot's box shows nothing at all: behind
    a leaf or snow on the lens, in a lamp's glare, in the dark."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if share > HIDDEN_FROM
        else one
        for one, share in zip(seen, blank, strict=True)
    ]


def unit(value: float) -> float:
    """Held within 0..1, to four places."""
    return round(min(max(value, 0.0), 1.0), 4)
