"""A closer look: a picture with a slot in doubt is searched again at other inputs, mostly larger,
and its slots are seen mirrored as well. What all looks say together counts for the whole picture.

Most pictures leave no doubt, so this costs little on the whole, and what one look misses (small,
half hidden, in a bad light) another one finds. Measured in docs/accuracy.md.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parking.geometry import Matches
from parking.ports import Boxes

CLOSER_PX: Final = (1280, 1600)
"""Long sides of the inputs of a closer look."""

IN_DOUBT: Final = (0.2, 0.8)
"""A slot whose P(occupied) lies between is in doubt. Wider than the band that a clear picture tells
as unknown: what is nearly unknown is wrong too often."""

Floats = NDArray[np.float64]
Search = Callable[[int], Boxes]
"""The vehicles that are found in the picture at an input of that long side."""


class Opinion(NamedTuple):
    """What was seen of each slot, [N]."""

    scores: Floats
    """Of the best box given to the slot; 0 where there is none."""
    logits: Floats
    """The slot network's."""
    covered: Floats
    """Share hidden by a vehicle of another slot."""


def together(looks: Sequence[Matches], logits: Sequence[Floats]) -> Opinion:
    """The mean of several looks: boxes of one input or more, one or more answers of the slot
    network."""
    return Opinion(
        np.mean([one.scores for one in looks], axis=0),
        np.mean(list(logits), axis=0),
        np.mean([one.covered for one in looks], axis=0),
    )


def in_doubt(chances: ArrayLike) -> bool:
    """Whether a slot of the picture is. `chances`: P(occupied) of all of them."""
    low, high = IN_DOUBT
    chance = np.asarray(chances)
    return bool(((chance > low) & (chance < high)).any())
