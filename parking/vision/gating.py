"""Find the slots that have changed since they were judged. Pure.

Each slot's patch is compared in two ways with the same patch on the frame on which that slot was
judged. Its *pattern* (grey levels minus their mean, divided by their spread) ignores brightness and
contrast, so a cloud or a changed exposure does not count as a change. Its *level* (mean, relative
to the whole scene's change in brightness) shows what a pattern cannot, such as a plain roof over
plain tarmac. Only the part of a patch inside the slot's outline counts, so people and trees next to
it have no effect.

A patch is compared with the judged frame, not with the last frame, so slow changes add up. A
judgement is repeated only after two in a row agreed. Otherwise a single mistake, if repeated, would
pass the tracker's hysteresis, which relies on independent observations.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32]

PATCH_PX: Final = 12
"""Side length of a slot's patch. Each pixel is the mean of the area it covers."""

UNKNOWN: Final = "unknown"
"""The state that never counts as settled."""

_CELL_PX: Final = 4
_CELLS: Final = PATCH_PX // _CELL_PX
_CELL_COUNTS_FROM: Final = 0.25
"""Share of a cell that must be inside the slot's outline for the cell to count."""
_SPREAD_FLOOR: Final = 8.0  # grey levels; a lower spread is noise, not a pattern
_LEVEL_FLOOR: Final = 8.0  # grey levels; keeps ratios of nearly black means stable
_FULL_EACH: Final = 4  # every 4th judgement that agrees is a full one
_FULL_EACH_CHANGED: Final = 16  # the same for a slot whose patch changed, which is more frequent
_STAGGER: Final = 10  # pictures over which refreshes of slots judged together are spread out


@dataclass(frozen=True, slots=True)
class Limits:
    """When a patch counts as changed, and how long a judgement may be repeated."""

    pattern: float = 0.15
    """Mean difference of a cell (a ninth of a patch), in spreads of the patch."""
    level: float = 0.05
    """Change of a patch's mean beyond the scene's, as a share."""
    refresh_after: int = 20
    """How many pictures may repeat one judgement, plus up to `_STAGGER` depending on the slot's
    number."""
    agreeing: int = 2
    """Judgements in a row that must agree before they are repeated."""
    unknown_after: int = 4
    """Pictures after which an unknown slot is judged again."""


@dataclass(frozen=True, slots=True)
class View:
    """The content of a picture: the `patches` [S, PATCH_PX, PATCH_PX] of its slots, with the share
    of each pixel inside the outline (`weights`, same shape), and the whole `scene` [K] at low
    resolution, in grey levels 0..255. Two views are comparable only if their `context` (layout,
    picture size) is equal."""

    patches: Floats
    weights: Floats
    scene: Floats
    context: Hashable


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered about a camera. For each slot, from the frame on which it was judged: its
    patch [S, P, P] and the scene [S, K], its state, how many judgements in a row agreed, and how
    many pictures have repeated it."""

    patches: Floats
    scenes: Floats
    states: tuple[str, ...]
    agreed: Counts
    repeats: Counts
    context: Hashable


@dataclass(frozen=True, slots=True)
class Due:
    """Why slots must be judged, [S] each. `changed`: the patch differs, or nothing is known about
    it. `unsettled`: the slot was judged only once so far, or has been unknown for some pictures.
    `refresh`: it was judged too many pictures ago. `confirm`: it is enough if the slot network
    answers as before, because a shadow changes a patch but not the answer. `confirm` is never set
    for an unknown slot, or for one with a changed patch that was judged only once. It is not set
    every time, or a mistake would be kept for ever."""

    changed: Flags
    unsettled: Flags
    refresh: Flags
    confirm: Flags

    @property
    def urgent(self) -> Flags:
        """[S]: the slots whose earlier judgement no longer counts as evidence."""
        return self.changed | self.unsettled

    @property
    def any(self) -> Flags:
        """[S]: the slots that must be judged for any reason."""
        return self.urgent | self.refresh


def due_slots(view: View, memory: Memory | None, limits: Limits = Limits()) -> Due:
    """The slots of this picture to judge. Without a memory, or in another context, all count as
    changed."""
    count = len(view.patches)
    memory = _comparable(memory, view)
    if memory is None:
        no = np.zeros(count, np.bool_)
        return Due(np.ones(count, np.bool_), no, no, no)
    changed = changed_slots(view, memory.patches, memory.scenes, limits)
    unknown = np.array([state == UNKNOWN for state in memory.states], np.bool_)
    open_again = unknown & (memory.repeats >= limits.unknown_after)
    unsettled = ~changed & ((memory.agreed < limits.agreeing) | open_again)
    allowed = limits.refresh_after + np.arange(count) % _STAGGER
    refresh = ~changed & ~unsettled & (memory.repeats >= allowed)
    each = np.where(changed, _FULL_EACH_CHANGED, _FULL_EACH)
    confirm = ~unknown & (~changed | (memory.agreed >= limits.agreeing))
    confirm &= memory.agreed % each != 0
    return Due(changed, unsettled, refresh, confirm)


def remember(view: View, memory: Memory | None, judged: Flags, states: Sequence[str]) -> Memory:
    """What to remember after a picture on which the slots `judged` [S] were judged. `states` are
    those of all slots as now reported. Slots that were not judged repeat what was remembered."""
    memory = _comparable(memory, view)
    if memory is None:
        ones = np.ones(len(judged), np.int32)
        scenes = np.tile(view.scene, (len(judged), 1))
        return Memory(view.patches, scenes, tuple(states), ones, np.zeros_like(ones), view.context)
    same = np.array([a == b for a, b in zip(states, memory.states, strict=True)], np.bool_)
    again = np.where(same, memory.agreed + 1, 1)
    mask = judged[:, None]
    return Memory(
        np.where(mask[..., None], view.patches, memory.patches),
        np.where(mask, view.scene, memory.scenes),
        tuple(states),
        np.where(judged, again, memory.agreed).astype(np.int32),
        np.where(judged, 0, memory.repeats + 1).astype(np.int32),
        view.context,
    )


def changed_slots(
    now: View, then_patches: Floats, then_scenes: Floats, limits: Limits = Limits()
) -> Flags:
    """The slots whose patches [S] differ from the judged ones by more than light and noise
    explain."""
    if not len(now.patches):
        return np.zeros(0, np.bool_)
    weights = now.weights
    difference = _pattern(now.patches, weights) - _pattern(then_patches, weights)
    patterns = np.abs(_cells(difference, weights)).max(axis=(1, 2))
    light = _light(now.scene, then_scenes)
    levels = np.abs(_levels(now.patches, weights) - _levels(then_patches, weights) - light)
    changed: Flags = (patterns > limits.pattern) | (levels > limits.level)
    return changed


def _comparable(memory: Memory | None, view: View) -> Memory | None:
    """The memory, if the view can be compared with it."""
    if memory is None or memory.context != view.context:
        return None
    return memory if len(memory.patches) == len(view.patches) else None


def _mean(patches: Floats, weights: Floats) -> Floats:
    """Return [S, 1, 1]: the mean inside the outline."""
    total = np.maximum(weights.sum(axis=(1, 2), keepdims=True), np.float32(1e-6))
    return np.asarray((patches * weights).sum(axis=(1, 2), keepdims=True) / total, np.float32)


def _pattern(patches: Floats, weights: Floats) -> Floats:
    """Each patch minus its mean, in units of its spread."""
    centred = patches - _mean(patches, weights)
    spread = np.sqrt(_mean(np.square(centred), weights))
    return np.asarray(centred / np.maximum(spread, np.float32(_SPREAD_FLOOR)), np.float32)


def _cells(patches: Floats, weights: Floats) -> Floats:
    """Means over cells of `_CELL_PX` squared. Noise averages out, but the corner of a car does not.
    A cell mostly outside the outline is 0."""
    shape = (-1, _CELLS, _CELL_PX, _CELLS, _CELL_PX)
    total = weights.reshape(shape).sum(axis=(2, 4))
    sums = (patches * weights).reshape(shape).sum(axis=(2, 4))
    counts = total >= np.float32(_CELL_COUNTS_FROM * _CELL_PX**2)
    means: Floats = np.where(counts, sums / np.maximum(total, np.float32(1e-6)), np.float32(0))
    return means


def _levels(patches: Floats, weights: Floats) -> Floats:
    """Return [S]: the logarithm of each patch's mean, so that a gain becomes an offset."""
    means = _mean(patches, weights)[:, 0, 0]
    return np.asarray(np.log(means + np.float32(_LEVEL_FLOOR)), np.float32)


def _light(now: Floats, then: Floats) -> Floats:
    """Return [S]: how much brighter the whole scene has become (logarithm) since each slot's frame.
    Vehicles cover few of its points, so they do not affect the median."""
    floor = np.float32(_LEVEL_FLOOR)
    ratios = np.log(now + floor) - np.log(then + floor)
    return np.asarray(np.median(ratios, axis=1), np.float32)
