"""Detect cameras that were moved: compare pictures with their layout's reference picture."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from msgspec.structs import replace as changed

from parking.core.events import ImageHealth, LayoutPublished
from parking.vision.bands import explains
from parking.vision.imagehealth import Grey, Look, Measured, Thresholds, limits_for, measured
from parking.vision.placement import step
from parking.vision.reference import read_reference
from parking.vision.registration import Move, Reference, edges, register
from parking.vision.turnsearch import find_turn, sides_swapped, turn_words
from services.detector.bounded import keep

REFERENCES_KEPT: Final = 64
"""The number of cached references, about 2 MB each. A dropped one is prepared again within
milliseconds."""

_TORN: Final = "some of its rows are displaced from where the layout's reference picture shows them"
_SET_UP: Final = "set the camera up again, or turn its pictures back in the cameras file"
_LONGEST_WAIT: Final = 64


@dataclass(slots=True)
class _Turn:
    """How a moved camera is turned, in words; None if that is not known. The search is expensive,
    so it is repeated only after 1, 2, 4 .. 64 pictures."""

    words: str | None = None
    wait: int = 1
    pictures: int = 0


class Placing:
    """The references in use. Only the model's thread uses them."""

    def __init__(self) -> None:
        self._references: OrderedDict[tuple[str, int], Reference | None] = OrderedDict()
        self._usual: OrderedDict[str, Measured] = OrderedDict()
        self._turns: OrderedDict[str, _Turn] = OrderedDict()

    def judge(
        self,
        layout: LayoutPublished,
        width_px: int,
        health: ImageHealth,
        look: Look,
        *,
        jumped: bool = False,
    ) -> tuple[ImageHealth, Look]:
        """Return a healthy picture's health and look, with what is known about the camera's
        direction. `width_px` is the picture's width, for messages; for `jumped` see
        `placement.step`. Outlines are relative to the picture, so a picture of another shape is
        scaled to the reference's shape. A squeezed picture fits; one that was cropped, rotated or
        letterboxed does not. Only a visible fit counts."""
        reference = self._reference(layout)
        if reference is None:
            return health, look
        shape, grey = look.grey.shape, look.grey
        other = shape != reference.grey.shape
        if other:
            grey = np.asarray(
                cv2.resize(grey, reference.size_wh, interpolation=cv2.INTER_AREA), np.uint8
            )
        known = look.place if look.place and look.place.shape == shape else None
        place = step(reference, layout.id, grey, known, look.unplaced, jumped=jumped)
        place = replace(place, shape=shape)
        if place.torn:
            health = changed(health, status="damaged", reason=_TORN)
        elif place.moved or place.settled is None:
            words = self._turned(layout, reference, look.grey, place.move)
            place = replace(place, lost=place.lost or (words is not None and not place.move))
            if place.moved or other:
                health = changed(health, status="moved", reason=words or place.words(width_px))
        else:
            self._turns.pop(layout.id, None)
        return health, replace(look, place=place, unplaced=0)

    def _turned(
        self, layout: LayoutPublished, reference: Reference, grey: Grey, move: Move | None
    ) -> str | None:
        """Return the reason to report for a camera that is turned, whether it was turned just now
        or has been out of place before; None if it is not known to be turned."""
        turn = self._turns.get(layout.id) or _Turn()
        keep(self._turns, layout.id, turn, REFERENCES_KEPT)
        turn.pictures += 1
        if turn.words is None and turn.pictures >= turn.wait:
            turn.wait, turn.pictures = min(2 * turn.wait, _LONGEST_WAIT), 0
            back = find_turn(reference, grey, move)
            turn.words = f"{turn_words(back)}: {_SET_UP}" if back else None
        if turn.words is None and sides_swapped(reference, grey):
            return f"width and height are swapped, as if turned by 90 degrees: {_SET_UP}"
        return turn.words

    def picture_of(self, layout: LayoutPublished | None) -> Grey | None:
        """Return the layout's reference picture, small and grey; None if it has none."""
        reference = self._reference(layout) if layout and layout.reference else None
        return reference.grey if reference else None

    def limits(self, layout: LayoutPublished | None, limits: Thresholds) -> Thresholds:
        """Return the health limits for this camera, derived from its reference picture."""
        usual = self.measured(layout)
        return limits_for(usual, limits) if usual else limits

    def measured(self, layout: LayoutPublished | None) -> Measured | None:
        """Return the measured reference picture of the layout, or None if it has none."""
        reference = self._reference(layout) if layout and layout.reference else None
        if reference is None or layout is None:
            return None
        usual = self._usual.get(layout.id)
        if usual is None or usual.grey is not reference.grey:
            usual = measured(reference.grey)
        keep(self._usual, layout.id, usual, REFERENCES_KEPT)
        return usual

    def explains(self, layout: LayoutPublished, grey: Grey) -> bool:
        """Return whether the camera was moved, that is, whether the whole picture is shifted in the
        same way."""
        reference = self._reference(layout)
        if reference is None or reference.grey.shape != grey.shape:
            return False
        field = edges(grey)
        found = register(reference, grey, field)
        return isinstance(found, Move) and explains(reference, field, found)

    def same_shape(self, layout: LayoutPublished, grey: Grey) -> bool:
        """Return whether a grey picture has the shape of the layout's reference, if there is
        one."""
        reference = self._reference(layout)
        return reference is None or reference.grey.shape == grey.shape

    def _reference(self, layout: LayoutPublished) -> Reference | None:
        data = layout.reference or b""
        key = (layout.id, hash(data))
        known = self._references[key] if key in self._references else read_reference(data)
        keep(self._references, key, known, REFERENCES_KEPT)
        return known
