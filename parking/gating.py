"""Has anything happened in a camera's slots since they were last searched? Pure.

Each slot's patch is compared with the same patch at the last inference, in two ways. Its *pattern*
(grey levels less their mean, over their spread) does not notice brightness and contrast, so a cloud
or a changed exposure is no change. Its *level* (mean, against how the whole scene's brightness
moved) notices what a pattern cannot: a plain roof over plain tarmac.

What is compared stays the view of the last inference, not of the last picture, so that slow changes
add up. A result is repeated only once two inferences in a row said the same: otherwise one mistaken
inference, repeated, would pass the tracker's hysteresis, which asks for observations of their own.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reason = Literal["first", "context", "unsettled", "refresh", "changed"]
"""Why a picture is searched: nothing is known of the camera; layout, health or size are others; the
last two inferences differ; the last one is too many pictures ago; something changed in a slot."""

PATCH_PX: Final = 12
"""Side of a slot's patch; each pixel is the mean of what it covers."""

_CELL_PX: Final = 4
_SPREAD_FLOOR: Final = 8.0  # grey levels: below it a patch shows noise, not a pattern
_LEVEL_FLOOR: Final = 8.0  # grey levels: keeps ratios of nearly black means quiet


@dataclass(frozen=True, slots=True)
class Limits:
    """When a patch has changed, and how long a result may be repeated."""

    pattern: float = 0.15
    """Mean difference of a cell (a ninth of a patch), in spreads of the patch."""
    level: float = 0.05
    """Change of a patch's mean beyond the scene's, as a share."""
    refresh_after: int = 20
    """Pictures in a row that may repeat one inference."""
    agreeing: int = 2
    """Inferences in a row that must say the same before their result is repeated."""


@dataclass(frozen=True, slots=True)
class View:
    """What a picture shows: `patches` [S, PATCH_PX, PATCH_PX] of its slots and the whole `scene`
    [H, W], coarse, in grey levels 0..255; `context` holds all that must be equal (layout version,
    health, picture size, ...) for two views to be compared."""

    patches: Floats
    scene: Floats
    context: Hashable


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a camera: its view and slot states at the last inference, how many
    inferences in a row said the same, and how many pictures have repeated the last one."""

    view: View
    states: tuple[str, ...]
    agreed: int = 1
    repeats: int = 0


def reason_to_search(view: View, memory: Memory | None, limits: Limits = Limits()) -> Reason | None:
    """Why this picture must be searched; None when the last result holds for it too."""
    if memory is None:
        return "first"
    if view.context != memory.view.context or view.patches.shape != memory.view.patches.shape:
        return "context"
    if memory.agreed < limits.agreeing:
        return "unsettled"
    if memory.repeats >= limits.refresh_after:
        return "refresh"
    return "changed" if changed_slots(view, memory.view, limits).any() else None


def searched(view: View, states: tuple[str, ...], memory: Memory | None) -> Memory:
    """What to remember after an inference that gave these slot states."""
    same = (
        memory is not None
        and memory.view.context == view.context
        and memory.states == states
    )  # fmt: skip
    return Memory(view, states, agreed=memory.agreed + 1 if memory and same else 1)


def repeated(memory: Memory) -> Memory:
    """What to remember after a picture that repeats the last inference."""
    return replace(memory, repeats=memory.repeats + 1)


def changed_slots(now: View, then: View, limits: Limits = Limits()) -> NDArray[np.bool_]:
    """Which slots' patches [S] differ by more than light and noise."""
    patterns = np.abs(_cells(_pattern(now.patches) - _pattern(then.patches))).max(axis=(1, 2))
    levels = np.abs(_levels(now.patches) - _levels(then.patches) - _light(now.scene, then.scene))
    changed: NDArray[np.bool_] = (patterns > limits.pattern) | (levels > limits.level)
    return changed


def _pattern(patches: Floats) -> Floats:
    """Each patch less its mean, in units of its spread."""
    centred = patches - patches.mean(axis=(1, 2), keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    pattern: Floats = centred / np.maximum(spread, np.float32(_SPREAD_FLOOR))
    return pattern


def _cells(patches: Floats) -> Floats:
    """Means over cells of `_CELL_PX` squared: noise averages out, a corner of a car does not."""
    cells = PATCH_PX // _CELL_PX
    means: Floats = patches.reshape(-1, cells, _CELL_PX, cells, _CELL_PX).mean(axis=(2, 4))
    return means


def _levels(patches: Floats) -> Floats:
    """The logarithm of each patch's mean, so that a gain is a shift."""
    levels: Floats = np.log(patches.mean(axis=(1, 2)) + np.float32(_LEVEL_FLOOR))
    return levels


def _light(now: Floats, then: Floats) -> float:
    """By how much the scene as a whole became brighter (logarithm); vehicles are few of its points,
    so the median does not see them."""
    floor = np.float32(_LEVEL_FLOOR)
    return float(np.median(np.log(now + floor) - np.log(then + floor)))
