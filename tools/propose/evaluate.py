"""Measure the proposals for annotated footage against the baseline: a table and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parking.core.geometry import match_boxes
from parking.core.lots import layouts_from_annotations, slug
from parking.vision.proposals import Options, options_for, propose
from tools.propose.baseline import cluster_means
from tools.propose.recording import Floats, Frame, far_apart
from tools.propose.score import Score, Truth, ious, pairs, score, total
from tools.simulator.footage import load

Annotated = Mapping[str, Any]
_SAME_SLOT_IOU = 0.3


@dataclass(slots=True)
class States:
    """How often the detected state of a slot matched the annotation: with proposed outlines, and
    with the annotated outlines of the same slots and frames."""

    seen: int = 0
    right: int = 0
    right_annotated: int = 0


@dataclass(slots=True)
class Results:
    """Scores by method and rule for each camera in turn, and the states."""

    scores: dict[tuple[str, str], list[Score]] = field(default_factory=dict)
    cameras: list[dict[str, Any]] = field(default_factory=list)
    states: States = field(default_factory=States)

    def add(self, name: str, camera: "Camera", least_score: float) -> None:
        """Measure one camera."""
        size_wh = camera.frames[0].size_wh
        sightings = [frame.sure(least_score) for frame in camera.frames]
        options = Options(apart=far_apart(camera.frames))
        ours = [np.array(one.polygon) for one in propose(sightings, size_wh, options)]
        found = {
            "proposals": ours,
            "baseline": cluster_means([one[:, :4] for one in sightings], size_wh),
            "page, all pictures": _as_on_the_page(sightings, camera.frames),
            "page, last picture": _as_on_the_page(sightings[-1:], camera.frames[-1:]),
        }
        for method, outlines in found.items():
            for one in score(outlines, camera.truth, size_wh):
                self.scores.setdefault((method, one.rule), []).append(one)
                numbers = {"camera": name, "method": method, **one.numbers()}
                self.cameras.append(numbers)
        compare_states(camera, ours, self.states)

    def table(self) -> str:
        """Return the table in Markdown."""
        lines = [
            "| camera | method | match by | proposed | in region | precision | in region "
            "| recall | of used slots |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for numbers in [*self.cameras, *self.totals()]:
            shares = [
                "-" if numbers[name] is None else f"{numbers[name]:.3f}"
                for name in ("precision", "precision_inside", "recall", "recall_used")
            ]
            head = (numbers[name] for name in ("camera", "method", "rule", "proposals", "inside"))
            lines.append(f"| {' | '.join(str(one) for one in [*head, *shares])} |")
        s = self.states
        if s.seen:
            lines.append(
                f"\nStates in the proposed outlines: {s.right / s.seen:.4f} right of {s.seen}; "
                f"in the annotated outlines of the same slots: {s.right_annotated / s.seen:.4f}."
            )
        return "\n".join(lines)

    def totals(self) -> list[dict[str, Any]]:
        """Return the scores of all cameras together, by method and rule."""
        return [
            {"camera": "all", "method": method, **total(scores).numbers()}
            for (method, _), scores in sorted(self.scores.items(), reverse=True)
        ]

    def numbers(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        states = {
            "seen": self.states.seen,
            "right": self.states.right,
            "right_in_annotated_outlines": self.states.right_annotated,
        }
        return {"cameras": self.cameras, "all": self.totals(), "states": states}


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's frames, the truth of its slots, and each picture's states keyed by slot (None
    where unlabelled)."""

    frames: Sequence[Frame]
    truth: Truth
    slot_ids: list[str]
    states: Mapping[str, Mapping[str, int | None]]


def _as_on_the_page(sightings: Sequence[Floats], frames: Sequence[Frame]) -> list[Floats]:
    """Propose as services/notifier/slotproposals.py does: from boxes alone, without the pictures'
    edges."""
    times_ms = [frame.time_ms if frame.time_ms else n * 1000 for n, frame in enumerate(frames)]
    found = propose([one[:, :4] for one in sightings], frames[0].size_wh, options_for(times_ms))
    return [np.array(one.polygon) for one in found]


def annotated_cameras(folder: Path, frames: Mapping[str, Sequence[Frame]]) -> dict[str, Camera]:
    """Return the cameras of a folder with annotations.json for which there are frames. Raises
    Invalid."""
    annotations = load(folder).annotations
    layouts = layouts_from_annotations(annotations, "x", interval_ms=1000, time_ms=0)
    found = {}
    for layout in layouts:
        device = layout.camera_id.split("/")[-1]
        states: dict[str, dict[str, int | None]] = {}
        for frame in annotations["frames"]:
            if slug(str(frame["camera"])) == device:
                slots = {str(slot["id"]): slot["occupied"] for slot in frame["slots"]}
                states[Path(frame["file"]).name] = slots
        ids = [slot.slot_id for slot in layout.slots]
        used = [any(slots.get(one) == 1 for slots in states.values()) for one in ids]
        truth = Truth([np.array(slot.polygon) for slot in layout.slots], np.array(used, bool))
        if frames.get(device):
            found[device] = Camera(frames[device], truth, ids, states)
    return found


def compare_states(camera: Camera, outlines: Sequence[Floats], states: States) -> None:
    """Apply the detector's rule to the proposed outlines and to the annotated outlines. Each
    proposed outline stands for the annotated slot that it overlaps most. Adds the results to
    `states`."""
    if not outlines:
        return
    table = ious(outlines, camera.truth.outlines, camera.frames[0].size_wh)
    same = pairs(table, _SAME_SLOT_IOU)
    for frame in camera.frames:
        boxes = frame.sightings[:, :4]  # the detector returned only those above its threshold
        proposed = match_boxes(boxes, frame.scores, outlines).scores > 0
        annotated = match_boxes(boxes, frame.scores, camera.truth.outlines).scores > 0
        known = camera.states.get(frame.picture, {})
        for mine, theirs in same:
            occupied = known.get(camera.slot_ids[theirs])
            if occupied is not None:
                states.seen += 1
                states.right += int(proposed[mine] == bool(occupied))
                states.right_annotated += int(annotated[theirs] == bool(occupied))
