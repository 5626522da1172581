"""A closer look: search slots in doubt again at a larger scale, and mirrored as well. The result is
the mean of all looks.

Most pictures leave no doubt, so this costs little overall. One look may find what another misses
(small, half hidden or badly lit vehicles); docs/accuracy.md has the measurements. A slot that was
certain before gets its closer look only on the next picture, if the doubt remains, because most
such doubts are passing cars.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parking.core.geometry import Matches

IN_DOUBT: Final = (0.2, 0.8)
"""A slot with P(occupied) within this band is in doubt. The band is wider than the one that makes a
slot unknown on a clear picture, because answers that are nearly unknown are wrong too often."""
DOUBTED_FROM: Final = 0.03
"""When any slot of the picture is in doubt, all slots with min(P, 1 - P) above this are searched
again, because some fairly certain answers were wrong too."""

MOST_DOUBTED: Final = 64
"""The most slots in one closer look, so that other cameras are not delayed."""

Floats = NDArray[np.float64]


class Opinion(NamedTuple):
    """The result for each slot, [N]."""

    scores: Floats
    """The score of the best box assigned to the slot; 0 where there is none."""
    logits: Floats
    """The slot network's answer."""
    covered: Floats
    """The share hidden by a vehicle of another slot."""


def together(looks: Sequence[Matches], logits: Sequence[Floats]) -> Opinion:
    """Return the mean of several looks: boxes of one or more inputs, and one or more answers of the
    slot network."""
    return Opinion(
        np.mean([one.scores for one in looks], axis=0),
        np.mean(list(logits), axis=0),
        np.mean([one.covered for one in looks], axis=0),
    )


def in_doubt(chances: ArrayLike) -> NDArray[np.bool_]:
    """Return whether each slot [N] is in doubt. `chances` is P(occupied), and NaN where no slot was
    judged yet, which counts as doubt."""
    low, high = IN_DOUBT
    chance = np.asarray(chances, np.float64)
    which: NDArray[np.bool_] = ~((chance <= low) | (chance >= high))
    return which


def doubted(chances: ArrayLike) -> NDArray[np.bool_]:
    """Return the slots of a closer look, once one is in doubt. If there are many, return the most
    doubtful ones."""
    chance = np.asarray(chances, np.float64)
    doubt = np.nan_to_num(np.minimum(chance, 1 - chance))
    which: NDArray[np.bool_] = doubt > DOUBTED_FROM
    if which.sum() > MOST_DOUBTED:
        which &= doubt >= np.sort(doubt)[-MOST_DOUBTED]
    return which
