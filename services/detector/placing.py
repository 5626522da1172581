"""Looks for cameras that were moved: pictures against their layout's reference picture."""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from msgspec.structs import replace as changed

from parking.events import ImageHealth, LayoutPublished
from parking.imagehealth import Look
from parking.placement import step
from parking.reference import read_reference
from parking.registration import Reference
from services.detector.bounded import keep

REFERENCES_KEPT: Final = 64
"""Prepared references, about 2 MB each; another one is prepared again in some milliseconds."""


class Placing:
    """The references in use. Used by the model's thread only."""

    def __init__(self) -> None:
        self._references: OrderedDict[tuple[str, int], Reference | None] = OrderedDict()

    def judge(
        self,
        layout: LayoutPublished,
        width_px: int,
        health: ImageHealth,
        look: Look,
        *,
        jumped: bool = False,
    ) -> tuple[ImageHealth, Look]:
        """A healthy picture's health and look, with what is known of where the camera looks.
        `width_px` is the picture's, for the words; `jumped`: see `placement.step`. A picture of
        another shape than the reference's is not compared: it was not the camera that changed, and
        outlines are shares of it."""
        reference = self._reference(layout)
        if reference is None or look.grey.shape != reference.grey.shape:
            return health, look
        skipped = look.unplaced
        place = step(reference, layout.id, look.grey, look.place, skipped, jumped=jumped)
        if place.moved:
            health = changed(health, status="moved", reason=place.words(width_px))
        return health, replace(look, place=place, unplaced=0)

    def _reference(self, layout: LayoutPublished) -> Reference | None:
        data = layout.reference or b""
        key = (layout.id, hash(data))
        known = self._references[key] if key in self._references else read_reference(data)
        keep(self._references, key, known, REFERENCES_KEPT)
        return known
