"""Measure how often the detector is wrong instead of unknown, on clean and damaged frames.

Each frame is analysed alone, as after a restart, with a layout whose reference is another frame of
the same camera (the frame itself, where the set has only one). It counts the right, wrong and
unknown states of slots and the reported health of frames. A state is `spoilt` when it is wrong and
the same slot was not wrong in the clean frame: only that error is caused by the damage.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished
from parking.core.lots import layouts_from_annotations
from parking.vision.reference import decoded, with_references
from parking.wire.annotations import load as annotations_of
from parking.wire.annotations import read_from
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.judging import Judge
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots
from services.detector.slotnet import SlotNet
from tools.evaluate.corrupt import KINDS, STRENGTHS, Picture, corrupt
from tools.evaluate.healthreport import write_report
from tools.evaluate.opinions import slot_forward
from tools.evaluate.unseen import Folds, unseen
from tools.train.labels import data_sets

CLEAN: Final = "clean"
_QUALITY: Final = 95


@dataclass(frozen=True, slots=True)
class Frame:
    """A labelled frame. `truth` maps slot_id to occupied, for the slots that have a label."""

    name: str
    folder: Path
    labels: dict[str, Any]
    truth: dict[str, bool]
    layout: LayoutPublished

    def picture(self) -> Picture:
        """Return the BGR pixels."""
        return decoded((self.folder / self.labels["file"]).read_bytes())


@dataclass(slots=True)
class Tally:
    """The counts for one kind at one strength. Slots are counted as right, wrong, unknown or
    spoilt, and frames by health. `wrong_by_set` and `slots_by_set` show whether one set
    dominates."""

    slots: Counter[str] = field(default_factory=Counter)
    health: Counter[str] = field(default_factory=Counter)
    wrong_by_set: Counter[str] = field(default_factory=Counter)
    slots_by_set: Counter[str] = field(default_factory=Counter)
    ok_slots: int = 0

    def share(self, what: str) -> float:
        """Return a share of the slots, 0..1."""
        return self.slots[what] / max(1, sum(self.slots[k] for k in ("right", "wrong", "unknown")))

    def row(self) -> dict[str, Any]:
        """Return the shares and counts as a JSON object."""
        sets = {n: round(self.wrong_by_set[n] / c, 4) for n, c in sorted(self.slots_by_set.items())}
        return {
            **{k: round(self.share(k), 4) for k in ("right", "wrong", "unknown", "spoilt")},
            "wrong_in_ok_frames": round(self.slots["wrong"] / max(1, self.ok_slots), 4),
            "slots": sum(self.slots_by_set.values()),
            "health": dict(self.health.most_common()),
            "wrong_by_set": sets,
        }


def add_parser(commands: Any) -> None:
    """Add the command `health`."""
    parser = commands.add_parser("health", help="frames damaged on purpose", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument("--frames", type=int, default=36, help="frames over all sets (36)")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--seed", type=int, default=1, help="selects which frames are drawn")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="ONNX model (shipped)")
    parser.add_argument(
        "--slots",
        type=Path,
        help="its slot network (default for the shipped model: the shipped one)",
    )
    parser.add_argument(
        "--folds", type=Path, help="use models trained without a lot instead of these"
    )
    parser.add_argument("--threads", type=int, default=1, help="inference threads (1)")
    parser.add_argument(
        "--size", type=int, default=0, help="detector input, px (default: as the layout needs)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure, print and write the report."""
    cv2.setNumThreads(options.threads)
    frames = sample(options.data, options.frames, options.seed)
    if not frames:
        raise SystemExit(f"evaluate: {options.data} contains no folder with an annotations.json")
    names = {frame.folder.name for frame in frames}
    analysers = unseen_analysers(options) if options.folds else shipped_for(options, names)
    analyse = {name: analyser.analyse for name, analyser in analysers.items()}
    tallies = measure(frames, analyse, options.kinds)
    models = sorted({analyser.model_id for analyser in analysers.values()})
    rows = {f"{kind} {strength}": tally.row() for (kind, strength), tally in tallies.items()}
    print(f"{len(frames)} frames, model {', '.join(models)}")
    print(f"{'':<15}{'right':>7}{'wrong':>7}{'unknown':>8}{'spoilt':>7}{'wrong if ok':>12}  health")
    for name, row in rows.items():
        shares = [f"{row[k]:.1%}" for k in ("right", "wrong", "unknown", "spoilt")]
        summary = ", ".join(f"{status} {count}" for status, count in row["health"].items())
        print(
            f"{name:<15}{shares[0]:>7}{shares[1]:>7}{shares[2]:>8}{shares[3]:>7}"
            f"{row['wrong_in_ok_frames']:>12.1%}  {summary}"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    head = {"frames": len(frames), "seed": options.seed, "model": ", ".join(models)}
    (options.out / "health.json").write_text(json.dumps(head | {"rows": rows}, indent=1), "utf-8")
    write_report(options.out, head, rows, (frames[0].name, frames[0].picture()), options.kinds)
    print(f"written: {options.out / 'health.html'}, health.json, examples.png")


def shipped_for(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Analyser]:
    """Return the same models for every data set: those of the options, or the shipped ones."""
    slots = options.slots or default_slots(options.model)
    settings = _settings(options, options.model, slots)
    analyser = _analyser(settings, load_slotnet(settings))
    return dict.fromkeys(names, analyser)


def unseen_analysers(options: argparse.Namespace) -> dict[str, Analyser]:
    """Return, keyed by data set, models that have not seen its lot."""
    folds = Folds(options.folds, options.model, options.threads, options.size)
    lots, _, fusion = unseen(data_sets(options.data), folds)
    return {
        name: _analyser(
            _settings(options, folds.boxes_of(lot), None),
            SlotNet(name, fusion[name], slot_forward(folds.slots_of(lot), options.threads)),
        )
        for name, lot in lots.items()
    }


def _settings(options: argparse.Namespace, boxes: Path, slots: Path | None) -> ModelSettings:
    return ModelSettings(boxes, "onnx", "f32", options.threads, 0, options.size, 1, slots=slots)


def _analyser(settings: ModelSettings, slotnet: SlotNet | None) -> Analyser:
    detector, facts = load_model(settings)
    judge = Judge(facts, slotnet, detector)
    return Analyser(judge, Options(size_px=settings.size_px), lambda: None)


def sample(data: Path, count: int, seed: int) -> list[Frame]:
    """Draw the same number of frames from each set below `data`, using the seed. A small set
    contributes all its frames."""
    drawn = random.Random(seed)  # noqa: S311 -- a sample, not a secret
    sets = [file.parent for file in sorted(data.glob("*/annotations.json"))]
    found: list[Frame] = []
    for number, folder in enumerate(sets):
        annotations = annotations_of(folder)
        left = (count - len(found)) // (len(sets) - number)
        labelled = annotations["frames"]
        chosen = drawn.sample(labelled, min(left, len(labelled)))
        found += [frame_of(folder, annotations, labels) for labels in chosen]
    return found


def frame_of(folder: Path, annotations: dict[str, Any], labels: dict[str, Any]) -> Frame:
    """Return a labelled frame with a layout whose reference is another frame of its camera."""
    site = folder.name
    (layout,) = layouts_from_annotations(
        annotations | {"frames": [labels]}, site, interval_ms=1000, time_ms=0
    )
    same = [f for f in annotations["frames"] if f["camera"] == labels["camera"]]
    others = [f for f in same if f["file"] != labels["file"]] or same
    (layout,) = with_references([layout], {"frames": others}, read_from(folder))
    truth = {
        str(s["id"]): bool(s["occupied"]) for s in labels["slots"] if s["occupied"] is not None
    }
    return Frame(f"{site}/{labels['file']}", folder, labels, truth, layout)


Analyse = Callable[[Sequence[Job], dict[str, Any]], list[Finding | Invalid]]


def measure(
    frames: Sequence[Frame], analyse: Mapping[str, Analyse], kinds: Sequence[str]
) -> dict[tuple[str, int], Tally]:
    """Return the tallies by kind and strength. ("clean", 0) comes first. `analyse` is keyed by data
    set."""
    tallies: dict[tuple[str, int], Tally] = {}
    for number, frame in enumerate(frames):
        _progress(number, len(frames))
        clean_wrong: set[str] | None = None
        for kind, strength, jpeg in _versions(frame, kinds):
            (finding,) = analyse[frame.folder.name]([Job(jpeg, None, frame.layout)], {})
            tally = tallies.setdefault((kind, strength), Tally())
            wrong = count(tally, frame, finding, clean_wrong)
            if kind == CLEAN:
                clean_wrong = wrong
    _progress(len(frames), len(frames))
    return tallies


def _progress(done: int, total: int) -> None:
    bar = "#" * (30 * done // total)
    end = "\n" if done == total else ""
    print(f"\r[{bar:<30}] {done} of {total} frames", end=end, file=sys.stderr, flush=True)


def _versions(frame: Frame, kinds: Sequence[str]) -> Iterator[tuple[str, int, bytes]]:
    picture = frame.picture()
    yield CLEAN, 0, (frame.folder / frame.labels["file"]).read_bytes()
    for kind in kinds:
        for strength in STRENGTHS:
            damaged = corrupt(picture, kind, strength, frame.name)
            yield kind, strength, _encoded(damaged)


def _encoded(picture: Picture) -> bytes:
    quality = (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
    return bytes(np.asarray(cv2.imencode(".jpg", picture, quality)[1]))


def count(
    tally: Tally, frame: Frame, finding: Finding | Invalid, clean_wrong: set[str] | None
) -> set[str]:
    """Add one finding to the tally and return the wrong slots. All slots of a refused frame are
    unknown. `clean_wrong` is None for the clean frame itself."""
    if isinstance(finding, Invalid):
        states, status = {}, finding.reason
    else:
        states = {seen.slot_id: seen.state for seen in finding.observations}
        status = finding.health.status
    summary = {slot_id: states.get(slot_id, "unknown") for slot_id in frame.truth}
    wrong = {
        slot_id
        for slot_id, occupied in frame.truth.items()
        if summary[slot_id] == ("free" if occupied else "occupied")
    }
    unknown = sum(state == "unknown" for state in summary.values())
    tally.slots.update(
        wrong=len(wrong),
        unknown=unknown,
        right=len(summary) - len(wrong) - unknown,
        spoilt=0 if clean_wrong is None else len(wrong - clean_wrong),
    )
    tally.health[status] += 1
    name = frame.folder.name
    tally.wrong_by_set[name] += len(wrong)
    tally.slots_by_set[name] += len(summary)
    tally.ok_slots += len(summary) if status == "ok" else 0
    return wrong
