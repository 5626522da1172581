"""How right the detector is on lots it has never seen.

  python -m tools.evaluate.accuracy --data ../shared/data --folds runs/slots --out runs/accuracy

For each data set the models that have not seen its lot judge it (`--folds`: what
`python -m tools.train.slots` left there), with a fusion fitted on the other sets; nothing of a set
is used to choose anything for it. Prints a Markdown table; --out gets it as JSON, with plots and a
picture of the worst errors.
"""

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.detector.settings import DEFAULT_MODEL
from tools.evaluate import plots
from tools.evaluate.leave_out import without
from tools.evaluate.measures import Measures, measures
from tools.evaluate.opinions import Judged, box_model, judged, slot_forward
from tools.evaluate.sequence import STEP_DAYS, Hysteresis, told
from tools.train.fusion import fitted, probabilities
from tools.train.labels import Frame, frames_of

SEQUENCES = ("pklot-ufpr04-seq", "pklot-ufpr05-day")
HEIGHTS_PX = (0, 20, 28, 40, 60, 1000)
LIGHTS = {"dark": (0.0, 0.3), "middle": (0.3, 0.5), "bright": (0.5, 1.01)}
FIELDS = ("accuracy", "balanced", "f1", "auc", "ece", "unknown", "wrong")


def main() -> None:
    """Command line."""
    options = _arguments()
    folders = sorted(path.parent for path in options.data.glob("*/annotations.json"))
    frames = {folder.name: frames_of(folder) for folder in folders}
    lots = without(frames)
    said = {
        name: _judge(frames[name], options, lot) for lot, names in lots.items() for name in names
    }
    chances: dict[str, NDArray[np.float64]] = {}
    for names in lots.values():
        others = {name: one.opinions for name, one in said.items() if name not in names}
        fusion = fitted(others, tuple(options.band))
        chances |= {name: probabilities(fusion, said[name].opinions) for name in names}
    report = _report(frames, said, chances, tuple(options.band))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "accuracy.json").write_text(json.dumps(report, indent=1), "utf-8")
    plots.calibration(said, chances, options.out / "calibration.svg")
    plots.bars(report["by height"], "accuracy by height at the input", options.out / "height.svg")
    plots.worst(frames, said, chances, options.out / "worst.jpg")
    print(_table(report))


def _judge(frames: list[Frame], options: argparse.Namespace, lot: str) -> Judged:
    own = options.folds / f"boxes-without-{lot}.onnx"
    boxes = box_model(own if own.exists() else options.boxes, options.threads)
    forward = slot_forward(options.folds / f"without-{lot}.onnx", options.threads)
    return judged(frames, boxes, forward, options.size)


def _report(
    frames: Mapping[str, list[Frame]],
    said: Mapping[str, Judged],
    chances: Mapping[str, Any],
    band: tuple[float, float],
) -> dict[str, Any]:
    sets = {n: measures(chances[n], said[n].opinions.occupied, band) for n in sorted(said)}
    macro = {f: float(np.nanmean([getattr(one, f) for one in sets.values()])) for f in FIELDS}
    occupied = np.concatenate([said[n].opinions.occupied for n in sets])
    chance = np.concatenate([chances[n] for n in sets])
    height = np.concatenate([said[n].height_px for n in sets])
    light = np.concatenate([said[n].brightness for n in sets])
    by_height = {
        f"{low}..{high} px" if high < 1000 else f"{low} px and more": (height >= low)
        & (height < high)
        for low, high in itertools.pairwise(HEIGHTS_PX)
    }
    by_light = {n: (light >= low) & (light < high) for n, (low, high) in LIGHTS.items()}
    return {
        "band": band,
        "sets": {name: one._asdict() for name, one in sets.items()},
        "macro": macro,
        "by height": _parts(by_height, chance, occupied, band),
        "by light": _parts(by_light, chance, occupied, band),
        "sequences": {
            name: told(frames[name], said[name], chances[name], band)
            for name in SEQUENCES
            if name in said
        },
        "hysteresis": Hysteresis()._asdict(),
        "days a frame": STEP_DAYS,
    }


def _parts(
    masks: Mapping[str, Any], chance: Any, occupied: Any, band: tuple[float, float]
) -> dict[str, dict[str, float]]:
    return {
        name: measures(chance[mask], occupied[mask], band)._asdict()
        for name, mask in masks.items()
        if mask.any()
    }


def _table(report: Mapping[str, Any]) -> str:
    head = "| set | slots | " + " | ".join(FIELDS) + " |"
    lines = [head, "|---|---|" + "---|" * len(FIELDS)]
    for part in ("sets", "by light", "by height"):
        for name, one in report[part].items():
            lines.append(_line(name, Measures(**one)))
        if part == "sets":
            cells = " | ".join(f"{report['macro'][f]:.4f}" for f in FIELDS)
            lines.append(f"| **macro, lots never seen** | | {cells} |")
    lines += [
        "",
        "| sequence | states | flips a slot-day | changes | shown after (frames) | never |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, stages in report["sequences"].items():
        for stage, one in stages.items():
            lines.append(
                f"| {name} | {stage} | {one['flips_a_slot_day']:.2f} | {one['changes']} "
                f"| {one['late']} | {one['never']} |"
            )
    return "\n".join(lines)


def _line(name: str, one: Measures) -> str:
    cells = " | ".join(f"{getattr(one, field):.4f}" for field in FIELDS)
    return f"| {name} | {one.slots} | {cells} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated sets")
    parser.add_argument("--folds", type=Path, required=True, help="models that left a lot out")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--boxes", type=Path, default=DEFAULT_MODEL, help="where no fold has one")
    parser.add_argument("--band", type=float, nargs=2, default=(0.3, 0.7), help="nobody knows")
    parser.add_argument("--size", type=int, default=0, help="model input; 0: by need")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
