"""The change gate's way from pictures to views, and what it holds of each camera."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from parking.events import Box, LayoutSlot, Observation
from parking.gating import PATCH_PX, Limits, Memory, View, reason_to_search, repeated, searched
from services.detector.model import Picture

_SCENE_WH = (32, 18)


@dataclass(frozen=True, slots=True)
class Held:
    """The last inference's result for a camera, and by which view it was made. `frame_id`: the
    frame that was searched."""

    memory: Memory
    frame_id: str
    boxes: list[Box]
    observations: list[Observation]

    def again(self) -> "Held":
        """After one more picture that it answered."""
        return replace(self, memory=repeated(self.memory))


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate says of one picture: its view, and the result that holds for it too, if any."""

    view: View
    held: Held | None

    def searched(
        self, frame_id: str, found: tuple[list[Box], list[Observation]], earlier: Held | None
    ) -> Held:
        """What to hold after the picture was searched."""
        boxes, observations = found
        states = tuple(seen.state for seen in observations)
        memory = searched(self.view, states, earlier.memory if earlier else None)
        return Held(memory, frame_id, boxes, observations)


def gated(view: View, earlier: Held | None, limits: Limits) -> Gated:
    """Whether what is held of the camera holds for this view too."""
    reason = reason_to_search(view, earlier.memory if earlier else None, limits)
    return Gated(view, None if reason else earlier)


def view_of(grey: Picture, slots: Sequence[LayoutSlot], context: Hashable) -> View:
    """The slots' patches, from the small grey picture that the health check looks at: the
    rectangle about each outline."""
    height, width = grey.shape
    patches = np.empty((len(slots), PATCH_PX, PATCH_PX), np.float32)
    for patch, slot in zip(patches, slots, strict=True):
        corners = np.asarray(slot.polygon) * (width, height)
        x0, y0 = np.floor(corners.min(axis=0)).astype(int)
        x1, y1 = np.ceil(corners.max(axis=0)).astype(int)
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        crop = grey[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].astype(np.float32)
        patch[:] = cv2.resize(crop, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA)
    scene = cv2.resize(grey, _SCENE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
    return View(patches, scene, context)
