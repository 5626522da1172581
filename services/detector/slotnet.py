"""The second opinion: a small network looks at each slot, and both opinions become one probability.

Boxes tell where vehicles stand, and miss the dark, the small and the half hidden; the slot network
(`crops` [N, 4, 96, 96] -> `logit` [N]) looks at one slot at a time and misses nothing that is
there, but takes a vehicle in front of a slot for one in it. What each is worth was fitted on lots
that the network had not seen, and stands in its file.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parking.errors import SettingsError
from services.detector.closer import Opinion
from services.detector.crops import CROP_PX, Floats, Outline, Picture, crops
from services.detector.model import Forward
from services.detector.onnxfile import onnx_metadata

MOST_CROPS: Final = 64
"""Crops in one inference at most; fewer are not padded."""

SURE_FREE: Final = -3.0
SURE_OCCUPIED: Final = 3.0
"""Answers (logits) beyond which no box is looked for on a lot where that has proved right
(services/detector/trust.py). Half of all answers lie beyond 3.5."""
_NO_BOX, _ANY_BOX = -5.8, 0.0  # logits of a box's score: none there, and one that is half sure

_LEAST, _MOST = 0.003, 0.997

DOUBT_FROM: Final = 0.04
"""Mean doubt of a picture's slots from which its band widens: of clean pictures of lots never seen
nine in ten lie below."""
DOUBT_WIDENS: Final = 15.0
DOUBT_LEAST: Final = 0.01
"""Not even a doubtful picture's slots are all unknown: what is this sure is told."""
_USUAL_SLOTS, _USUAL_DOUBT = 10, 0.02  # a lot of three slots says little of the weather


@dataclass(frozen=True, slots=True)
class Fusion:
    """P(occupied) = 1 / (1 + exp(-z)), z = bias + box * logit(box score) + crop * logit(crop)
    + covered * (logit(crop) where a vehicle of another slot covers this one). Between `low` and
    `high` nobody knows."""

    bias: float
    box: float
    crop: float
    covered: float
    low: float
    high: float

    def probability(self, score: float, crop_logit: float, covered: float) -> float:
        """`score`: of the best box given to the slot, 0 where there is none; `covered`: share of
        the slot behind vehicles of other slots, 0..1."""
        held = min(max(score, _LEAST), _MOST)
        z = self.bias + self.box * math.log(held / (1 - held))
        z += (self.crop + self.covered * covered) * crop_logit
        return 1 / (1 + math.exp(-min(max(z, -50.0), 50.0)))

    def sure(self, crop_logits: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where the slot network is sure."""
        sure: NDArray[np.bool_] = (crop_logits <= SURE_FREE) | (crop_logits >= SURE_OCCUPIED)
        return sure

    def alone(self, crop_logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(occupied) by such answers, as if the boxes agreed with them."""
        box = np.where(crop_logits > 0, _ANY_BOX, _NO_BOX)
        z = self.bias + self.box * box + self.crop * crop_logits
        chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(z, -50, 50)))
        return chances

    def probabilities(self, opinion: Opinion) -> list[float]:
        """One a slot."""
        columns = (opinion.scores.tolist(), opinion.logits.tolist(), opinion.covered.tolist())
        return [self.probability(*seen) for seen in zip(*columns, strict=True)]


def doubtful_band(fusion: Fusion, chances: Sequence[float]) -> tuple[float, float]:
    """Within it nobody knows: the fusion's own band, and a wider one where the picture's slots are
    in doubt together. Rain, a bad lens or a few bytes a picture make every slot of it less sure,
    and some of them wrong. `chances`: P(occupied) of all its slots."""
    doubt = sum(min(p, 1 - p) for p in chances) + _USUAL_SLOTS * _USUAL_DOUBT
    beyond = max(0.0, doubt / (len(chances) + _USUAL_SLOTS) - DOUBT_FROM)
    low = min(fusion.low, max(DOUBT_LEAST, fusion.low - DOUBT_WIDENS * beyond))
    high = max(fusion.high, min(1 - DOUBT_LEAST, fusion.high + DOUBT_WIDENS * beyond))
    return low, high


@dataclass(frozen=True, slots=True)
class SlotNet:
    """The network as it runs, what it is called, and how its opinion is weighed."""

    identity: str
    fusion: Fusion
    forward: Forward

    def logits(
        self, picture: Picture, outlines: Sequence[Outline], *, mirrored: bool = False
    ) -> NDArray[np.float64]:
        """[N] for normalised outlines on a BGR picture of any size. Blocks."""
        if not outlines:
            return np.zeros(0)
        cut = crops(picture, outlines)
        if mirrored:
            cut = np.ascontiguousarray(cut[..., ::-1])
        found = [
            self.forward(cut[start : start + MOST_CROPS]).reshape(-1)
            for start in range(0, len(cut), MOST_CROPS)
        ]
        return np.concatenate(found).astype(np.float64)


def read_fusion(path: Path, box_model: str) -> Fusion:
    """What the file says of itself. Raises SettingsError when it cannot be read or was fitted with
    other boxes than those of `box_model` ({stem}@{sha256})."""
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
    """An input, to try a network with."""
    return np.zeros((2, 4, CROP_PX, CROP_PX), np.float32)
