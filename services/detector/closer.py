"""A closer look: slots in doubt are searched again, shown larger, and seen mirrored as well. The
mean of all looks counts.

Most pictures leave no doubt, so this costs little on the whole, and what one look misses (small,
half hidden, in a bad light) another one finds. Measured in docs/accuracy.md. A slot that was sure
before is looked at closer on the next picture, if the doubt stays: most are cars on their way.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parking.geometry import Matches

IN_DOUBT: Final = (0.2, 0.8)
"""A slot whose P(occupied) lies between is in doubt. Wider than the band that a clear picture tells
as unknown: what is nearly unknown is wrong too often."""
DOUBTED_FROM: Final = 0.03
"""Where a slot of the picture is in doubt, all with min(P, 1 - P) beyond this are looked at: some
that were fairly sure were wrong too."""

MOST_DOUBTED: Final = 64
"""Slots in one closer look: it must not hold up all other cameras."""

Floats = NDArray[np.float64]


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


def in_doubt(chances: ArrayLike) -> NDArray[np.bool_]:
    """Which slots [N] are. `chances`: P(occupied), NaN where none was judged yet, which is one."""
    low, high = IN_DOUBT
    chance = np.asarray(chances, np.float64)
    which: NDArray[np.bool_] = ~((chance <= low) | (chance >= high))
    return which


def doubted(chances: ArrayLike) -> NDArray[np.bool_]:
    """Which slots a closer look is for, once one is in doubt; the most doubtful, where many are."""
    chance = np.asarray(chances, np.float64)
    doubt = np.nan_to_num(np.minimum(chance, 1 - chance))
    which: NDArray[np.bool_] = doubt > DOUBTED_FROM
    if which.sum() > MOST_DOUBTED:
        which &= doubt >= np.sort(doubt)[-MOST_DOUBTED]
    return which
