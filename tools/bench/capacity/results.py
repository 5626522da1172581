"""The result for one number of cameras, and why it counts as served or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from tools.bench.capacity.ages import AGE_LIMIT_S, Change, FrameReport
from tools.bench.capacity.plan import BOOT


@dataclass(frozen=True, slots=True)
class Point:
    """One row of the code with one number of cameras. Times are in seconds unless noted. `failures`
    is empty if it was served. `page_s` are the ages of slot changes when an SSE listener received
    them."""

    row: str
    interval_s: float
    cameras: int
    window_s: float = 0.0
    frames: int = 0
    published: int = 0
    dropped: int = 0
    age_p50_s: float = float("nan")
    age_p99_s: float = float("nan")
    page_p50_s: float = float("nan")
    page_p99_s: float = float("nan")
    page_changes: int = 0
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    memory_mb: Mapping[str, float] = field(default_factory=dict)
    cores: int = 1
    changes: Sequence[Change] = ()
    still_ms: float = float("nan")
    changed_ms: float = float("nan")
    still: int = 0
    load_level: int = 0
    """The highest load level at which a frame was judged, 0 to 4: see events.Effort."""
    stopped_early: bool = False
    failures: Sequence[str] = ()
    apart: Sequence[str] = ("cameras", "bench", "others")

    @property
    def served(self) -> bool:
        """Whether nothing was too old and nothing was lost."""
        return not self.failures

    @property
    def stack_cpu_s(self) -> float:
        """CPU time of everything except `apart`: the simulated cameras, the bench itself and other
        programs."""
        return sum(cpu for name, cpu in self.cpu_s.items() if name not in self.apart)

    @property
    def cpu_share(self) -> float:
        """Share of all cores, 0..1, excluding `apart`."""
        return self.stack_cpu_s / self.window_s / self.cores if self.window_s else float("nan")

    @property
    def stack_memory_mb(self) -> float:
        """Resident memory, excluding `apart`."""
        return sum(mb for name, mb in self.memory_mb.items() if name not in self.apart)

    @property
    def others_share(self) -> float:
        """Share of all cores, 0..1, that other programs used. If it is high, the figures mean
        little."""
        seconds = self.cpu_s.get("others", float("nan"))
        return seconds / self.window_s / self.cores if self.window_s else float("nan")

    def cpu_s_a_camera_hour(self, name: str | None = None) -> float:
        """CPU seconds per camera and hour, of one process or of the whole stack."""
        seconds = self.stack_cpu_s if name is None else self.cpu_s.get(name, float("nan"))
        hours = self.window_s * self.cameras / 3600
        return seconds / hours if hours else float("nan")

    def cpu_ms_a_frame(self, name: str | None = None) -> float:
        """CPU milliseconds per frame sent."""
        seconds = self.stack_cpu_s if name is None else self.cpu_s.get(name, float("nan"))
        return seconds / self.frames * 1000 if self.frames else float("nan")

    def changes_lost(self) -> list[Change]:
        """The changes that were never seen."""
        return [change for change in self.changes if change.seen_after_ms is None]


def failures(age_p99_s: float, page_p99_s: float, found: Sequence[Change]) -> list[str]:
    """Return why a number of cameras counts as not served, in words. Empty if it is served."""
    reasons = []
    if age_p99_s > AGE_LIMIT_S:
        reasons.append(f"p99 age {age_p99_s:.1f} s")
    if page_p99_s > AGE_LIMIT_S:
        reasons.append(f"p99 of changes on the page {page_p99_s:.1f} s")
    if lost := sum(change.seen_after_ms is None for change in found):
        reasons.append(f"{lost} of {len(found)} changes of scene lost")
    return reasons


def spent_ms(reports: Sequence[FrameReport]) -> tuple[float, float, int]:
    """Return the detector's mean milliseconds for a frame without judged slots and for one with
    some, and the number of frames without."""
    still = [one.spent_ms for one in reports if one.judged is not None and not one.judged]
    changed = [one.spent_ms for one in reports if one.judged is None or one.judged]
    return _mean(still), _mean(changed), len(still)


def as_json(point: Point) -> dict[str, Any]:
    """Return all numbers of a point, for a file."""
    names = [name for name in Point.__dataclass_fields__ if name not in {"changes", "apart"}]
    body = {name: getattr(point, name) for name in names}
    body["changes"] = [
        {
            "camera": change.camera_id,
            "frame": f"{change.camera_id}/{BOOT}/{change.seq}",
            "at_ms": change.at_ms,
            "slots": sorted(change.slots),
            "seen_after_ms": change.seen_after_ms,
        }
        for change in point.changes
    ]
    return body


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")
