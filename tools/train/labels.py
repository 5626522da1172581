"""Vehicle boxes for frames that carry only slot annotations.

The base model's own boxes at a large input size are compared with the annotations. A box in an
occupied slot is a vehicle. A box in a slot annotated as free is a mistake and is dropped. An
occupied slot without a box gets one, placed as the boxes of its camera usually are relative to
their slots. Boxes outside all slots (the street, unmarked places) are kept if the model is
confident. Rendered frames come with exact boxes and need none of this.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.geometry import match_boxes
from parking.wire.annotations import load as annotations_of

LEAST_SCORE: Final = 0.04
OUTSIDE_SCORE: Final = 0.25
USUAL_SCORE: Final = 0.2
LONG_SIDE: Final = 1600
CAR: Final = 2
"""The class used for every vehicle. It is from the base's own list, so its knowledge of cars is
kept."""

Floats = NDArray[np.float64]
Predict = Callable[[Path], tuple[Floats, Floats]]
"""Returns a picture's vehicles: boxes [N, 4] xyxy in pixels, and scores [N]."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture with its annotations (see parking/core/lots.py for their form)."""

    group: str
    path: Path
    annotation: dict[str, Any]

    @property
    def polygons(self) -> list[Floats]:
        """Return the outlines of the slots in pixels."""
        return [np.asarray(s["polygon"], np.float64) for s in self.annotation["slots"]]


@dataclass(slots=True)
class _Seen:
    """A frame, what the base model saw in it, and which box belongs to which slot."""

    frame: Frame
    boxes: Floats
    scores: Floats
    of_slot: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))


def frames_of(folder: Path, every: int = 1) -> list[Frame]:
    """Return every `every`-th frame of a data set (neighbours in a sequence look the same), except
    those on which the camera is covered."""
    frames = annotations_of(folder)["frames"]
    seen = [frame for frame in frames[::every] if not frame.get("covered")]
    return [Frame(folder.name, folder / frame["file"], frame) for frame in seen]


def data_sets(data: Path) -> dict[str, list[Frame]]:
    """Return the frames of every data set below `data`, keyed by its name."""
    folders = sorted(path.parent for path in data.glob("*/annotations.json"))
    return {folder.name: frames_of(folder) for folder in folders}


def label(frames: Iterable[Frame], predict: Predict) -> Iterator[tuple[Frame, Floats]]:
    """Yield each frame with its boxes [N, 4] in pixels, one data set at a time."""
    seen = []
    offsets: dict[str, list[Floats]] = defaultdict(list)
    for frame in frames:
        exact = frame.annotation.get("boxes")
        if exact is not None:
            yield frame, np.asarray(exact, np.float64).reshape(-1, 4)
            continue
        boxes, scores = predict(frame.path)
        strong = scores >= LEAST_SCORE
        one = _Seen(frame, boxes[strong], scores[strong])
        one.of_slot = match_boxes(one.boxes, one.scores, frame.polygons).box_index
        seen.append(one)
        for slot, polygon, index in zip(
            frame.annotation["slots"], frame.polygons, one.of_slot, strict=True
        ):
            if slot["occupied"] == 1 and index >= 0 and one.scores[index] >= USUAL_SCORE:
                offset = _offset(one.boxes[index], polygon)
                offsets[frame.annotation["camera"]].append(offset)
                offsets[""].append(offset)
    for one in seen:
        of_camera = offsets[one.frame.annotation["camera"]]
        known = of_camera if len(of_camera) >= 3 else offsets[""]
        usual = np.median(known, axis=0) if known else np.zeros(4)
        yield one.frame, _boxes(one, usual)


def _offset(box: Floats, polygon: Floats) -> Floats:
    """Return how far a box's corners are from its slot's bounding box, relative to that box's
    size."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    return np.concatenate([(box[:2] - low) / (high - low), (box[2:] - high) / (high - low)])


def _boxes(one: _Seen, usual: Floats) -> Floats:
    kept = []
    for slot, polygon, index in zip(
        one.frame.annotation["slots"], one.frame.polygons, one.of_slot, strict=True
    ):
        if slot["occupied"] != 0 and index >= 0:
            kept.append(one.boxes[index])
        elif slot["occupied"] == 1:
            low, high = polygon.min(axis=0), polygon.max(axis=0)
            size = high - low
            kept.append(np.concatenate([low + usual[:2] * size, high + usual[2:] * size]))
    taken = set(one.of_slot.tolist())
    for index, (box, score) in enumerate(zip(one.boxes, one.scores, strict=True)):
        if score < OUTSIDE_SCORE or index in taken:
            continue
        alone = match_boxes(box[None], score[None], one.frame.polygons).box_index
        if (alone < 0).all():
            kept.append(box)
    return np.asarray(kept, np.float64).reshape(-1, 4)


def write_yolo(labelled: Iterable[tuple[Frame, Floats]], out: Path) -> Counter[str]:
    """Write pictures (at most LONG_SIDE long) and label files in ultralytics' format below `out`.
    Returns the number of frames written, by data set."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "labels").mkdir(exist_ok=True)
    counts: Counter[str] = Counter()
    for frame, boxes in labelled:
        picture = cv2.imread(str(frame.path))
        if picture is None:
            raise FileNotFoundError(frame.path)
        height, width = picture.shape[:2]
        scale = min(1.0, LONG_SIDE / max(height, width))
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        name = f"{frame.group}_{frame.annotation['camera']}_{frame.path.stem}"
        cv2.imwrite(str(out / "images" / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        rows = np.clip(boxes / (width, height, width, height), 0, 1)
        lines = [
            f"{CAR} {(x0 + x1) / 2:.5f} {(y0 + y1) / 2:.5f} {x1 - x0:.5f} {y1 - y0:.5f}"
            for x0, y0, x1, y1 in rows
            if x1 - x0 > 0.002 and y1 - y0 > 0.002
        ]
        (out / "labels" / f"{name}.txt").write_text("\n".join(lines), "utf-8")
        counts[frame.group] += 1
    return counts
