"""Run the models on annotated slots, through the detector's own code."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from parking.core.events import LayoutPublished, LayoutSlot
from parking.core.geometry import match_boxes
from parking.vision.inputsize import input_size
from parking.wire.ports import Detector
from services.detector.closer import Opinion, together
from services.detector.ground import ground_of
from services.detector.judging import How, Judge, Shot
from services.detector.model import Facts, Forward
from services.detector.picture import decode
from services.detector.runtimes import load_model, onnx_forward
from services.detector.settings import ModelSettings
from services.detector.slotnet import Fusion, SlotNet, doubtful_band
from tools.train.examples import read
from tools.train.fusion import Opinions
from tools.train.labels import Frame

UNWEIGHED = Fusion(0, 0, 1, 0, 0.5, 0.5)
MORE_PX = (1280, 1600)
"""Further input sizes. The fusion is fitted on the answers at these and at the size that the layout
needs."""


class Judged(NamedTuple):
    """The labelled slots of one data set, in the order of its frames."""

    opinions: Opinions
    """Scores of whole pictures at several input sizes. The fusion is fitted on these."""
    first: Opinions
    """Scores of whole pictures at the input size that the layout needs."""
    frame: NDArray[np.intp]
    """[N]: index of the frame."""
    slot: list[str]
    """[N]: its id."""
    height_px: NDArray[np.float64]
    """[N]: height at the model's input."""
    brightness: NDArray[np.float64]
    """[N]: mean of the frame, 0..1."""


def box_model(path: Path, threads: int) -> Detector:
    """Open the vehicle model as the detector runs it."""
    return load_model(ModelSettings(path, "openvino", "f32", threads, 0, 0, 1))[0]


def slot_forward(path: Path, threads: int) -> Forward:
    """Open the slot network."""
    return onnx_forward(path, threads, "f32")


def judged(frames: Sequence[Frame], boxes: Detector, forward: Forward, size_px: int = 0) -> Judged:
    """Judge all labelled slots. `size_px` is the input size of the first look; 0 means what the
    layout needs."""
    net = SlotNet("", UNWEIGHED, forward)
    facts: list[tuple[bool, int, str, float, float]] = []
    first: list[Opinion] = []
    closer: list[Opinion] = []
    for index, frame in enumerate(track(frames, frames[0].group)):
        picture = read(frame)
        height, width = picture.shape[:2]
        layout = layout_of(frame)
        size = size_px or input_size(layout, (width, height)).size_px
        found = {px: boxes.detect([picture], px)[0] for px in {size, *MORE_PX}}
        outlines = [np.asarray(slot.polygon, np.float64) for slot in layout.slots]
        slots = frame.annotation["slots"]
        labelled = [number for number, slot in enumerate(slots) if slot["occupied"] is not None]
        logits = net.logits(picture, outlines)
        mirrored = net.logits(picture, outlines, mirrored=True)
        matches = {px: match_boxes(b.xyxy, b.scores, outlines) for px, b in found.items()}
        looks = [matches[px] for px in (size, *MORE_PX)]
        for kept, seen in (
            (first, together(looks[:1], [logits])),
            (closer, together(looks, [logits, mirrored])),
        ):
            kept.append(Opinion(*(column[labelled] for column in seen)))
        scale = size / max(width, height) * height
        brightness = float(picture.mean()) / 255
        for number in labelled:
            occupied, slot_id = slots[number]["occupied"] == 1, str(slots[number]["id"])
            tall_px = float(np.ptp(outlines[number][:, 1])) * scale
            facts.append((occupied, index, slot_id, tall_px, brightness))
    occupied, frame_of, slot_ids, tall_px, bright = zip(*facts, strict=True)
    truth = np.array(occupied, np.bool_)
    return Judged(
        _opinions(closer, truth),
        _opinions(first, truth),
        np.array(frame_of, np.intp),
        list(slot_ids),
        np.array(tall_px, np.float64),
        np.array(bright, np.float64),
    )


def _opinions(seen: Sequence[Opinion], truth: NDArray[np.bool_]) -> Opinions:
    said = Opinion(*(np.concatenate(column) for column in zip(*seen, strict=True)))
    return Opinions(said, truth)


class Shown(NamedTuple):
    """The detector's output for the labelled slots of a data set."""

    chance: NDArray[np.float64]
    """[N]: P(occupied)."""
    unknown: NDArray[np.bool_]
    """[N]: reported as unknown, according to the picture's band."""
    first: NDArray[np.float64]
    """[N]: P(occupied) without closer looks."""
    closer: float
    """Share of the pictures that needed a closer look."""
    sure: float
    """Share of the slots for which no vehicle search ran."""


def shown(
    frames: Sequence[Frame], said: Judged, fusion: Fusion, boxes: Detector, forward: Forward
) -> Shown:
    """Judge picture by picture with the detector's own judge, every slot judged."""
    net = SlotNet("", fusion, forward)
    judge = Judge(Facts(), net, boxes)
    chance, first = np.zeros(len(said.frame)), np.zeros(len(said.frame))
    unknown, sure = np.zeros(len(said.frame), np.bool_), np.zeros(len(said.frame), np.bool_)
    looked = 0
    for index in track(np.unique(said.frame).tolist(), frames[0].group):
        frame, mine = frames[index], np.flatnonzero(said.frame == index)
        size_wh = (frame.annotation["width"], frame.annotation["height"])
        ground = ground_of(layout_of(frame), size_wh, 0)
        picture = decode(frame.path.read_bytes(), 10**9, None, halve=ground.halve)
        every = np.ones(len(ground.slots), np.bool_)
        slots = frame.annotation["slots"]
        labelled = [number for number, slot in enumerate(slots) if slot["occupied"] is not None]
        for kept, closer in ((first, False), (chance, True)):
            shot = Shot(picture, ground, How(closer), {})
            judged = judge.judge(shot, every, ~every, None)
            kept[mine] = judged.known.chances[labelled]
        looked += judged.closer
        low, high = doubtful_band(fusion, judged.known.chances.tolist())
        unknown[mine] = (chance[mine] > low) & (chance[mine] < high)
        against = fusion.contradicted(judged.known.logits, judged.known.chances)
        unknown[mine] |= against[labelled]
        sure[mine] = fusion.sure(judged.known.logits)[labelled]
    return Shown(chance, unknown, first, looked / len(np.unique(said.frame)), float(sure.mean()))


def layout_of(frame: Frame) -> LayoutPublished:
    """Return the frame's slots as a layout, named by their index in the list."""
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
