"""Train the slot network and measure it on lots that it has never seen.

  python -m tools.train.slots --data ../shared/data --base ../shared/models/yolo11n_rebuilt.pt \\
      --rendered runs/scenes --out runs

First, one network is trained for each lot, on all the other lots. The fusion with the boxes is
fitted on their answers (`--boxes`: the vehicle model it is for). Then the shipped network is
trained on everything, and that fusion is written into its file. If --out holds a vehicle model that
has not seen a lot, boxes-without-LOT.onnx (`python -m tools.train --leave-out ...`), it is used for
that lot. Data sets that share a camera are left out together. Every network is kept below --out and
is not trained again. Needs the extra [train]. Each network takes six minutes on two cores.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from services.detector.model import model_id
from services.detector.settings import DEFAULT_MODEL
from tools.evaluate.leave_out import without
from tools.evaluate.unseen import Folds, unseen
from tools.train.examples import Examples, annotated, gathered, joined, placed
from tools.train.export import annotate
from tools.train.fit import predictor
from tools.train.fusion import facts, fitted
from tools.train.labels import Frame, data_sets, frames_of
from tools.train.slotnet import Plan, export, fit

LABEL_SIZE_PX = 1920
SEQUENCES = {"pklot-ufpr05-day": 4, "pklot-ufpr04-seq": 2}
"""Neighbours in a sequence look the same, so outlines are placed only in every n-th frame."""

FILE = "parking-slots.onnx"


def main() -> None:
    """Run the command line."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    frames = data_sets(options.data)
    examples = cut(options, frames)
    plan = Plan(options.epochs, seed=options.seed)
    for name, left_out in without(frames).items():
        train(examples, left_out, options.base, plan, options.out / f"without-{name}.onnx")
    said = unseen(frames, Folds(options.out, options.boxes, options.threads)).said
    shipped = options.out / FILE
    train(examples, (), options.base, plan, shipped)
    opinions = {name: one.opinions for name, one in said.items()}
    fusion = replace(fitted(opinions), low=options.band[0], high=options.band[1])
    annotate(shipped, facts(fusion, [model_id(options.boxes)]))
    print(f"{shipped}: {fusion}")


def train(
    examples: Mapping[str, Examples],
    left_out: Sequence[str],
    base: Path,
    plan: Plan,
    out: Path,
) -> None:
    """Train on all examples but those of the data sets `left_out`, unless `out` exists."""
    if out.exists():
        return
    title = f"without {', '.join(left_out)}" if left_out else "all lots"
    export(fit(joined(examples, left_out), base, plan, title), out)


def cut(options: argparse.Namespace, frames: Mapping[str, list[Frame]]) -> dict[str, Examples]:
    """Return, keyed by data set, its slots and outlines placed around its vehicles. Kept below
    --out."""
    predict = predictor(options.base, LABEL_SIZE_PX)
    found = {}
    for name, some in frames.items():
        kept = options.out / f"{name}.npz"
        if not kept.exists():
            print(f"cutting {name}", flush=True)
            some_placed = placed(some[:: SEQUENCES.get(name, 1)], predict, options.seed)
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **gathered([*annotated(some), *some_placed])._asdict())
        with np.load(kept) as file:
            found[name] = Examples(**file)
    for folder in options.rendered:
        found[folder.name] = gathered(annotated(frames_of(folder)))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.train.slots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated sets")
    parser.add_argument("--base", type=Path, required=True, help="COCO weights (.pt)")
    parser.add_argument("--boxes", type=Path, default=DEFAULT_MODEL, help="the vehicle model")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="rendered sets")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--epochs", type=int, default=Plan().epochs)
    parser.add_argument("--band", type=float, nargs=2, default=(0.3, 0.7), help="nobody knows")
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
