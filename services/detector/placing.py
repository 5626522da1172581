"""Looks for cameras that were moved: pictures against their layout's reference picture."""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from msgspec.structs import replace as changed

from parking.bands import explains
from parking.events import ImageHealth, LayoutPublished
from parking.imagehealth import Grey, Look, Measured, Thresholds, limits_for, measured
from parking.placement import step
from parking.reference import read_reference
from parking.registration import Move, Reference, edges, register
from services.detector.bounded import keep

REFERENCES_KEPT: Final = 64
"""Prepared references, about 2 MB each; another one is prepared again in some milliseconds."""

_TORN: Final = "some of its rows lie beside where the layout's reference picture shows them"


class Placing:
    """The references in use. Used by the model's thread only."""

    def __init__(self) -> None:
        self._references: OrderedDict[tuple[str, int], Reference | None] = OrderedDict()
        self._usual: OrderedDict[str, Measured] = OrderedDict()

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
        `width_px` is the picture's, for the words; `jumped`: see `placement.step`. Outlines are
        shares of the picture, so one of another shape than the reference's is scaled to that: a
        squeezed one fits, one that was cut, turned or given bars does not, and only what is seen to
        fit is believed."""
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
        elif place.moved or (other and place.settled is None):
            health = changed(health, status="moved", reason=place.words(width_px))
        return health, replace(look, place=place, unplaced=0)

    def picture_of(self, layout: LayoutPublished | None) -> Grey | None:
        """The layout's reference picture, small and grey; None without one."""
        reference = self._reference(layout) if layout and layout.reference else None
        return reference.grey if reference else None

    def limits(self, layout: LayoutPublished | None, limits: Thresholds) -> Thresholds:
        """The limits of health for this camera, by what its reference picture shows."""
        reference = self._reference(layout) if layout and layout.reference else None
        if reference is None or layout is None:
            return limits
        usual = self._usual.get(layout.id)
        if usual is None or usual.grey is not reference.grey:
            usual = measured(reference.grey)
        keep(self._usual, layout.id, usual, REFERENCES_KEPT)
        return limits_for(usual, limits)

    def explains(self, layout: LayoutPublished, grey: Grey) -> bool:
        """Whether the camera was moved: then all of the picture lies elsewhere, in one way."""
        reference = self._reference(layout)
        if reference is None or reference.grey.shape != grey.shape:
            return False
        field = edges(grey)
        found = register(reference, grey, field)
        return isinstance(found, Move) and explains(reference, field, found)

    def same_shape(self, layout: LayoutPublished, grey: Grey) -> bool:
        """Whether a grey picture has the shape of the layout's reference, if that has one."""
        reference = self._reference(layout)
        return reference is None or reference.grey.shape == grey.shape

    def _reference(self, layout: LayoutPublished) -> Reference | None:
        data = layout.reference or b""
        key = (layout.id, hash(data))
        known = self._references[key] if key in self._references else read_reference(data)
        keep(self._references, key, known, REFERENCES_KEPT)
        return known
