"""How far the slot network is trusted alone, camera by camera. Pure.

At most lots a detected vehicle never changes an answer of which the network is sure. At some lots,
seen from a low angle, a vehicle in front of a slot looks as if it were in it. Each camera's own
pictures show which kind of lot it is: whenever a slot is judged both ways, the two opinions either
agree or differ.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.detector.slotnet import Fusion

Floats = NDArray[np.float64]

NEEDED: Final = 40
"""Both opinions must have agreed for this many slots in a row."""
_SPENDS: Final = 0.1
"""Each slot judged by the network alone uses up this much trust, so that some slots are still
judged both ways: at the latest after forty."""
_MOST: Final = NEEDED + 4


def is_trusted(trust: float) -> bool:
    """Return whether the network's sure answers need no second opinion."""
    return trust >= NEEDED


def spend(trust: float, slots: int) -> float:
    """Return the trust left after this many slots were judged by the network alone."""
    return trust - _SPENDS * slots


def earn(trust: float, fusion: Fusion, crop_logits: Floats, chances: Floats) -> float:
    """Return the trust after slots [N] were judged both ways: `crop_logits` are the network's
    answers, `chances` is P(occupied) by both opinions. One sure answer that proved wrong takes all
    trust away."""
    sure = fusion.sure(crop_logits)
    confirmed = np.where(crop_logits > 0, chances >= fusion.high, chances <= fusion.low)
    if not confirmed[sure].all():
        return 0.0
    return min(trust + int(sure.sum()), float(_MOST))
