"""Train, export, calibrate and score the vehicle detector.

  python -m tools.train --data ../shared/data --base ../shared/models/yolo11n_rebuilt.pt --out runs
  python -m tools.train ... --leave-out acpds      a model that has not seen a lot

The base weights change only a little: training takes few steps at a small rate, with a frozen
backbone and the same classes. Longer training at a larger rate learns these lots and forgets others
(docs/decisions/0014-*). The result of every step is stored below --out and reused, including labels
and the epochs of an interrupted training. Needs the extra [train] (make .venv/.train). On two cores
it takes two minutes, plus a few more for the labels. A GPU is used if torch finds one.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from tools.train.export import annotate, export
from tools.train.fit import Plan, fit, predictor
from tools.train.labels import Frame, frames_of, label, write_yolo
from tools.train.score import accuracy, best_threshold, calibrate, open_model, scores

SIZES_PX = (640, 960, 1280)
SEQUENCES = ("pklot-ufpr04-seq", "pklot-ufpr05-day")
LABEL_SIZE_PX = 1920
EVERY = 3
"""Take every n-th frame, because neighbours in a sequence look the same."""


def main() -> None:
    """Run the command line."""
    options = _arguments()
    sets = sorted(path.parent for path in options.data.glob("*/annotations.json"))
    seen = [folder for folder in sets if folder.name not in options.leave_out]
    dataset = options.out / "dataset"
    if not (dataset / "done").exists():
        shutil.rmtree(dataset, ignore_errors=True)
        predict = predictor(options.base, LABEL_SIZE_PX)
        for folder in track([*sets, *options.rendered], "labels"):
            frames = frames_of(folder, every=EVERY if folder.name in SEQUENCES else 1)
            write_yolo(label(frames, predict), dataset)
        (dataset / "done").touch()
    name = f"boxes-without-{options.leave_out[0]}" if options.leave_out else "parking-yolo11n"
    weights = fit(
        (dataset.absolute(), frozenset(options.leave_out)),
        options.weights or options.base,
        (options.out / "runs" / name).absolute(),
        Plan(options.epochs, options.size, options.seed, options.rate),
    )
    model = options.out / f"{name}.onnx"
    export(weights, model, options.size)
    if options.leave_out:
        annotate(model, {"model_id": name, "license": "AGPL-3.0"})
        print(model)
    else:
        print(finish(model, seen, sets, options.size))


def finish(model: Path, seen: Sequence[Path], sets: Sequence[Path], size_px: int) -> str:
    """Choose threshold and calibration on the sets that the model was trained on, write them into
    its file, and return the table of all sets (Markdown)."""
    detector = open_model(model)
    frames: dict[str, list[Frame]] = {folder.name: frames_of(folder) for folder in sets}
    known = {folder.name for folder in seen}
    everything = [frame for some in frames.values() for frame in some]
    results = {size: scores(detector, everything, size) for size in track(SIZES_PX, "scores")}
    trained = {
        f"{name} {size}": one
        for size in SIZES_PX[:2]
        for name, one in results[size].items()
        if name in known
    }
    threshold = best_threshold(trained)
    a, b = calibrate(trained)
    facts = {
        "model_id": "parking-yolo11n",
        "threshold": str(threshold),
        "calibration": {"a": round(a, 4), "b": round(b, 4)},
        "input_sizes": [size_px],
        "license": "AGPL-3.0",
    }
    annotate(model, facts)
    lines = [
        f"threshold {threshold}, calibration {json.dumps(facts['calibration'])}",
        "",
        "| set | slots | " + " | ".join(f"{s} px | ms" for s in SIZES_PX) + " | trained on |",
        "|---|---|" + "---|---|" * len(SIZES_PX) + "---|",
    ]
    for name in frames:
        cells = [
            f"{accuracy(results[s][name], threshold):.4f} | {results[s][name].frame_ms:.0f}"
            for s in SIZES_PX
        ]
        slots = len(results[SIZES_PX[0]][name].score)
        trained_on = "yes" if name in known else "no"
        lines.append(f"| {name} | {slots} | {' | '.join(cells)} | {trained_on} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated sets")
    parser.add_argument(
        "--base",
        type=Path,
        required=True,
        help="COCO weights (.pt) for labels and training",
    )
    parser.add_argument("--weights", type=Path, help="weights to continue from (--base)")
    parser.add_argument("--rate", type=float, default=0.0002, help="first learning rate (0.0002)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for all results")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="rendered sets")
    parser.add_argument("--leave-out", nargs="*", default=[], help="sets to test on, not train on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=640, help="training input, pixels (640)")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
