"""A closer look: search slots in doubt again at a larger scale, and mirrored as well. The mean of
all looks counts.

Most pictures leave no doubt, so this costs little overall. One look may find what another misses
(small, half hidden or badly lit vehicles). Measured in docs/accuracy.md. A slot that was sure
before gets its closer look on the next picture, if the doubt stays: most such doubts are passing
cars.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parking.core.geometry import Matches

IN_DOUBT: Final = (0.2, 0.8)
"""A slot with P(occupied) within this band is in doubt. The band is wider than the one that makes a
slot unknown on a clear picture, because nearly unknown answers are wrong too often."""
DOUBTED_FROM: Final = 0.03
"""When a slot of the picture is in doubt, all slots with min(P, 1 - P) above this are searched
again: some fairly sure ones were wrong, too."""

MOST_DOUBTED: Final = 64
"""Most slots in one closer look, to avoid delaying other cameras."""

Floats = NDArray[np.float64]


class Opinion(NamedTuple):
    """The result for each slot, [N]."""

    scores: Floats
    """Of the best box given to the slot; 0 where there is none."""
    logits: Floats
    """The slot network's."""
    covered: Floats
    """Share hidden by a vehicle of another slot."""


def together(looks: Sequence[Matches], logits: Sequence[Floats]) -> Opinion:
    """The mean of several looks: boxes of one or more inputs, one or more answers of the slot
    network."""
    return Opinion(
        np.mean([one.scores for one in looks], axis=0),
        np.mean(list(logits), axis=0),
        np.mean([one.covered for one in looks], axis=0),
    )


def in_doubt(chances: ArrayLike) -> NDArray[np.bool_]:
    """Whether each slot [N] is in doubt. `chances`: P(occupied), NaN where none was judged yet,
    which counts as doubt."""
    low, high = IN_DOUBT
    chance = np.asarray(chances, np.float64)
    which: NDArray[np.bool_] = ~((chance <= low) | (chance >= high))
    return which


def doubted(chances: ArrayLike) -> NDArray[np.bool_]:
    """The slots of a closer look, once one is in doubt; the most doubtful, if there are many."""
    chance = np.asarray(chances, np.float64)
    doubt = np.nan_to_num(np.minimum(chance, 1 - chance))
    which: NDArray[np.bool_] = doubt > DOUBTED_FROM
    if which.sum() > MOST_DOUBTED:
        which &= doubt >= np.sort(doubt)[-MOST_DOUBTED]
    return which
