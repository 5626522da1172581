"""Score a model on annotated slots, through the detector's own code."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.geometry import match_boxes
from parking.wire.ports import Detector
from services.detector.runtimes import load_model
from services.detector.settings import ModelSettings
from tools.train.labels import Frame

Floats = NDArray[np.float64]
PULL: Final = 0.001
"""The weight of the pull towards an unchanged score, relative to 1 for each data set."""


class Scores(NamedTuple):
    """The labelled slots of some frames: the score of each one's best box, and whether it is
    occupied. `frame_ms` is the median time for one frame, including resizing and suppression."""

    score: Floats
    occupied: NDArray[np.bool_]
    frame_ms: float


def open_model(path: Path) -> Detector:
    """Open the model as the detector runs it."""
    return load_model(ModelSettings(path, "openvino", "f32", 0, 0, 640, 1))[0]


def scores(model: Detector, frames: Iterable[Frame], size_px: int) -> dict[str, Scores]:
    """Return the scores by data set."""
    found: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    spent: dict[str, list[float]] = defaultdict(list)
    for frame in frames:
        picture = cv2.imread(str(frame.path))
        if picture is None:
            raise FileNotFoundError(frame.path)
        height, width = picture.shape[:2]
        start_s = time.perf_counter()
        (boxes,) = model.detect([np.asarray(picture, np.uint8)], size_px)
        spent[frame.group].append((time.perf_counter() - start_s) * 1000)
        slots = [polygon / (width, height) for polygon in frame.polygons]
        best = match_boxes(boxes.xyxy, boxes.scores, slots).scores
        for slot, score in zip(frame.annotation["slots"], best, strict=True):
            if slot["occupied"] is not None:
                found[frame.group].append((float(score), slot["occupied"] == 1))
    return {
        group: Scores(
            np.array([score for score, _ in pairs]),
            np.array([occupied for _, occupied in pairs]),
            float(np.median(spent[group])),
        )
        for group, pairs in found.items()
    }


def accuracy(one: Scores, threshold: float) -> float:
    """Return the share of slots that are classified correctly."""
    return float(((one.score >= threshold) == one.occupied).mean())


def best_threshold(groups: Mapping[str, Scores]) -> float:
    """Return the threshold with the best accuracy, with every data set counting the same."""
    steps = np.round(np.arange(0.05, 0.71, 0.01), 2)
    means = [np.mean([accuracy(one, t) for one in groups.values()]) for t in steps]
    best = np.flatnonzero(np.asarray(means) >= max(means) - 1e-9)
    return float(steps[best[len(best) // 2]])


def calibrate(groups: Mapping[str, Scores]) -> tuple[float, float]:
    """Return (a, b) of P(occupied) = 1 / (1 + exp(-(a * logit(score) + b))), by logistic regression
    with Newton's method. Every data set has the same weight, and there is a weak pull towards a =
    1."""
    clipped = [np.clip(one.score, 0.001, 0.999) for one in groups.values()]
    x = np.concatenate([np.log(s / (1 - s)) for s in clipped])
    y = np.concatenate([one.occupied for one in groups.values()]).astype(float)
    weight = np.concatenate([np.full(len(s), 1 / len(s)) for s in clipped])
    design = np.column_stack([x, np.ones_like(x)])
    theta = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ theta, -50, 50)))
        gradient = design.T @ (weight * (p - y)) + PULL * (theta - [1.0, 0.0])
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + PULL * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        step /= max(1.0, float(np.abs(step).max()))  # perfectly separated slots have no optimum
        theta = theta - step
        if np.abs(step).max() < 1e-9:
            break
    return float(theta[0]), float(theta[1])
