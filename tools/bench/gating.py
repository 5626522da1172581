"""Measure the change gate's savings and cost: a recorded day with it and without it.

  python -m tools.bench.gating ../shared/data/pklot-ufpr05-day --repeats 10 --shake 2

Every picture goes through the detector's own analyser twice: with the gate, and with every slot
judged. A transition is a change of a slot's annotation between two recorded frames that the run
without the gate shows while it lasts. If the run with the gate does not show it, it is missed.
Otherwise its delay is the number of pictures between the two. With --repeats 1 the footage is used
as it is. CPU time is that of this process. A scene counts as still from its third picture on.
"""

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import LayoutPublished
from parking.vision.gating import Limits
from parking.vision.imagehealth import Look
from parking.vision.reference import with_references
from parking.wire.annotations import load as annotations_of
from parking.wire.annotations import read_from
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.judging import Judge
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots
from tools.bench.pace import Sensor, hold

USUAL = Sensor()
States = Mapping[str, str]
"""Maps each slot to its observation in one picture."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the day: its annotated states and the number of the recorded frame."""

    jpeg: bytes
    truth: States
    recorded: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's cost. `delays` holds the delay of each transition in pictures, or None if it was
    missed. `agreement` is the share of all slot states that are the same in both runs."""

    delays: list[int | None]
    agreement: float

    @property
    def missed(self) -> int:
        """The number of transitions that were never shown."""
        return sum(delay is None for delay in self.delays)

    @property
    def latest(self) -> int:
        """The longest delay, in pictures."""
        return max((delay for delay in self.delays if delay is not None), default=0)


def shots(
    folder: Path, repeats: int, seed: int, sensor: Sensor = USUAL, first: int = 0
) -> tuple[LayoutPublished, Iterator[Shot]]:
    """Return the first camera of the folder at a real camera's pace, from its frame number `first`
    on. With one repeat, return its own pictures."""
    annotations = annotations_of(folder)
    site_layouts = lots.layouts_from_annotations(annotations, "bench", interval_ms=1000, time_ms=0)
    layout = next(iter(with_references(site_layouts[:1], annotations, read_from(folder))))
    device = layout.camera_id.split("/")[1]
    frames = [f for f in annotations["frames"] if lots.slug(f["camera"]) == device]
    return layout, _shots(folder, list(enumerate(frames))[first:], (repeats, seed, sensor))


def _shots(
    folder: Path, frames: Sequence[tuple[int, Mapping[str, Any]]], pace: tuple[int, int, Sensor]
) -> Iterator[Shot]:
    repeats, seed, sensor = pace
    words = {0: "free", 1: "occupied"}
    for number, frame in frames:
        truth = {
            str(slot["id"]): words[slot["occupied"]]
            for slot in frame["slots"]
            if slot["occupied"] is not None
        }
        jpeg = (folder / frame["file"]).read_bytes()
        repeated = [jpeg] if repeats == 1 else hold(jpeg, repeats, seed + number, sensor)
        for one in repeated:
            yield Shot(one, truth, number)


class Runner:
    """One run of the analyser over pictures as they arrive. Without a gate, every slot is
    judged."""

    def __init__(self, analyser: Analyser, layout: LayoutPublished) -> None:
        self._analyser = analyser
        self._layout = layout
        self._looks: dict[str, Look] = {}
        self._last_views: dict[str, LastView] = {}
        self._recorded = -1
        self._pictures = 0
        self.outcome: list[States] = []
        self.judged = 0
        """Number of slots judged."""
        self.searched = 0
        """Number of pictures in which vehicles were searched for."""
        self.closer = 0
        self.cpu_ms: dict[str, list[float]] = {"changed": [], "second": [], "still": []}
        """CPU time for the first picture of a scene, for its second, and for the others."""

    def take(self, shot: Shot) -> None:
        """Analyse the next picture."""
        camera, name = self._layout.camera_id, f"frame-{len(self.outcome)}"
        job = Job(shot.jpeg, camera, self._layout, frame_id=name, time_ms=len(self.outcome))
        start_s = time.process_time()
        (found,) = self._analyser.analyse([job], self._looks, self._last_views)
        spent_ms = (time.process_time() - start_s) * 1000
        if isinstance(found, Invalid):
            raise found
        self._pictures = self._pictures + 1 if shot.recorded == self._recorded else 1
        self._recorded = shot.recorded
        kind = {1: "changed", 2: "second"}.get(self._pictures, "still")
        if len(self.outcome) > 1:  # nothing is known about the camera at its first two pictures
            self.cpu_ms[kind].append(spent_ms)
        self.judged += found.effort.judged
        self.searched += found.effort.searched != "nothing"
        self.closer += found.effort.closer
        self.outcome.append(_states(found))


def _states(found: Finding) -> States:
    return {seen.slot_id: seen.state for seen in found.observations}


def compare(
    truths: Sequence[tuple[int, States]], plain: Sequence[States], gated: Sequence[States]
) -> Verdict:
    """`truths` holds, for each picture, the recorded frame's number and annotation."""
    delays: list[int | None] = []
    for start, slot, state in _transitions(truths):
        end = next(
            (n for n in range(start, len(truths)) if truths[n][1].get(slot) != state), len(truths)
        )
        shown = _first(plain, slot, state, start, end)
        if shown is not None:
            late = _first(gated, slot, state, shown, end)
            delays.append(None if late is None else late - shown)
    pairs = [(a[slot], b[slot]) for a, b in zip(plain, gated, strict=True) for slot in a]
    return Verdict(delays, sum(a == b for a, b in pairs) / max(1, len(pairs)))


def _transitions(truths: Sequence[tuple[int, States]]) -> Iterable[tuple[int, str, str]]:
    for n in range(1, len(truths)):
        (before, old), (now, new) = truths[n - 1], truths[n]
        if before != now:
            yield from ((n, s, state) for s, state in new.items() if old.get(s, state) != state)


def _first(states: Sequence[States], slot: str, state: str, start: int, end: int) -> int | None:
    return next((n for n in range(start, end) if states[n].get(slot) == state), None)


def accuracy(truths: Sequence[tuple[int, States]], states: Sequence[States]) -> float:
    """Return the share of annotated slot states that a run reports correctly."""
    pairs = [
        (one[s], said.get(s)) for (_, one), said in zip(truths, states, strict=True) for s in one
    ]
    return sum(a == b for a, b in pairs) / max(1, len(pairs))


def main() -> None:
    """Run the command line."""
    options = _arguments()
    slots = default_slots(options.model)
    settings = ModelSettings(
        options.model, options.backend, "f32", options.threads, 0, options.size, slots=slots
    )
    detector, facts = load_model(settings)
    judge = Judge(facts, load_slotnet(settings), detector)
    sensor = Sensor(shake_px=options.shake)
    layout, pictures = shots(options.folder, options.repeats, options.seed, sensor)
    runs = [
        Runner(Analyser(judge, chosen, lambda: None), layout)
        for chosen in (Options(options.size), Options(options.size, gate=Limits()))
    ]
    truths = []
    for shot in track(pictures, "pictures"):
        if shot.recorded >= options.frames:
            break
        truths.append((shot.recorded, shot.truth))
        for run in runs:
            run.take(shot)
    plain, gated = runs
    print(_table(truths, plain, gated, compare(truths, plain.outcome, gated.outcome)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.gating",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a recorded day with annotations.json")
    parser.add_argument("--repeats", type=int, default=10, help="pictures per recorded frame (10)")
    parser.add_argument("--frames", type=int, default=10**9, help="recorded frames (all)")
    parser.add_argument(
        "--shake", type=float, default=0.0, help="largest shift in pixels to each side (0)"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=0, help="model input (0: as the layout needs)")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--backend", choices=("onnx", "openvino"), default="onnx")
    parser.add_argument("--threads", type=int, default=1, help="inference threads (1)")
    return parser.parse_args()


def _table(
    truths: Sequence[tuple[int, States]], plain: Runner, gated: Runner, verdict: Verdict
) -> str:
    lines = ["| | every slot judged | with the gate |", "|---|---|---|"]
    slots = len(plain.outcome[0])
    rows = [
        ("pictures", f"{len(truths)}", f"{len(truths)}"),
        *(
            (words, *(f"{count / whole:.1%}" for count in (getattr(run, name) for run in runs)))
            for words, name, whole, runs in (
                ("slots judged", "judged", slots * len(truths), (plain, gated)),
                ("pictures searched", "searched", len(truths), (plain, gated)),
                ("pictures looked at closer", "closer", len(truths), (plain, gated)),
            )
        ),
        *(
            (f"CPU ms, {words}", *(_mean_and_p95(run.cpu_ms[kind]) for run in (plain, gated)))
            for kind, words in (
                ("changed", "first picture of a scene"),
                ("second", "second picture"),
                ("still", "still picture"),
            )
        ),
        ("transitions / missed / latest", "", _of(verdict)),
        ("states equal", "", f"{verdict.agreement:.4%}"),
        ("right", *(f"{accuracy(truths, run.outcome):.4f}" for run in (plain, gated))),
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _of(verdict: Verdict) -> str:
    return f"{len(verdict.delays)} / {verdict.missed} / {verdict.latest}"


def _mean_and_p95(values: Sequence[float]) -> str:
    if not values:
        return ""
    ordered = sorted(values)
    return f"{sum(values) / len(values):.1f} (p95 {ordered[int(0.95 * (len(ordered) - 1))]:.0f})"


if __name__ == "__main__":
    main()
