"""How far the slot network may be believed alone, camera by camera. Pure.

On most lots no vehicle found changes what the network is sure of; on some, seen from low down, a
vehicle before a slot looks like one in it. Which kind a camera's lot is shows in its own pictures:
each time that both opinions are asked, they agree or they do not.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.detector.slotnet import Fusion

Floats = NDArray[np.float64]

NEEDED: Final = 40
"""Slots in a row of which both opinions must have said the same."""
_SPENDS: Final = 0.1
"""Each slot judged by the network alone uses up so much trust, so that some are still looked at
by both: after at most forty."""
_MOST: Final = NEEDED + 4


def is_trusted(trust: float) -> bool:
    """Whether the network's sure answers need no second opinion."""
    return trust >= NEEDED


def spend(trust: float, slots: int) -> float:
    """The trust left after so many slots were judged by the network alone."""
    return trust - _SPENDS * slots


def earn(trust: float, fusion: Fusion, crop_logits: Floats, chances: Floats) -> float:
    """The trust after slots [N] were judged by both: the network's answers, and P(occupied) by both
    opinions. One sure answer that did not hold takes all trust away."""
    sure = fusion.sure(crop_logits)
    held = np.where(crop_logits > 0, chances >= fusion.high, chances <= fusion.low)
    if not held[sure].all():
        return 0.0
    return min(trust + int(sure.sum()), float(_MOST))
