"""Choose the size of the model's input for a camera, from its slots' size in the picture. Pure.

Measured on six public sets at 480 to 1280 px (docs/decisions/0011, 0014, 0018), a slot is judged
better the more pixels of height it has at the input, up to about 40. Beyond that, a larger input
only costs time, so it is used only for pictures in doubt (services/detector/closer.py). The
smallest ten percent of slots are left out, so that a few at the far edge do not slow down all
others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parking.core.events import LayoutPublished, LayoutSlot

SLOT_NEEDS_PX: Final = 40
"""The height that a slot must have at the model's input."""

LEFT_OUT_PERCENT: Final = 10
SMALLEST_PX: Final = 480
LARGEST_PX: Final = 1280
STEP_PX: Final = 32
UNSEEN_PX: Final = 640
"""Used if there are no slots, because the size of the vehicles is then unknown."""

CROP_NEEDS_PX: Final = 64
"""The long side that a slot must keep in a picture decoded at half size."""


@dataclass(frozen=True, slots=True)
class InputSize:
    """The input's long side with the reason, for an operator. `automatic` means chosen here, not
    set."""

    size_px: int
    automatic: bool
    reason: str


def input_size(layout: LayoutPublished | None, size_wh: tuple[int, int]) -> InputSize:
    """The size set in the layout, or the one that its slots need in a picture of `size_wh`
    pixels."""
    if layout is not None and layout.input_size_px:
        return InputSize(layout.input_size_px, False, "set by an operator")
    heights = _sides(enabled(layout), size_wh)[:, 1]
    if not len(heights):
        return InputSize(UNSEEN_PX, True, "the camera has no slots yet")
    small_px = float(np.percentile(heights, LEFT_OUT_PERCENT))
    wanted = SLOT_NEEDS_PX * max(size_wh) / max(small_px, 1e-3)
    size_px = int(-(-min(max(wanted, SMALLEST_PX), LARGEST_PX) // STEP_PX)) * STEP_PX
    left_px = small_px * size_px / max(size_wh)
    reason = (
        f"its smaller spaces are {small_px:.0f} px high in the picture, {left_px:.0f} px at this "
        f"size; "
    )
    reason += f"the model needs {SLOT_NEEDS_PX}"
    if wanted > LARGEST_PX:
        reason += ", but larger sizes are not worth the time"
    return InputSize(size_px, True, reason)


def half_is_enough(layout: LayoutPublished | None, size_wh: tuple[int, int], size_px: int) -> bool:
    """Whether the picture may be decoded at half size. The input must be no larger than that, and
    each slot must keep `CROP_NEEDS_PX` on its long side for the slot network."""
    if size_px > max(size_wh) // 2:
        return False
    sides = _sides(enabled(layout), size_wh)
    return not len(sides) or float(sides.max(axis=1).min()) / 2 >= CROP_NEEDS_PX


def enabled(layout: LayoutPublished | None) -> list[LayoutSlot]:
    """The enabled slots, or none without a layout."""
    return [slot for slot in layout.slots if slot.enabled] if layout else []


def _sides(slots: Sequence[LayoutSlot], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """Width and height of the rectangle around each slot, [S, 2], in pixels."""
    spans = [np.ptp(np.asarray(slot.polygon, np.float64), axis=0) for slot in slots]
    return np.asarray(spans, np.float64).reshape(-1, 2) * size_wh
