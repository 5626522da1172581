"""A layout applied to pictures of one size: outlines, patches, and the scale of slots."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parking.core.events import LayoutPublished, LayoutSlot
from parking.vision.imagehealth import Grey, measured
from parking.vision.inputsize import SLOT_NEEDS_PX, SMALLEST_PX, enabled, half_is_enough, input_size
from parking.vision.lens import surroundings, tiles
from services.detector.bounded import keep
from services.detector.patches import Grid, grid_of

CLOSER_PX: Final = 1600
"""A closer look shows slots at the scale they would have in a whole picture with this long side."""
KEPT: Final = 1024
_TILES: Final = (6, 4)
"""Without slots the whole picture is checked for changes, in this many parts."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A layout's enabled slots in pictures of `size_wh` pixels. `outlines` are normalised, [K, 2]
    each. `watched` is what the change gate compares: the slots, or parts of the picture if there
    are no slots. `size_px` is the long side of the vehicle model's input for a whole picture.
    `scales` [S] says how much larger than in the picture each slot is shown to the model,
    `closer_scales` [S] the same for a closer look. `halve` means decoding at half the size."""

    layout: LayoutPublished | None
    size_wh: tuple[int, int]
    slots: list[LayoutSlot]
    outlines: list[NDArray[np.float64]]
    watched: list[LayoutSlot]
    size_px: int
    scales: NDArray[np.float64]
    closer_scales: NDArray[np.float64]
    halve: bool


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """`places` [S, 4] are the slots' surroundings in a small grey picture, in pixels; `parts` [N,
    4] cover the whole picture; `usual` [S, 2] are the values of the surroundings in the reference
    picture, as `Fine.over` returns them."""

    places: NDArray[np.float64]
    parts: NDArray[np.float64]
    usual: NDArray[np.float64] | None


class Grounds:
    """The grounds and patch grids in use, one per camera and picture size; bounded."""

    def __init__(self, size_px: int = 0) -> None:
        self._size_px = size_px
        self._grounds: OrderedDict[Hashable, Ground] = OrderedDict()
        self._grids: OrderedDict[Hashable, tuple[Ground, Grid]] = OrderedDict()
        self._around: OrderedDict[Hashable, tuple[Ground, Around]] = OrderedDict()

    def of(self, layout: LayoutPublished | None, size_wh: tuple[int, int]) -> Ground:
        """Return the ground for pictures of `size_wh` pixels. It is the same object while the
        layout is the same."""
        key = (layout and layout.camera_id, size_wh)
        known = self._grounds.get(key)
        if known is None or not (known.layout is layout or known.layout == layout):
            known = ground_of(layout, size_wh, self._size_px)
        keep(self._grounds, key, known, KEPT)
        return known

    def grid(self, ground: Ground, grey_wh: tuple[int, int]) -> Grid:
        """Return the positions of the patches in the small grey picture."""
        key = (ground.layout and ground.layout.camera_id, ground.size_wh, grey_wh)
        known = self._grids.get(key)
        if known is None or known[0] is not ground:
            known = (ground, grid_of(ground.watched, grey_wh))
        keep(self._grids, key, known, KEPT)
        return known[1]

    def around(self, ground: Ground, grey_wh: tuple[int, int], reference: Grey | None) -> Around:
        """Return each slot's surroundings in the small grey picture, and their values in the
        layout's reference picture."""
        key = (ground.layout and ground.layout.camera_id, ground.size_wh, grey_wh)
        known = self._around.get(key)
        if known is None or known[0] is not ground:
            known = (ground, around_of(ground, grey_wh, reference))
        keep(self._around, key, known, KEPT)
        return known[1]


def around_of(ground: Ground, grey_wh: tuple[int, int], reference: Grey | None) -> Around:
    """Return the slots' surroundings; without a reference picture there are no usual values."""
    usual = None
    if reference is not None:
        fine = measured(reference).fine
        places = surroundings(ground.outlines, (reference.shape[1], reference.shape[0]))
        usual = fine.over(places) if fine is not None else None
    return Around(surroundings(ground.outlines, grey_wh), tiles(grey_wh), usual)


def ground_of(layout: LayoutPublished | None, size_wh: tuple[int, int], size_px: int) -> Ground:
    """Return a layout's ground. `size_px` is the long side of the vehicle model's input where the
    layout sets none; 0 chooses it as needed."""
    slots = enabled(layout)
    named = layout.input_size_px if layout else None
    wanted = named or size_px or input_size(layout, size_wh).size_px
    whole = wanted / max(size_wh)
    outlines = [np.asarray(slot.polygon, np.float64) for slot in slots]
    tall_px = np.array([np.ptp(outline[:, 1]) * size_wh[1] for outline in outlines])
    scales = np.full(len(slots), whole)
    if not (named or size_px) and len(slots):
        least = min(whole, SMALLEST_PX / max(size_wh))
        scales = np.clip(SLOT_NEEDS_PX / np.maximum(tall_px, 1e-3), least, whole)
    return Ground(
        layout,
        size_wh,
        slots,
        outlines,
        slots or _tiles(),
        wanted,
        scales,
        np.full(len(slots), max(CLOSER_PX, wanted) / max(size_wh)),
        half_is_enough(layout, size_wh, wanted),
    )


def _tiles() -> list[LayoutSlot]:
    across, down = _TILES
    return [
        LayoutSlot(
            slot_id=f"{x}-{y}",
            zone_id="picture",
            polygon=[
                (x / across, y / down),
                ((x + 1) / across, y / down),
                ((x + 1) / across, (y + 1) / down),
                (x / across, (y + 1) / down),
            ],
        )
        for y in range(down)
        for x in range(across)
    ]
