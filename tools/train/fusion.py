"""Fit the weights of the answers from the boxes and from the slot network.

They are fitted on answers for lots that the network has not seen, because on others it would seem
better than it is. Every data set has the same weight, however many slots it has.
"""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detector.closer import Opinion
from services.detector.slotnet import Fusion

PULL: Final = 0.01
"""The weight of the pull of each coefficient towards 0, relative to 1 for each data set."""

LEAST, MOST = 0.003, 0.997
Floats = NDArray[np.float64]


class Opinions(NamedTuple):
    """The answers for the labelled slots of one data set and their labels, each [N]."""

    said: Opinion
    occupied: NDArray[np.bool_]

    @property
    def design(self) -> Floats:
        """Return one row per slot, in the order of `fitted`'s coefficients."""
        clipped = np.clip(self.said.scores, LEAST, MOST)
        box = np.log(clipped / (1 - clipped))
        crop = self.said.logits
        columns = [np.ones_like(box), box, crop, crop * self.said.covered]
        return np.column_stack(columns)


def fitted(sets: Mapping[str, Opinions], band: tuple[float, float] = (0.5, 0.5)) -> Fusion:
    """Fit by logistic regression with Newton's method. `band` is the range reported as unknown."""
    design = np.concatenate([one.design for one in sets.values()])
    wanted = np.concatenate([one.occupied for one in sets.values()]).astype(float)
    counts = [len(one.occupied) for one in sets.values()]
    weight = np.repeat([1 / count for count in counts], counts)
    theta = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ theta, -50, 50)))
        gradient = design.T @ (weight * (p - wanted)) + PULL * theta
        curved = (design * (weight * p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(curved + PULL * np.eye(len(theta)), gradient)
        theta -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    bias, box, crop, covered = (round(float(value), 4) for value in theta)
    return Fusion(bias, box, crop, covered, *band)


def probabilities(fusion: Fusion, opinions: Opinions) -> Floats:
    """Return P(occupied) [N], as the detector computes it."""
    return np.array(fusion.probabilities(opinions.said))


def facts(fusion: Fusion, box_models: list[str]) -> dict[str, str]:
    """Return the metadata for the network's file (services/detector/slotnet.py reads it)."""
    weights = {name: getattr(fusion, name) for name in ("bias", "box", "crop", "covered")}
    return {
        "fusion": json.dumps(weights),
        "unknown_band": json.dumps([fusion.low, fusion.high]),
        "box_models": json.dumps(box_models),
        "license": "AGPL-3.0",
    }
