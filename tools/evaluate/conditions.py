"""Measure accuracy by condition: time of day and weather, each with its number of slots.

Each frame is analysed alone, as after a restart, with its health checks. A frame's condition is the
weather in its annotations. ACPDS does not record any: there it is what a person saw in the frame.

Without --folds, the shipped models judge, which were trained on all labelled sets. With it, the
real frames are judged by models that have not seen their lot.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
from rich.progress import track

from parking.wire.annotations import load as annotations_of
from services.detector.analysis import Analyser, Job
from services.detector.settings import DEFAULT_MODEL
from tools.evaluate.health import (
    Frame,
    Tally,
    count,
    frame_of,
    shipped_for,
    unseen_analysers,
)

SEEN: Final = {
    "night": ("0024", "0031", "0043", "0052", "0093", "0098", "0107"),
    "fog": ("6724", "6728", "6732", "6736"),
    "fog at night": ("6740", "6744"),
    "dusk": ("6780", "6784"),
}
"""The ACPDS frames that a person did not call day, by the number in their name."""
_SAME: Final = {"overcast": "cloudy", "unknown": "day"}
SEQUENCES: Final = {"pklot-ufpr05-day": 4, "pklot-ufpr04-seq": 2}
"""Neighbours in a sequence look the same, so every n-th frame is judged."""


def add_parser(commands: Any) -> None:
    """Add the command `conditions`."""
    parser = commands.add_parser("conditions", help="by weather and light", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of labelled sets")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="rendered sets")
    parser.add_argument("--folds", type=Path, help="use models trained without a lot")
    parser.add_argument("--threads", type=int, default=1, help="inference threads (1)")
    parser.set_defaults(run=run, model=DEFAULT_MODEL, slots=None, size=0)


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    cv2.setNumThreads(options.threads)
    if options.data:
        real = sorted(file.parent for file in options.data.glob("*/annotations.json"))
        names = [folder.name for folder in real]
        analysers = unseen_analysers(options) if options.folds else shipped_for(options, names)
        print(table("real", measure(frames_in(real), analysers)), flush=True)
    for folder in options.rendered:
        shipped = shipped_for(options, [folder.name])
        print(f"\n{table(folder.name, measure(frames_in([folder]), shipped))}", flush=True)


def frames_in(folders: Iterable[Path]) -> Iterator[tuple[str, Frame]]:
    """Yield the condition and the frame, without covered frames."""
    for folder in folders:
        annotations = annotations_of(folder)
        frames = [one for one in annotations["frames"] if not one.get("covered")]
        every = SEQUENCES.get(folder.name, 1)
        for labels in track(frames[::every], folder.name):
            yield condition_of(labels), frame_of(folder, annotations, labels)


def condition_of(labels: Mapping[str, Any]) -> str:
    """Return the condition of a labelled frame."""
    weather = str(labels["weather"])
    if weather == "unknown":
        number = Path(labels["file"]).stem.removeprefix("gopr")
        return next((name for name, seen in SEEN.items() if number in seen), "day")
    return _SAME.get(weather, weather)


def measure(
    frames: Iterable[tuple[str, Frame]], analysers: Mapping[str, Analyser]
) -> dict[str, Tally]:
    """Return the tallies by condition. `analysers` is keyed by data set."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for condition, frame in frames:
        jpeg = (frame.folder / frame.labels["file"]).read_bytes()
        (finding,) = analysers[frame.folder.name].analyse([Job(jpeg, None, frame.layout)], {})
        count(tallies[condition], frame, finding, None)
    return dict(tallies)


def table(title: str, tallies: Mapping[str, Tally]) -> str:
    """Return the shares of each condition as Markdown."""
    lines = [f"| {title} | frames | slots | right | wrong | unknown | health, if not ok |"]
    lines.append("|---" * 7 + "|")
    for name, tally in sorted(tallies.items()):
        shares = " | ".join(f"{tally.share(what):.4f}" for what in ("right", "wrong", "unknown"))
        ill = ", ".join(f"{status} {n}" for status, n in tally.health.items() if status != "ok")
        slots = sum(tally.slots_by_set.values())
        lines.append(f"| {name} | {tally.health.total()} | {slots} | {shares} | {ill} |")
    return "\n".join(lines)
