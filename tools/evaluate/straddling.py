"""Measure how often one vehicle over two slots is reported correctly and incorrectly.

Incorrect reports are those in labelled frames. No label marks a vehicle that stands over two slots,
so every such finding counts as wrong, though some are right. Correct reports are those in composed
pictures (tools/evaluate/astride.py), in which a vehicle of the frame is copied between two free
slots.

With --folds the models have not seen the lot. Their fusion has the weights of the shipped slot
network.
"""

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from parking.core.events import Observation
from parking.core.geometry import match_boxes, overlap_areas
from services.detector.ground import Ground, ground_of
from services.detector.judging import How, Judge, Judgement, Known, Shot
from services.detector.model import Facts
from services.detector.picture import decode
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots
from services.detector.slotnet import SlotNet
from tools.evaluate.astride import LORRY, Donor, Floats, composed, nearest, side_by_side
from tools.evaluate.leave_out import without
from tools.evaluate.opinions import box_model, layout_of, slot_forward
from tools.evaluate.unseen import Folds
from tools.train.labels import Frame, data_sets

KINDS: Final = {
    "a car, a third over": (0.35, 1.0),
    "a car on the line": (0.5, 1.0),
    "a lorry on the line": (0.5, LORRY),
}
"""How far the copy is from the first slot's middle towards the second's, and its size relative to a
car."""
_SURE: Final = 0.5
_NEAR: Final = 0.02
"""Slots that contain this share of the copy are judged again, as after the change gate."""
_QUALITY: Final = 92


def add_parser(commands: Any) -> None:
    """Add the command `straddling`."""
    parser = commands.add_parser(
        "straddling", help="one vehicle over two slots", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--folds", type=Path, help="use models trained without a lot")
    parser.add_argument("--every", type=int, default=1, help="use every n-th frame of a set (1)")
    parser.add_argument("--pairs", type=int, default=1, help="composed pairs for each frame (1)")
    parser.add_argument("--threads", type=int, default=1, help="inference threads (1)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    cv2.setNumThreads(options.threads)
    sets = data_sets(options.data)
    lots = {name: lot for lot, names in without(sets).items() for name in names}
    false: Counter[str] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    for name, frames in sets.items():
        judge = _judge(options, lots[name])
        of_set: Counter[str] = Counter()
        for frame in frames[:: options.every]:
            picture = decode(frame.path.read_bytes(), 10**9, None, halve=False)
            ground = ground_of(layout_of(frame), (picture.shape[1], picture.shape[0]), 0)
            judged = _judged(judge, picture, ground)
            seen = judge.observations(ground, judged)
            of_set.update(reported(seen, [s["occupied"] for s in frame.annotation["slots"]]))
            # Seeded by the frame's name, so that fewer frames give a subset of the pairs.
            drawn = random.Random(frame.path.name)  # noqa: S311 -- a sample, not a secret
            pairs = _pairs(frame, drawn)[: options.pairs]
            for kind, both in _composed(judge, picture, (frame, ground), judged.known, pairs):
                hits.update((kind, key) for key in outcome(both))
        print(f"{name}: {_words(of_set)}", flush=True)
        false.update(of_set)
    print(f"all: {_words(false)}\n\n| composed | pictures | neither slot free | reported |")
    print("|---|---|---|---|")
    for kind in KINDS:
        total = hits[kind, "pictures"]
        shares = (f"{hits[kind, key] / max(1, total):.0%}" for key in ("not free", "reported"))
        print(f"| {kind} | {total} | {' | '.join(shares)} |")


def reported(seen: list[Observation], occupied: list[int | None]) -> Counter[str]:
    """Count the labelled slots of a frame: `slots`, `straddled`, and those of them labelled
    `free`."""
    counts: Counter[str] = Counter()
    for one, label in zip(seen, occupied, strict=True):
        if label is not None:
            counts["slots"] += 1
            counts["straddled"] += bool(one.straddling)
            counts["free"] += bool(one.straddling) and label == 0
    return counts


def outcome(both: tuple[Observation, Observation]) -> list[str]:
    """Name what is right about the two slots of a composed picture, besides counting it in
    `pictures`."""
    first, second = both
    right = ["pictures"]
    if first.state != "free" and second.state != "free":
        right.append("not free")
    if second.slot_id in first.straddling and first.slot_id in second.straddling:
        right.append("reported")
    return right


def _words(counts: Counter[str]) -> str:
    share = counts["straddled"] / max(1, counts["slots"])
    return (
        f"{counts['slots']} labelled slots, {counts['straddled']} reported as straddled"
        f" ({share:.2%}), {counts['free']} of them labelled free"
    )


def _judge(options: argparse.Namespace, lot: str) -> Judge:
    slots = default_slots(DEFAULT_MODEL)
    settings = ModelSettings(DEFAULT_MODEL, "onnx", "f32", options.threads, 0, 0, 1, slots=slots)
    shipped = load_slotnet(settings)
    if shipped is None:
        raise SystemExit("evaluate: the shipped slot network is missing: see models/README.md")
    if options.folds is None:
        detector, facts = load_model(settings)
        return Judge(facts, shipped, detector)
    folds = Folds(options.folds, threads=options.threads)
    net = SlotNet(lot, shipped.fusion, slot_forward(folds.slots_of(lot), options.threads))
    return Judge(Facts(), net, box_model(folds.boxes_of(lot), options.threads))


def _judged(judge: Judge, picture: Any, ground: Ground) -> Judgement:
    every = np.ones(len(ground.slots), np.bool_)
    return judge.judge(Shot(picture, ground, How(), {}), every, ~every, None)


def _pairs(frame: Frame, drawn: random.Random) -> list[tuple[int, int]]:
    free = [n for n, slot in enumerate(frame.annotation["slots"]) if slot["occupied"] == 0]
    pairs = side_by_side(frame.polygons, free)
    drawn.shuffle(pairs)
    return pairs


def _composed(
    judge: Judge,
    picture: Any,
    of: tuple[Frame, Ground],
    known: Known,
    pairs: list[tuple[int, int]],
) -> Iterator[tuple[str, tuple[Observation, Observation]]]:
    """Yield, for each kind of vehicle over each pair, what the detector then reports for the two
    slots."""
    frame, ground = of
    donors = _donors(frame, ground, known)
    for pair in pairs:
        outlines = [frame.polygons[slot] for slot in pair]
        donor = nearest(donors, outlines)
        for kind, (share, size) in KINDS.items():
            copy = composed(picture, donor, outlines, share, size) if donor else None
            if copy is None:
                continue
            changed, place = copy
            quality = (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
            jpeg = bytes(np.asarray(cv2.imencode(".jpg", changed, quality)[1]))
            shot = Shot(decode(jpeg, 10**9, None, halve=False), ground, How(), {})
            area = float(np.prod(place[2:] - place[:2]))
            near = overlap_areas(place, frame.polygons)[0] > _NEAR * area
            near[list(pair)] = True
            judged = judge.judge(shot, near, np.zeros_like(near), known)
            seen = {one.slot_id: one for one in judge.observations(ground, judged)}
            first, second = (seen[ground.slots[slot].slot_id] for slot in pair)
            yield kind, (first, second)


def _donors(frame: Frame, ground: Ground, known: Known) -> list[Donor]:
    """Return the vehicles in the frame that are certain, in pixels."""
    match = match_boxes(known.boxes.xyxy, known.boxes.scores, ground.outlines)
    pixels: Floats = known.boxes.xyxy.astype(np.float64) * np.tile(ground.size_wh, 2)
    return [
        Donor(pixels[match.box_index[n]], frame.polygons[n])
        for n, slot in enumerate(frame.annotation["slots"])
        if slot["occupied"] == 1 and match.scores[n] > _SURE
    ]
