"""The tables of a run (Markdown) and its raw numbers (JSON)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bench.capacity import plot
from tools.bench.capacity.results import Point, as_json
from tools.bench.capacity.search import Reached


@dataclass(slots=True)
class Case:
    """One row at one interval: what was tried, and what was reached (None if not searched)."""

    row: str
    interval_s: float
    points: list[Point] = field(default_factory=list)
    reached: Reached | None = None

    @property
    def name(self) -> str:
        """Return the row's name for a plot."""
        return f"{self.row}, every {self.interval_s:g} s"

    @property
    def best(self) -> Point | None:
        """Return the point with the most cameras that were served. A case without a search has only
        one point."""
        served = [point for point in self.points if point.served]
        if served or self.reached is not None:
            return max(served, key=lambda point: point.cameras, default=None)
        return self.points[-1] if self.points else None


@dataclass(slots=True)
class Report:
    """A whole run. `notes` says what to know about it, including which rows were left out."""

    machine: str
    notes: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write capacity.md, capacity.json and capacity.svg."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "capacity.md").write_text(self.markdown(), "utf-8")
        series = {case.name: case.points for case in self.cases if case.points}
        plot.write(series, folder / "capacity.svg")
        body = {
            "machine": self.machine,
            "notes": self.notes,
            "points": [as_json(point) for case in self.cases for point in case.points],
        }
        (folder / "capacity.json").write_text(json.dumps(_finite(body), indent=1), "utf-8")

    def markdown(self) -> str:
        """Return all tables as Markdown."""
        best = [(case, case.best) for case in self.cases]
        known = [(case, point) for case, point in best if point is not None]
        parts = [
            self.machine,
            *self.notes,
            _table(_REACHED, [_reached_cells(case) for case in self.cases]),
            "CPU seconds a camera-hour, by process:",
            _processes([(case.name, point) for case, point in known]),
            "Every number of cameras that was tried:",
            _table(_TRIED, [_tried_cells(p) for case in self.cases for p in case.points]),
        ]
        return "\n\n".join(parts) + "\n"


_REACHED = (
    *("row", "a picture every", "cameras", "CPU s a camera-hour", "CPU ms a frame: all, detector"),
    *("age p50, p99 s", "change on the page p50, p99 s", "memory MB"),
    *("changes of scene: seen, lost", "ms a still, a changed frame (still)"),
)
_TRIED = (
    *("row", "a picture every", "cameras", "served", "frames", "published", "age p50, p99 s"),
    *("CPU of all cores: measured, other programs", "CPU s: cameras, bench"),
    "changes: all, with cars, lost",
    "highest load level",
)


def _reached_cells(case: Case) -> list[str]:
    point = case.best
    head = [case.row, f"{case.interval_s:g} s"]
    if point is None:
        return [*head, "0" if case.points else "not measured", *["-"] * 7]
    least = "at least " if case.reached is not None and case.reached.open_end else ""
    detector = point.cpu_ms_a_frame("detector")
    lost = len(point.changes_lost())
    return [
        *head,
        f"{least}{point.cameras}" + ("" if point.served else " (not served)"),
        _number(point.cpu_s_a_camera_hour()),
        f"{_number(point.cpu_ms_a_frame())}, {_number(detector)}",
        f"{_number(point.age_p50_s, 2)}, {_number(point.age_p99_s, 2)}",
        f"{_number(point.page_p50_s, 2)}, {_number(point.page_p99_s, 2)}",
        _number(point.stack_memory_mb),
        f"{len(point.changes) - lost}, {lost}",
        f"{_number(point.still_ms)}, {_number(point.changed_ms)} ({_still(point)})",
    ]


def _tried_cells(point: Point) -> list[str]:
    with_cars = sum(bool(change.slots) for change in point.changes)
    served = "yes" if point.served else "no: " + "; ".join(point.failures)
    more = " (stopped early)" if point.stopped_early else ""
    apart = (_number(point.cpu_s.get(name, float("nan")), 1) for name in ("cameras", "bench"))
    return [
        *(point.row, f"{point.interval_s:g} s", str(point.cameras), served + more),
        *(str(point.frames), str(point.published)),
        f"{_number(point.age_p50_s, 2)}, {_number(point.age_p99_s, 2)}",
        f"{_percent(point.cpu_share)}, {_percent(point.others_share)}",
        ", ".join(apart),
        f"{len(point.changes)}, {with_cars}, {len(point.changes_lost())}",
        str(point.load_level),
    ]


def _processes(points: Sequence[tuple[str, Point]]) -> str:
    known = dict.fromkeys(name for _, point in points for name in point.cpu_s)
    names = [name for name in known if name != "others"]
    rows = [
        [name, *(_number(point.cpu_s_a_camera_hour(process)) for process in names)]
        for name, point in points
    ]
    return _table(("row", *names), rows)


def _still(point: Point) -> str:
    return f"{point.still / point.published:.0%}" if point.published else "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float, digits: int = 0) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def _finite(value: Any) -> Any:
    """Replace nan, which JSON does not have."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
