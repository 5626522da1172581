"""The vehicle model: its metadata, its input (pictures) and its output (boxes). For the runtimes
see runtimes.py.

A model file is ONNX with one class: `images` [N, 3, H, W] RGB 0..1, `output0` [N, 5, A] (centre x,
centre y, width, height in input pixels, score), without suppression. Its metadata contains the
threshold and the calibration, which are valid for one matching rule only.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.errors import SettingsError
from parking.core.geometry import MATCH_RULE
from parking.wire.ports import Boxes
from services.detector.onnxfile import onnx_metadata

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
Forward = Callable[[Floats], Floats]
"""One inference: [N, 3, H, W] in, [N, 5, A] out."""

SCORE_FLOOR: Final = 0.05
NMS_IOU: Final = 0.6
MAX_CANDIDATES: Final = 2000
PAD_GREY: Final = 114
STRIDE: Final = 32


@dataclass(frozen=True, slots=True)
class Facts:
    """The metadata of a model file. P(occupied) = 1 / (1 + exp(-(a * logit(score) + b)))."""

    threshold: float = 0.25
    a: float = 1.0
    b: float = 1.1
    label: str = "vehicle"

    def probability(self, score: float) -> float:
        """Return P(occupied) of a slot whose best box has this score; 0 means that it has no
        box."""
        clipped = min(max(score, 0.001), 0.999)
        return 1 / (1 + math.exp(-(self.a * math.log(clipped / (1 - clipped)) + self.b)))


def read_facts(path: Path) -> Facts:
    """Read the file's metadata; missing values keep their defaults. Raises SettingsError."""
    usual = Facts()
    try:
        metadata = onnx_metadata(path.read_bytes())
        rule = metadata.get("match_rule", MATCH_RULE)
        calibration = json.loads(metadata.get("calibration", "{}"))
        facts = Facts(
            threshold=float(metadata.get("threshold", usual.threshold)),
            a=float(calibration.get("a", usual.a)),
            b=float(calibration.get("b", usual.b)),
        )
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise SettingsError([f"{path}: its metadata cannot be read: {error!r}"]) from error
    if rule != MATCH_RULE:
        raise SettingsError([f"{path} is calibrated for {rule}, this version uses {MATCH_RULE}"])
    return facts


def model_id(path: Path) -> str:
    """Return `{stem}@{first 8 of the file's sha256}`."""
    return f"{path.stem}@{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"


# ---------------------------------------------------------------- pictures in, boxes out
def letterbox(picture: Picture, size_px: int) -> tuple[Floats, float, tuple[int, int]]:
    """Return the input [1, 3, H, W] with its long side `size_px`, centred and padded to the stride,
    and the scale and the padding (left, top) in pixels."""
    height, width = picture.shape[:2]
    scale = size_px / max(height, width)
    new_w, new_h = max(1, round(width * scale)), max(1, round(height * scale))
    # The same as in training, and four times as fast as INTER_AREA.
    method = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    pad_w, pad_h = -new_w % STRIDE, -new_h % STRIDE
    left, top = pad_w // 2, pad_h // 2
    boxed = np.full((new_h + pad_h, new_w + pad_w, 3), PAD_GREY, np.uint8)
    boxed[top : top + new_h, left : left + new_w] = cv2.resize(
        picture, (new_w, new_h), interpolation=method
    )
    blob = np.empty((1, 3, *boxed.shape[:2]), np.float32)
    for channel, plane in zip(blob[0], reversed(cv2.split(boxed)), strict=True):
        np.multiply(plane, np.float32(1 / 255), out=channel)
    return blob, scale, (left, top)


def boxes_of(output: Floats, scale: float, padding: tuple[int, int], wh: tuple[int, int]) -> Boxes:
    """Return one picture's output [5, A] as boxes normalised to a picture of `wh` pixels, best
    first."""
    rows = output[:, output[4] >= SCORE_FLOOR].T
    if len(rows) > MAX_CANDIDATES:
        rows = rows[np.argpartition(-rows[:, 4], MAX_CANDIDATES)[:MAX_CANDIDATES]]
    xywh = np.column_stack([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]])
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), rows[:, 4].tolist(), SCORE_FLOOR, NMS_IOU)
    keep = np.asarray(kept, dtype=np.intp).reshape(-1)
    xyxy = np.column_stack([xywh[keep, :2], xywh[keep, :2] + xywh[keep, 2:]])
    xyxy = (xyxy - (*padding, *padding)) / scale / (*wh, *wh)
    return Boxes(np.clip(xyxy, 0, 1).astype(np.float32).reshape(-1, 4), rows[keep, 4])


class YoloDetector:
    """A ports.Detector over any runtime that offers `forward`. Pictures of the same shape share a
    call."""

    def __init__(self, model_id: str, forward: Forward) -> None:
        self.model_id = model_id
        self._forward = forward

    def detect(self, images_bgr: Sequence[Picture], size_px: int) -> list[Boxes]:
        """See ports.Detector."""
        inputs = [letterbox(image, size_px) for image in images_bgr]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, (blob, _, _) in enumerate(inputs):
            by_shape.setdefault(blob.shape, []).append(index)
        found: dict[int, Boxes] = {}
        for indices in by_shape.values():
            blobs = [inputs[index][0] for index in indices]
            outputs = self._forward(np.concatenate(blobs) if len(blobs) > 1 else blobs[0])
            for index, output in zip(indices, outputs, strict=True):
                _, scale, padding = inputs[index]
                height, width = images_bgr[index].shape[:2]
                found[index] = boxes_of(output, scale, padding, (width, height))
        return [found[index] for index in range(len(inputs))]
