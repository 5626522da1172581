"""Measure accuracy on sources (PKLot, CNRPark-EXT, ACPDS) that are wholly left out of training.

  python -m tools.evaluate.wholly_out --data ../shared/data \\
      --base ../shared/models/yolo11n_rebuilt.pt --rendered runs/scenes --out runs/wholly-out

For each source, a slot network is trained on the other sources and on the rendered scenes. It
judges the source that it has not seen, with a fusion fitted on the answers for the others. The
boxes come from the base weights, which have seen none of the sources. `--lots` also leaves out
single lots in the same way, to show what the rest of a lot's source contributes. Trained networks
are kept below --out. Needs the extra [train].
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tools.evaluate.leave_out import sources, without
from tools.evaluate.measures import measures
from tools.evaluate.opinions import box_model, judged, shown, slot_forward
from tools.evaluate.unseen import Folds, unseen
from tools.train.export import annotate, export
from tools.train.fusion import fitted
from tools.train.labels import Frame, data_sets
from tools.train.slotnet import Plan
from tools.train.slots import SEQUENCES, cut, train

SIZE_PX = 640
FIELDS = ("accuracy", "balanced", "unknown", "wrong")


def main() -> None:
    """Run the command line."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    frames = data_sets(options.data)
    boxes = _boxes(options.base, options.out / "boxes-base.onnx")
    folds = Folds(options.out, boxes, options.threads)
    plan = Plan(options.epochs, seed=options.seed)
    examples = cut(options, frames)
    lots = {f"lot-{lot}": names for lot, names in without(frames).items() if lot in options.lots}
    by_source = sources(frames)
    for fold, left_out in (by_source | lots).items():
        train(examples, left_out, options.base, plan, folds.slots_of(fold))
    shown_frames = {n: some[:: SEQUENCES.get(n, 1)] for n, some in frames.items()}
    answers = judge(shown_frames if options.thin else frames, folds, by_source, lots)
    rows = table(answers)
    (options.out / "wholly-out.md").write_text(f"{rows}\n", "utf-8")
    counts = ", ".join(f"{name} {len(some.occupied)}" for name, some in examples.items())
    print(f"{plan}; examples: {counts}\n{rows}")


def _boxes(base: Path, out: Path) -> Path:
    """Return the base weights as a vehicle model, which has seen none of our sets."""
    if not out.exists():
        export(base, out, SIZE_PX)
        annotate(out, {"model_id": "boxes-base", "license": "AGPL-3.0"})
    return out


class Answers(NamedTuple):
    """The labelled slots of some data sets."""

    chance: NDArray[np.float64]
    occupied: NDArray[np.bool_]
    unknown: NDArray[np.bool_]


By = dict[str, dict[str, Answers]]
"""Answers, keyed by fold and data set."""


def judge(
    frames: Mapping[str, list[Frame]],
    folds: Folds,
    by_source: Mapping[str, Sequence[str]],
    lots: Mapping[str, Sequence[str]],
) -> By:
    """Judge every set with the fold that left out its source, and the sets in `lots` also with
    their own fold. Every fusion is fitted on the answers that the sources' folds gave for the other
    sets."""
    seen = unseen(frames, folds, by_source)
    boxes = box_model(folds.boxes, folds.threads)
    found: By = {}
    for fold, names in (dict(by_source) | dict(lots)).items():
        forward = slot_forward(folds.slots_of(fold), folds.threads)
        others = {n: one.opinions for n, one in seen.said.items() if n not in names}
        fusion = fitted(others, folds.band)
        for name in names:
            said = judged(frames[name], boxes, forward) if fold in lots else seen.said[name]
            answers = shown(frames[name], said, fusion, boxes, forward)
            one = Answers(answers.chance, said.opinions.occupied, answers.unknown)
            found.setdefault(fold, {})[name] = one
    return found


def table(answers: Mapping[str, Mapping[str, Answers]]) -> str:
    """Return the results as Markdown. A fold of several sets also gets a row for all their
    slots."""
    lines = [f"| left out | set | slots | {' | '.join(FIELDS)} |"]
    lines.append("|---" * (3 + len(FIELDS)) + "|")
    for fold, sets in answers.items():
        rows = dict(sets)
        if len(rows) > 1:
            rows["all"] = Answers(*map(np.concatenate, zip(*sets.values(), strict=True)))
        for name, one in rows.items():
            found = measures(one.chance, one.occupied, one.unknown)
            cells = " | ".join(f"{getattr(found, field):.4f}" for field in FIELDS)
            lines.append(f"| {fold} | {name} | {found.slots} | {cells} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.wholly_out",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated sets")
    parser.add_argument("--base", type=Path, required=True, help="COCO weights (.pt)")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="rendered sets")
    parser.add_argument("--lots", nargs="*", default=[], help="lots to leave out alone, too")
    parser.add_argument("--out", type=Path, default=Path("runs/wholly-out"))
    parser.add_argument("--epochs", type=int, default=Plan().epochs)
    parser.add_argument("--thin", action="store_true", help="judge long sequences in part")
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
