"""What the change gate saves, and what it costs: a recorded day with it and without it.

  python -m tools.bench.gating ../shared/data/pklot-ufpr05-day --repeats 10

Every picture goes through the detector's own analyser twice, once with every picture searched. A
transition is a change of a slot's annotation between two recorded frames that the searched run
shows while it lasts; the gate misses it when it does not show it, and is late by the pictures
between the two. With --repeats 1 the footage is taken as it is.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from parking import lots
from parking.errors import Invalid
from parking.events import LayoutPublished
from parking.gating import Limits
from parking.imagehealth import Look
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import Held
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots
from tools.bench.pace import hold

States = Mapping[str, str]
"""Slot to what one picture says of it."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the day: its annotated states, and the number of the recorded frame."""

    jpeg: bytes
    truth: States
    recorded: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's states picture by picture, and how many pictures were searched."""

    states: list[States]
    searched: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's cost. `delays`: of each transition, in pictures; None where it was missed.
    `agreement`: share of all slot states that are the same in both runs."""

    delays: list[int | None]
    agreement: float

    @property
    def missed(self) -> int:
        """Transitions never shown."""
        return sum(delay is None for delay in self.delays)

    @property
    def latest(self) -> int:
        """The longest delay, pictures."""
        return max((delay for delay in self.delays if delay is not None), default=0)


def shots(folder: Path, repeats: int, seed: int) -> tuple[LayoutPublished, Iterator[Shot]]:
    """The folder's first camera at a camera's pace; with one repeat its own pictures."""
    annotations = json.loads((folder / "annotations.json").read_text("utf-8"))
    layout = lots.layouts_from_annotations(annotations, "bench", interval_ms=1000, time_ms=0)[0]
    device = layout.camera_id.split("/")[1]
    frames = [f for f in annotations["frames"] if lots.slug(f["camera"]) == device]
    return layout, _shots(folder, frames, repeats, seed)


def _shots(
    folder: Path, frames: Sequence[Mapping[str, Any]], repeats: int, seed: int
) -> Iterator[Shot]:
    words = {0: "free", 1: "occupied"}
    for number, frame in enumerate(frames):
        truth = {
            str(slot["id"]): words[slot["occupied"]]
            for slot in frame["slots"]
            if slot["occupied"] is not None
        }
        jpeg = (folder / frame["file"]).read_bytes()
        held = [jpeg] if repeats == 1 else hold(jpeg, repeats, seed + number)
        for one in held:
            yield Shot(one, truth, number)


class Runner:
    """One run of the analyser over pictures as they come; `Limits` None: every one is searched."""

    def __init__(self, analyser: Analyser, layout: LayoutPublished) -> None:
        self._analyser = analyser
        self._layout = layout
        self._looks: dict[str, Look] = {}
        self._helds: dict[str, Held] = {}
        self.outcome: list[States] = []
        self.searched = 0
        self.closer = 0
        """Pictures that were looked at closer, which are two searches more."""

    def take(self, shot: Shot) -> None:
        """Analyse the next picture."""
        camera, name = self._layout.camera_id, f"frame-{len(self.outcome)}"
        job = Job(shot.jpeg, camera, self._layout, frame_id=name)
        (found,) = self._analyser.analyse([job], self._looks, self._helds)
        if isinstance(found, Invalid):
            raise found
        if found.reused_from is None:
            self.searched += 1
            self.closer += "closer" in found.timings_ms
        self.outcome.append(_states(found))


def _states(found: Finding) -> States:
    return {seen.slot_id: seen.state for seen in found.observations}


def compare(
    truths: Sequence[tuple[int, States]], plain: Sequence[States], gated: Sequence[States]
) -> Verdict:
    """`truths`: of each picture the recorded frame's number and annotation."""
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
    """Share of annotated slot states that a run says."""
    pairs = [
        (one[s], said.get(s)) for (_, one), said in zip(truths, states, strict=True) for s in one
    ]
    return sum(a == b for a, b in pairs) / max(1, len(pairs))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.gating",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a recorded day with annotations.json")
    parser.add_argument("--repeats", type=int, default=10, help="pictures a recorded frame (10)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=0, help="model input (0: by need)")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    options = parser.parse_args()
    slots = default_slots(options.model)
    settings = ModelSettings(options.model, "openvino", "f32", 0, 0, options.size, 1, slots=slots)
    detector, facts = load_model(settings)
    slotnet = load_slotnet(settings)
    layout, pictures = shots(options.folder, options.repeats, options.seed)
    runs = [
        Runner(Analyser(detector, facts, chosen, lambda: None, slotnet), layout)
        for chosen in (Options(options.size), Options(options.size, gate=Limits()))
    ]
    truths = []
    for shot in track(pictures, "pictures"):
        truths.append((shot.recorded, shot.truth))
        for run in runs:
            run.take(shot)
    plain, gated = runs
    print(_table(truths, plain, gated, compare(truths, plain.outcome, gated.outcome)))


def _table(
    truths: Sequence[tuple[int, States]], plain: Runner, gated: Runner, verdict: Verdict
) -> str:
    lines = [
        "| pictures | searched | with the gate | fewer | closer looks | with the gate "
        "| transitions | missed | latest | states equal | accuracy | with the gate |",
        "|---" * 12 + "|",
        f"| {len(truths)} | {plain.searched} | {gated.searched} "
        f"| {plain.searched / gated.searched:.2f}x | {plain.closer} | {gated.closer} "
        f"| {len(verdict.delays)} | {verdict.missed} | {verdict.latest} | {verdict.agreement:.4%} "
        f"| {accuracy(truths, plain.outcome):.4f} | {accuracy(truths, gated.outcome):.4f} |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
