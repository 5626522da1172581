"""Measure how many cameras this computer serves with this code, earlier code and a plain loop.

Simulated cameras play recorded lots. Each recorded picture stands for five minutes and is sent
every few seconds with different noise, exposure and shake. The number of cameras rises until the
p99 age of a frame exceeds 5 s or a change of scene is lost. docs/performance.md explains the table.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tools.bench.capacity import loop, machine, pictures, scenes, stack
from tools.bench.capacity.course import DRAIN_S, WINDOW_S
from tools.bench.capacity.report import Case, Report
from tools.bench.capacity.results import Point
from tools.bench.capacity.search import GRID, search
from tools.bench.capacity.setting import Setting
from tools.bench.capacity.sources import NoSuchTree, checked_out
from tools.stack.settings import ROOT

ROWS: Final = ("current", "before", "naive")
BEFORE: Final = "0c2e994"
STARTS: Final = {"naive": 32, "before": 4, "current": 100}
"""The number of cameras at which each row's search begins. Rows are measured in this order, and the
last one gets the remaining time."""
_AROUND_S: Final = 30.0
Measure = Callable[[int, Setting], Point]


def main() -> None:
    """Run the command line."""
    options = _parser().parse_args()
    began_s = time.monotonic()
    recordings = scenes.load(options.data)
    with ExitStack() as undo:
        scratch = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="capacity-")))
        pack, places = pictures.kept([one.files for one in recordings], options.pictures or scratch)
        here, pinned = machine.settle()
        report = Report(f"{here}; {pinned}.")
        measures = dict(_measures(options, scratch, report, undo))
        report.cases = [Case(row, s) for row in ROWS for s in options.interval if row in measures]
        cases = [case for row in STARTS for case in report.cases if case.row == row]
        for number, case in enumerate(cases):
            setting = Setting(
                recordings, pack, places, case.interval_s, options.window, here.cores, os.environ
            )
            left_s = options.budget_minutes * 60 - (time.monotonic() - began_s)
            _fill(case, measures[case.row], setting, options, left_s / (len(cases) - number))
            report.write(options.out)
    print(report.markdown())
    print(f"written to {options.out}: capacity.md, capacity.json, capacity.svg")


def _fill(
    case: Case, measure: Measure, setting: Setting, options: argparse.Namespace, left_s: float
) -> None:
    """Measure one row at one interval."""
    deadline_s = time.monotonic() + left_s
    one_s = setting.window_s + DRAIN_S + _AROUND_S

    def serves(count: int) -> bool:
        point = measure(count, setting)
        case.points.append(point)
        verdict = "served" if point.served else f"not served: {'; '.join(point.failures)}"
        print(
            f"{case.name}, {count} cameras: {verdict} (p99 age {point.age_p99_s:.2f} s)", flush=True
        )
        return point.served

    if options.cameras:
        for count in options.cameras:
            serves(count)
        return
    start = {**STARTS, **dict(options.start)}[case.row]
    case.reached = search(start, serves, lambda: time.monotonic() + one_s < deadline_s, GRID)


def _measures(
    options: argparse.Namespace, scratch: Path, report: Report, undo: ExitStack
) -> Iterator[tuple[str, Measure]]:
    """Yield how to measure each requested row, and a note for each row that cannot be measured."""
    if "current" in options.rows:
        yield "current", lambda count, setting: stack.measure("current", ROOT, count, setting)
    if "before" in options.rows:
        try:
            tree = undo.enter_context(checked_out(options.before, scratch, os.environ))
        except NoSuchTree as error:
            report.notes.append(f"Row before is skipped: {error}.")
        else:
            yield "before", lambda count, setting: stack.measure("before", tree, count, setting)
    if "naive" in options.rows:
        plain = loop.Loop(options.naive_python, options.weights)
        if missing := plain.missing(os.environ):
            report.notes.append(f"Row naive is skipped: {missing}.")
        else:
            yield "naive", lambda count, setting: loop.measure("naive", plain, count, setting)
    for note in report.notes:
        print(note, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = Path(os.environ.get("PARKING_DATA") or "../shared/data")
    add = parser.add_argument
    add("--data", type=Path, default=data, help="folder of the sets (PARKING_DATA, ../shared/data)")
    add("--interval", type=float, nargs="+", default=[5.0], help="seconds between pictures (5)")
    add("--rows", type=_rows, default=ROWS, help="which of current,before,naive (all)")
    add("--cameras", type=int, nargs="+", help="only measure these numbers, do not search")
    add("--start", type=_start, nargs="+", default=[], help="start of a search: current=100")
    add("--budget-minutes", type=float, default=15.0, help="time for the whole table (15)")
    add("--window", type=float, default=WINDOW_S, help="seconds to measure (60)")
    add("--before", default=BEFORE, help=f"the commit of the row before ({BEFORE})")
    add("--naive-python", default=sys.executable, help="a Python with ultralytics (this one)")
    weights = Path("../shared/models/yolo11n_rebuilt.pt")
    add("--weights", type=Path, default=weights, help="the plain loop's YOLO11n, .pt")
    add("--pictures", type=Path, help="folder to store the prepared pictures for later runs")
    add("--out", type=Path, default=Path("runs/capacity"), help="(runs/capacity)")
    return parser


def _rows(text: str) -> tuple[str, ...]:
    rows = tuple(text.split(","))
    if set(rows) - set(ROWS):
        raise argparse.ArgumentTypeError(f"rows are {', '.join(ROWS)}")
    return rows


def _start(text: str) -> tuple[str, int]:
    row, _, count = text.partition("=")
    if row not in ROWS or not count.isdecimal():
        raise argparse.ArgumentTypeError("a start is ROW=CAMERAS, for example current=100")
    return row, int(count)


if __name__ == "__main__":
    main()
