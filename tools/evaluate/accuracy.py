"""Measure the detector's accuracy on lots it has never seen.

  python -m tools.evaluate.accuracy --data ../shared/data --folds runs --out runs/accuracy

Each data set is judged by models that have not seen its lot (`--folds`: the output of `make
train`), with a fusion fitted on the other sets. No data of a set influences any choice made for it.
Prints a Markdown table. --out gets the same numbers as JSON, with plots and a picture of the worst
errors.
"""

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from services.detector.settings import DEFAULT_MODEL
from tools.evaluate import plots
from tools.evaluate.measures import Measures, measures
from tools.evaluate.opinions import Judged, Shown, box_model, shown, slot_forward
from tools.evaluate.sequence import STEP_DAYS, Hysteresis, stages
from tools.evaluate.unseen import Folds, unseen
from tools.train.labels import Frame, data_sets

SEQUENCES = ("pklot-ufpr04-seq", "pklot-ufpr05-day")
HEIGHTS_PX = (0, 20, 28, 40, 60, 1000)
LIGHTS = {"dark": (0.0, 0.3), "middle": (0.3, 0.5), "bright": (0.5, 1.01)}
FIELDS = ("accuracy", "balanced", "f1", "auc", "ece", "unknown", "wrong")


def main() -> None:
    """Run the command line."""
    options = _arguments()
    frames = data_sets(options.data)
    band = tuple(options.band)
    folds = Folds(options.folds, options.boxes, options.threads, options.size, band)
    lot, said, fusion = unseen(frames, folds)
    answers = {
        name: shown(
            frames[name],
            said[name],
            fusion[name],
            box_model(folds.boxes_of(lot[name]), folds.threads),
            slot_forward(folds.slots_of(lot[name]), folds.threads),
        )
        for name in said
    }
    report = _report(frames, said, answers)
    options.out.mkdir(parents=True, exist_ok=True)
    as_json = json.dumps({"band": options.band} | report, indent=1)
    (options.out / "accuracy.json").write_text(as_json, "utf-8")
    chance = {name: one.chance for name, one in answers.items()}
    plots.calibration(said, chance, options.out / "calibration.svg")
    plots.bars(report["by height"], "accuracy by height at the input", options.out / "height.svg")
    plots.worst(frames, said, chance, options.out / "worst.jpg")
    print(_table(report))


def _report(
    frames: Mapping[str, list[Frame]], said: Mapping[str, Judged], answers: Mapping[str, Shown]
) -> dict[str, Any]:
    truth = {name: said[name].opinions.occupied for name in sorted(said)}
    sets = {n: measures(answers[n].chance, truth[n], answers[n].unknown) for n in truth}
    macro = {f: float(np.nanmean([getattr(one, f) for one in sets.values()])) for f in FIELDS}
    first = {n: float(((answers[n].first >= 0.5) == truth[n]).mean()) for n in truth}
    occupied = np.concatenate([truth[n] for n in sets])
    chance = np.concatenate([answers[n].chance for n in sets])
    unknown = np.concatenate([answers[n].unknown for n in sets])
    height = np.concatenate([said[n].height_px for n in sets])
    light = np.concatenate([said[n].brightness for n in sets])
    by_height = {
        f"{low}..{high} px" if high < 1000 else f"{low} px and more": (height >= low)
        & (height < high)
        for low, high in itertools.pairwise(HEIGHTS_PX)
    }
    by_light = {n: (light >= low) & (light < high) for n, (low, high) in LIGHTS.items()}
    return {
        "sets": {name: one._asdict() for name, one in sets.items()},
        "macro": macro,
        "first look": first | {"macro": float(np.mean(list(first.values())))},
        "looked closer": {n: answers[n].closer for n in sets},
        "sure": {n: answers[n].sure for n in sets},
        "by height": _parts(by_height, chance, occupied, unknown),
        "by light": _parts(by_light, chance, occupied, unknown),
        "sequences": {
            name: stages(frames[name], said[name], answers[name])
            for name in SEQUENCES
            if name in said
        },
        "hysteresis": Hysteresis()._asdict(),
        "days a frame": STEP_DAYS,
    }


def _parts(
    masks: Mapping[str, Any], chance: Any, occupied: Any, unknown: Any
) -> dict[str, dict[str, float]]:
    return {
        name: measures(chance[mask], occupied[mask], unknown[mask])._asdict()
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
    lines += ["", "| set | right without closer looks | looked at closer | slots sure alone |"]
    lines.append("|---" * 4 + "|")
    for name, right in report["first look"].items():
        shares = [report[part].get(name) for part in ("looked closer", "sure")]
        cells = " | ".join("" if share is None else f"{share:.0%}" for share in shares)
        lines.append(f"| {name} | {right:.4f} | {cells} |")
    heads = ("sequence", "states", "flips a slot-day", "changes", "shown after (frames)")
    lines += ["", f"| {' | '.join((*heads, 'missed', 'shown already'))} |", "|---" * 7 + "|"]
    for name, found in report["sequences"].items():
        for stage, one in found.items():
            lines.append(
                f"| {name} | {stage} | {one['flips_a_slot_day']:.2f} | {one['changes']} "
                f"| {one['late']} | {one['missed']} | {one['moot']} |"
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
    parser.add_argument("--folds", type=Path, required=True, help="models trained without a lot")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--boxes", type=Path, default=DEFAULT_MODEL, help="used if a fold has none")
    parser.add_argument("--band", type=float, nargs=2, default=(0.3, 0.7), help="nobody knows")
    parser.add_argument("--size", type=int, default=0, help="model input; 0: by need")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
