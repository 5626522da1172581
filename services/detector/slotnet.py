"""Judge each slot with a small network, and combine its answer with the boxes into one probability.

Boxes show where vehicles stand, but miss dark, small and half hidden ones. The slot network
(`crops` [N, 4, 96, 96] -> `logit` [N]) judges one slot at a time and finds those, but mistakes a
vehicle in front of a slot for one in it. The weights of both opinions were fitted on lots that the
network had not seen, and are stored in its file.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parking.core.errors import SettingsError
from services.detector.closer import Opinion
from services.detector.crops import CROP_PX, Floats, Outline, Picture, crops
from services.detector.model import Forward
from services.detector.onnxfile import onnx_metadata

MOST_CROPS: Final = 64
"""The most crops in one inference. Smaller batches are not padded."""

SURE_FREE: Final = -3.0
SURE_OCCUPIED: Final = 3.0
"""For answers (logits) beyond these limits no box is searched for, at lots where that has proved
right (services/detector/trust.py). Half of all answers are beyond 3.5."""
_NO_BOX, _ANY_BOX = -5.8, 0.0  # logits of a box's score: no box, and one that is half certain

_LEAST, _MOST = 0.003, 0.997

CONTRADICTS_FROM: Final = 1.0
"""A slot is not reported free if the slot network sees a vehicle in it (logit), even if the boxes
outweigh its answer. A lorry that reaches over a slot, or a vehicle without a box, looks like this.
docs/accuracy.md has the measurements."""

DOUBT_FROM: Final = 0.04
"""When the mean doubt of a picture's slots exceeds this, the picture's band widens. Nine in ten
clean pictures of unseen lots stay below it."""
DOUBT_WIDENS: Final = 15.0
DOUBT_LEAST: Final = 0.01
"""Even in a doubtful picture not all slots are unknown, because answers this certain are
reported."""
_USUAL_SLOTS, _USUAL_DOUBT = 10, 0.02  # a lot of three slots says little about the weather


@dataclass(frozen=True, slots=True)
class Fusion:
    """P(occupied) = 1 / (1 + exp(-z)), z = bias + box * logit(box score) + crop * logit(crop) +
    covered * (logit(crop) where a vehicle of another slot covers this one). Between `low` and
    `high` the slot is unknown."""

    bias: float
    box: float
    crop: float
    covered: float
    low: float
    high: float

    def probability(self, score: float, crop_logit: float, covered: float) -> float:
        """Return P(occupied). `score` is the score of the best box assigned to the slot, 0 without
        one; `covered` is the share of the slot behind vehicles of other slots, 0..1."""
        clipped = min(max(score, _LEAST), _MOST)
        z = self.bias + self.box * math.log(clipped / (1 - clipped))
        z += (self.crop + self.covered * covered) * crop_logit
        return 1 / (1 + math.exp(-min(max(z, -50.0), 50.0)))

    def sure(self, crop_logits: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where the slot network is sure."""
        sure: NDArray[np.bool_] = (crop_logits <= SURE_FREE) | (crop_logits >= SURE_OCCUPIED)
        return sure

    def contradicted(
        self, crop_logits: NDArray[np.float64], chances: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return where P(occupied) says free, but the slot network sees a vehicle. Such a slot is
        unknown."""
        against: NDArray[np.bool_] = (chances <= self.low) & (crop_logits >= CONTRADICTS_FROM)
        return against

    def alone(self, crop_logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P(occupied) from such answers, as if the boxes agreed with them."""
        box = np.where(crop_logits > 0, _ANY_BOX, _NO_BOX)
        z = self.bias + self.box * box + self.crop * crop_logits
        chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(z, -50, 50)))
        return chances

    def probabilities(self, opinion: Opinion) -> list[float]:
        """Return one probability per slot."""
        columns = (opinion.scores.tolist(), opinion.logits.tolist(), opinion.covered.tolist())
        return [self.probability(*seen) for seen in zip(*columns, strict=True)]


def doubtful_band(fusion: Fusion, chances: Sequence[float]) -> tuple[float, float]:
    """Return the band in which slots are unknown: the fusion's own, or a wider one where the
    picture's slots are doubtful as a whole. Rain, a bad lens or strong compression make every slot
    less certain, and some of them wrong. `chances` is P(occupied) of all its slots."""
    doubt = sum(min(p, 1 - p) for p in chances) + _USUAL_SLOTS * _USUAL_DOUBT
    beyond = max(0.0, doubt / (len(chances) + _USUAL_SLOTS) - DOUBT_FROM)
    low = min(fusion.low, max(DOUBT_LEAST, fusion.low - DOUBT_WIDENS * beyond))
    high = max(fusion.high, min(1 - DOUBT_LEAST, fusion.high + DOUBT_WIDENS * beyond))
    return low, high


@dataclass(frozen=True, slots=True)
class SlotNet:
    """The loaded network, its name, and the weights of its answer."""

    identity: str
    fusion: Fusion
    forward: Forward

    def logits(
        self, picture: Picture, outlines: Sequence[Outline], *, mirrored: bool = False
    ) -> NDArray[np.float64]:
        """Return [N] logits for normalised outlines on a BGR picture of any size. Blocks."""
        if not outlines:
            return np.zeros(0)
        found = []
        for start in range(0, len(outlines), MOST_CROPS):
            cut = crops(picture, outlines[start : start + MOST_CROPS])
            cut = np.ascontiguousarray(cut[..., ::-1]) if mirrored else cut
            found.append(self.forward(cut).reshape(-1))
        return np.concatenate(found).astype(np.float64)


def read_fusion(path: Path, box_model: str) -> Fusion:
    """Read the file's metadata. Raises SettingsError when it cannot be read or was fitted with
    boxes other than those of `box_model` ({stem}@{sha256})."""
    try:
        metadata = onnx_metadata(path.read_bytes())
        weights = json.loads(metadata["fusion"])
        low, high = json.loads(metadata["unknown_band"])
        known = json.loads(metadata["box_models"])
        fusion = Fusion(
            bias=float(weights["bias"]),
            box=float(weights["box"]),
            crop=float(weights["crop"]),
            covered=float(weights["covered"]),
            low=float(low),
            high=float(high),
        )
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise SettingsError([f"{path}: its metadata cannot be read: {error!r}"]) from error
    if box_model not in known:
        problem = f"SLOT_MODEL_FILE={str(path)!r} was fitted with boxes of {', '.join(known)}, "
        raise SettingsError([problem + f"not of {box_model}: choose another, or none"])
    return fusion


def blank() -> Floats:
    """Return an input for trying out a network."""
    return np.zeros((2, 4, CROP_PX, CROP_PX), np.float32)
