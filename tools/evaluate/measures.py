"""Measures of a classifier that may say "unknown". Pure."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
BINS = 10


class Measures(NamedTuple):
    """Measures of one group of slots. Accuracy, balanced accuracy and F1 use the likelier state,
    even if it would be reported as unknown. `unknown` and `wrong` are shares of the reported
    states."""

    slots: int
    accuracy: float
    balanced: float
    f1: float
    auc: float
    ece: float
    unknown: float
    wrong: float


def measures(probability: Floats, occupied: Truth, unknown: Truth) -> Measures:
    """Measure `probability` [N] of "occupied" against `occupied` [N]. `unknown` [N] marks slots
    that would be reported as unknown."""
    said = probability >= 0.5
    right = said == occupied
    sides = [
        right[occupied == state].mean() for state in (True, False) if (occupied == state).any()
    ]
    hits = int((said & occupied).sum())
    wrong_calls = int((said != occupied).sum())
    return Measures(
        slots=len(occupied),
        accuracy=float(right.mean()),
        balanced=float(np.mean(sides)),
        f1=2 * hits / max(1, 2 * hits + wrong_calls),
        auc=auc(probability, occupied),
        ece=ece(probability, occupied),
        unknown=float(unknown.mean()),
        wrong=float((~right & ~unknown).mean()),
    )


def auc(probability: Floats, occupied: Truth) -> float:
    """Return the chance that an occupied slot scores above a free one (ties count half), or NaN
    unless there are both."""
    positive, negative = int(occupied.sum()), int((~occupied).sum())
    if not positive or not negative:
        return float("nan")
    order = np.argsort(probability, kind="stable")
    values, inverse, counts = np.unique(probability[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    del values
    above = float(ranks[occupied[order]].sum()) - positive * (positive + 1) / 2
    return above / (positive * negative)


def ece(probability: Floats, occupied: Truth) -> float:
    """Return the expected calibration error: the difference between the confidence in each of ten
    bins and its share of correct answers, weighted by size."""
    confidence = np.maximum(probability, 1 - probability)
    right = (probability >= 0.5) == occupied
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).sum()
        for b in range(BINS)
        if (bins == b).any()
    ]
    return float(np.sum(gaps) / len(probability))


class Story(NamedTuple):
    """Measures of a sequence: how often the shown state changed without cause, and how late it
    was."""

    slot_days: float
    true_changes: int
    flips: int
    """Changes shown beyond the true ones."""
    late: list[int]
    """For each true change that was shown, the frames until it was shown."""
    missed: int
    """True changes whose state was not shown before the next one."""
    moot: int
    """True changes to a state that was already shown, because the change before it was missed."""


def story(shown: NDArray[np.int8], truth: NDArray[np.int8], days: float) -> Story:
    """`shown` and `truth` are [frames, slots]: 0 free, 1 occupied, -1 unknown or unlabelled (kept
    as before). A true change counts as shown when the shown state changes to its state while that
    state lasts. Every other change that is shown is a flip."""
    late: list[int] = []
    all_shown = missed = moot = 0
    for column in range(truth.shape[1]):
        true, seen = _held(truth[:, column]), _held(shown[:, column])
        turns = np.flatnonzero(np.diff(seen)) + 1
        all_shown += len(turns)
        begins = [*(np.flatnonzero(np.diff(true)) + 1).tolist(), len(true)]
        for start, end in itertools.pairwise(begins):
            within = turns[(turns >= start) & (turns < end) & (seen[turns] == true[start])]
            if seen[start] == true[start] and start not in turns:
                moot += 1
            elif len(within):
                late.append(int(within[0]) - start)
            else:
                missed += 1
    changes = len(late) + missed + moot
    return Story(truth.shape[1] * days, changes, all_shown - len(late), late, missed, moot)


def _held(states: NDArray[np.int8]) -> NDArray[np.int8]:
    """Replace unknown by the state before it, and at the beginning by the next state."""
    known = np.flatnonzero(states >= 0)
    if not len(known):
        return np.zeros_like(states)
    last = np.maximum.accumulate(np.where(states >= 0, np.arange(len(states)), -1))
    return np.where(last >= 0, states[np.maximum(last, 0)], states[known[0]])
