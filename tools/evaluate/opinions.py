"""What the models say of annotated slots, through the detector's own code."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from parking.events import LayoutPublished, LayoutSlot
from parking.geometry import match_boxes
from parking.inputsize import input_size
from parking.ports import Detector
from services.detector.model import Forward
from services.detector.runtimes import load_model, onnx_forward
from services.detector.settings import ModelSettings
from services.detector.slotnet import Fusion, SlotNet, doubtful_band
from tools.train.examples import read
from tools.train.fusion import Opinions
from tools.train.labels import Frame

UNWEIGHED = Fusion(0, 0, 1, 0, 0.5, 0.5)


class Judged(NamedTuple):
    """The labelled slots of one data set, in the order of its frames."""

    opinions: Opinions
    frame: NDArray[np.intp]
    """[N]: index of the frame."""
    slot: list[str]
    """[N]: its id."""
    height_px: NDArray[np.float64]
    """[N]: height at the model's input."""
    brightness: NDArray[np.float64]
    """[N]: mean of the frame, 0..1."""


def box_model(path: Path, threads: int) -> Detector:
    """The vehicle model as the detector runs it."""
    return load_model(ModelSettings(path, "openvino", "f32", threads, 0, 0, 1))[0]


def slot_forward(path: Path, threads: int) -> Forward:
    """The slot network."""
    return onnx_forward(path, threads, "f32")


def judged(
    frames: Sequence[Frame], boxes: Detector, forward: Forward | None, size_px: int = 0
) -> Judged:
    """All labelled slots; without a slot network every logit is 0. `size_px` 0: by need."""
    net = SlotNet("", UNWEIGHED, forward) if forward else None
    rows: list[tuple[float, float, float, bool, int, str, float, float]] = []
    for index, frame in enumerate(track(frames, frames[0].group)):
        picture = read(frame)
        height, width = picture.shape[:2]
        layout = layout_of(frame)
        size = size_px or input_size(layout, (width, height)).size_px
        (found,) = boxes.detect([picture], size)
        outlines = [np.asarray(slot.polygon, np.float64) for slot in layout.slots]
        matches = match_boxes(found.xyxy, found.scores, outlines)
        logits = net.logits(picture, outlines) if net else np.zeros(len(outlines))
        scale = size / max(width, height) * height
        brightness = float(picture.mean()) / 255
        for number, slot in enumerate(frame.annotation["slots"]):
            if slot["occupied"] is not None:
                row = (matches.scores[number], logits[number], matches.covered[number])
                tall = float(np.ptp(outlines[number][:, 1])) * scale
                rows.append((*row, slot["occupied"] == 1, index, str(slot["id"]), tall, brightness))
    score, logit, covered, occupied, frame_of, slot_ids, tall_px, bright = zip(*rows, strict=True)
    return Judged(
        Opinions(
            np.array(score, np.float64),
            np.array(logit, np.float64),
            np.array(covered, np.float64),
            np.array(occupied, np.bool_),
        ),
        np.array(frame_of, np.intp),
        list(slot_ids),
        np.array(tall_px, np.float64),
        np.array(bright, np.float64),
    )


def withheld(said: Judged, chance: NDArray[np.float64], fusion: Fusion) -> NDArray[np.bool_]:
    """[N]: the slots that the detector calls unknown, picture by picture."""
    unknown = np.zeros(len(chance), np.bool_)
    for frame in np.unique(said.frame):
        of_frame = said.frame == frame
        low, high = doubtful_band(fusion, chance[of_frame].tolist())
        unknown[of_frame] = (chance[of_frame] > low) & (chance[of_frame] < high)
    return unknown


def layout_of(frame: Frame) -> LayoutPublished:
    """The frame's slots as a layout, named by their place in the list."""
    size = (frame.annotation["width"], frame.annotation["height"])
    slots = [
        LayoutSlot(
            slot_id=f"s{number}",
            zone_id="Z",
            polygon=[(x, y) for x, y in np.clip(outline / size, 0, 1).tolist()],
        )
        for number, outline in enumerate(frame.polygons)
    ]
    return LayoutPublished(
        id="evaluate",
        site_id="evaluate",
        time_ms=0,
        camera_id="evaluate/camera",
        version=1,
        site_name="",
        camera_name="",
        interval_ms=1000,
        zones=[],
        slots=slots,
    )
