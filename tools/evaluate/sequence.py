"""Measure what a viewer sees of a sequence: flips and delays, before and after hysteresis.

The tracker's own `step` folds the observations, so the real rule is measured and not a copy.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parking.core.events import (
    DetectionMade,
    FrameRef,
    ImageHealth,
    LayoutAdopted,
    Observation,
    ParametersSet,
    SiteCommanded,
    SlotChanged,
    SlotRef,
)
from parking.core.occupancy import step
from parking.core.site import Site
from tools.evaluate.measures import story
from tools.evaluate.opinions import Judged, Shown
from tools.train.labels import Frame

STEP_DAYS: Final = 5 / 60 / 24
"""The time step of the sequences here, which have a frame every five minutes."""

_STEP_MS: Final = 1000
_CODES: Final = {"free": 0, "occupied": 1}
States = NDArray[np.int8]


class Hysteresis(NamedTuple):
    """The tracker's default hysteresis."""

    enter_observations: int = ParametersSet().enter_observations
    exit_observations: int = ParametersSet().exit_observations


def stages(frames: Sequence[Frame], said: Judged, rule: Shown) -> dict[str, Any]:
    """Return flips per slot-day and delays of true changes, for the observations, for the shown
    states, and for what would be shown if every observation were right."""
    slots = sorted(set(said.slot))
    truth = np.full((len(frames), len(slots)), -1, np.int8)
    seen, confidence = truth.copy(), np.zeros(truth.shape)
    column = {slot: number for number, slot in enumerate(slots)}
    columns = (said.frame, said.opinions.occupied, rule.chance, rule.unknown)
    rows = zip(said.slot, *(values.tolist() for values in columns), strict=True)
    for slot, frame, occupied, p, withheld in rows:
        place = frame, column[slot]
        truth[place], confidence[place] = occupied, max(p, 1 - p)
        seen[place] = -1 if withheld else int(p >= 0.5)
    days = len(frames) * STEP_DAYS
    states = {
        "as observed": seen,
        "after hysteresis": shown(seen, confidence),
        "after hysteresis, never wrong": shown(truth, np.ones(truth.shape)),
    }
    return {stage: _summary(one, truth, days) for stage, one in states.items()}


def shown(seen: States, confidence: NDArray[np.float64]) -> States:
    """Return the state shown after each frame [frames, slots], by the tracker's fold; -1 means
    unknown."""
    site, count = Site(site_id="evaluate"), seen.shape[1]
    slots = [SlotRef(slot_id=f"s{number}", zone_id="Z") for number in range(count)]
    order = LayoutAdopted(camera_id="evaluate/c", version=1, interval_ms=_STEP_MS, slots=slots)
    site, _ = step(
        site,
        SiteCommanded(
            id="adopt", site_id="evaluate", time_ms=0, issued_by="evaluate", command=order
        ),
    )
    now = np.full(count, -1, np.int8)
    states = np.full_like(seen, -1)
    for frame in range(len(seen)):
        site, outputs = step(site, _detection(frame, seen[frame], confidence[frame]))
        for output in outputs:
            if isinstance(output, SlotChanged):
                now[int(output.slot_id[1:])] = _CODES.get(output.to_state, -1)
        states[frame] = now
    return states


def _detection(frame: int, seen: States, confidence: NDArray[np.float64]) -> DetectionMade:
    words = {-1: "unknown", 0: "free", 1: "occupied"}
    observations = [
        Observation(slot_id=f"s{n}", state=words[code], confidence=float(sure))  # type: ignore[arg-type]  # one of three
        for n, (code, sure) in enumerate(zip(seen.tolist(), confidence, strict=True))
    ]
    return DetectionMade(
        id=f"evaluate/c/1/{frame + 1}",
        site_id="evaluate",
        time_ms=(frame + 1) * _STEP_MS,
        camera_id="evaluate/c",
        frame_ref=FrameRef(frame_id=f"evaluate/c/1/{frame + 1}", partition=0, offset=frame),
        width=1,
        height=1,
        layout_version=1,
        model_id="evaluate",
        health=ImageHealth(status="ok", brightness=0.5, sharpness=1.0),
        boxes=[],
        observations=observations,
        timings_ms={},
    )


def _summary(states: States, truth: States, days: float) -> dict[str, Any]:
    one = story(states, truth, days)
    return {
        "flips_a_slot_day": one.flips / one.slot_days,
        "changes": one.true_changes,
        "late": {delay: one.late.count(delay) for delay in sorted(set(one.late))},
        "missed": one.missed,
        "moot": one.moot,
    }
