"""Compute how old the shown states are and which changes of scene were lost. Pure.

The age of a frame is the time from its sending until it, or a newer frame of its camera, is
reported. The report is a record in parking.detections (by the broker's time) or, for the plain
loop, the end of its work. With one picture every 5 s, what a page shows is therefore between that
age and 5 s older. For a frame without a report, the time until the end of the measurement counts.

A change of scene is the first picture of the next recorded picture. If cars came or went between
the two, the change is seen when one of those slots is judged on a picture of the new scene.
Otherwise it is seen when any picture of the new scene is reported. It is lost if this does not
happen during the measurement.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import Final

AGE_LIMIT_S: Final = 5.0
ReportsByCamera = Mapping[str, Sequence["FrameReport"]]
"""Keyed by camera, in order of `seq`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One picture of a camera. `dropped` means that the camera had no room for it."""

    camera_id: str
    seq: int
    at_ms: int
    scene: int
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class FrameReport:
    """The report on one frame. `judged` names the slots judged on this frame itself (None means
    all). `spent_ms` is the detector's time for it, without waiting. `load_level` is as in
    events.Effort."""

    camera_id: str
    seq: int
    at_ms: int
    judged: frozenset[str] | None
    spent_ms: float = 0.0
    load_level: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """The measured window: frames sent from `start_ms` to before `end_ms`. Reports on them count
    until `closed_ms`."""

    start_ms: int
    end_ms: int
    closed_ms: int

    def holds(self, at_ms: int) -> bool:
        """Whether a frame sent then is measured."""
        return self.start_ms <= at_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Change:
    """One change of scene. `slots` are those where cars came or went. `seen_after_ms` is None if
    the change was lost."""

    camera_id: str
    seq: int
    at_ms: int
    slots: frozenset[str]
    seen_after_ms: int | None


def by_camera(reports: Iterable[FrameReport]) -> ReportsByCamera:
    """Group the reports by camera, in order, as the functions here need them."""
    per_camera: dict[str, list[FrameReport]] = {}
    for report in sorted(reports, key=lambda report: report.seq):
        per_camera.setdefault(report.camera_id, []).append(report)
    return per_camera


def ages_s(sent: Iterable[Sent], per_camera: ReportsByCamera, window: Window) -> list[float]:
    """Return the age of every frame in the window, in seconds."""
    known = {camera_id: _known_from(reports) for camera_id, reports in per_camera.items()}
    ages = []
    for frame in sent:
        if window.holds(frame.at_ms):
            seqs, times = known.get(frame.camera_id, ((), ()))
            place = bisect_left(seqs, frame.seq)
            published_ms = times[place] if place < len(times) else window.closed_ms
            ages.append(max(0, min(published_ms, window.closed_ms) - frame.at_ms) / 1000)
    return ages


def _known_from(reports: Sequence[FrameReport]) -> tuple[Sequence[int], Sequence[int]]:
    """Return the sequence numbers, and when each or a newer one was first reported."""
    times: list[int] = []
    for report in reversed(reports):
        times.append(min(report.at_ms, times[-1]) if times else report.at_ms)
    return [report.seq for report in reports], times[::-1]


def changes(
    sent: Iterable[Sent],
    per_camera: ReportsByCamera,
    window: Window,
    moved: Callable[[str, int], frozenset[str]],
) -> list[Change]:
    """Return the changes of scene whose first picture is in the window. `moved` returns the slots
    of a camera that differ between a scene and the one before it."""
    frames: dict[str, list[Sent]] = {}
    for frame in sent:
        frames.setdefault(frame.camera_id, []).append(frame)
    found = []
    for camera_id, mine in frames.items():
        mine.sort(key=lambda frame: frame.seq)
        for before, first in pairwise(mine):
            if first.scene != before.scene and window.holds(first.at_ms):
                slots = moved(camera_id, first.scene)
                seqs = {frame.seq for frame in mine if frame.scene == first.scene}
                seen_ms = _seen(per_camera.get(camera_id, ()), seqs, slots, window)
                after = None if seen_ms is None else seen_ms - first.at_ms
                found.append(Change(camera_id, first.seq, first.at_ms, slots, after))
    return found


def _seen(
    reports: Sequence[FrameReport], seqs: set[int], slots: frozenset[str], window: Window
) -> int | None:
    times = [
        report.at_ms
        for report in reports
        if report.seq in seqs
        and report.at_ms <= window.closed_ms
        and (not slots or report.judged is None or slots & report.judged)
    ]
    return min(times, default=None)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the interpolated percentile, or nan for fewer than two values."""
    if len(values) < 2:
        return float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def too_old(ages: Sequence[float], expected: int) -> bool:
    """Whether the p99 of `expected` ages exceeds the limit regardless of the missing ones."""
    return sum(age > AGE_LIMIT_S for age in ages) > expected / 100 + 1
