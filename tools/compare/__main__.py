"""Show what would have been different, slot by slot: two runs, live history, or the truth.

  python -m tools.compare runs/today runs/calmer                        two runs of tools.replay
  python -m tools.compare tuesday.zip runs/calmer --html different.html live history and a run
  python -m tools.compare runs/today runs/new --truth DIR               which of them is right?
  python -m tools.compare runs/new --truth DIR               the annotations (A) and a run (B)
  python -m tools.compare runs/today runs/new --truth DIR --limits limits.toml     for CI

A and B are run folders or archives of tools.record (an archive: the live changes). --truth names a
folder with annotations.json about the same pictures (parking/core/lots.py).

For each slot it prints changes, flips (free to occupied or back, ignoring unknown in between), how
long the two showed different states, and with --truth how often the shown state was right. Unknown
counts neither as right nor as wrong and is listed separately.

--limits FILE (TOML or JSON) says when the comparison fails:
  fail_if = ["b.accuracy < 0.98", "b.flips > a.flips", "seconds_different > 3600"]
Numbers: slots, slots_different, differences, seconds_different, share_different, a.changes,
a.flips, b.changes, b.flips; with --truth a.accuracy, a.unknown_share, a.wrong (the same
of b), true_flips.
A number without a side (accuracy, flips, ...) is b's.

--html writes a page with pictures of the longest differences; it needs no network.
Exit status: 0 no limit failed, 1 a limit failed, 2 the comparison was not possible.
"""

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from parking.core.errors import Invalid, Retryable, SettingsError
from tools.compare.accounts import frames_in, of_truth, open_account, truth
from tools.compare.limits import Checked, check, limits_of
from tools.compare.page import page
from tools.compare.pictures import Album, Shot
from tools.compare.result import Result, as_json, compare, numbers
from tools.compare.table import show
from tools.compare.timeline import Difference
from tools.record.recording import Recording
from tools.replay.sources import open_source

_FAILS: Final = 1
_CANNOT: Final = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.b is None and options.truth is None:
        parser.error("give a second run, or the annotations with --truth")
    try:
        limits = [*options.fail_if, *(_limits(options.limits) if options.limits else [])]
        result, recording = _compared(options)
        checked = check(limits, numbers(result))
        # A pipe or a CI log has no width.
        console = Console(width=None if sys.stdout.isatty() else 120)
        show(result, checked, console, every=options.all)
        _write(options, result, recording, checked)
    except (Invalid, Retryable, SettingsError) as error:
        sys.stderr.write(f"compare: {error}\n")
        sys.exit(_CANNOT)
    sys.exit(_FAILS if any(one.fails for one in checked) else 0)


def _compared(options: argparse.Namespace) -> tuple[Result, Recording | None]:
    a = open_account(options.a, os.environ)
    source = options.frames or a.source
    needed = options.truth is not None or options.html is not None
    recording = open_source(source, os.environ) if needed else None
    labels = None
    if options.truth is not None and recording is not None:
        labels = truth(options.truth, frames_in(recording))
    if options.b is not None:
        return compare(a, open_account(options.b, os.environ), labels), recording
    # The run is B, the side that limits without a side refer to: annotations are always right.
    return compare(of_truth(labels or {}, a, "annotations"), a, labels), recording


def _write(
    options: argparse.Namespace,
    result: Result,
    recording: Recording | None,
    checked: Sequence[Checked],
) -> None:
    if options.json is not None:
        report = {**as_json(result), "limits": [_limit(one) for one in checked]}
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if options.html is not None and recording is not None:
        shots = photographs(result, Album(recording), options.pictures)
        options.html.write_text(page(result, shots, checked), "utf-8")
        print(f"{options.html}: {len(shots)} pictures")


def photographs(result: Result, album: Album, limit: int) -> dict[Difference, Shot]:
    """Return pictures of the longest differences, at most `limit`, in the order of the
    differences."""
    shots: dict[Difference, Shot] = {}
    for difference in result.differences:
        if len(shots) == limit:
            break
        shot = album.shot(difference)
        if shot is not None:
            shots[difference] = shot
    return shots


def _limit(one: Checked) -> dict[str, object]:
    return {"limit": one.limit, "fails": one.fails, "numbers": one.numbers}


def _limits(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8")
        content: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise Invalid("bad-limits", f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise Invalid("bad-limits", f"{path}: fail_if is missing")
    return limits_of(content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "a", help="run folder or archive: the old side; if it is the only one, it is B"
    )
    parser.add_argument("b", nargs="?", help="run folder or archive: the new side")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="folder with annotations.json")
    parser.add_argument(
        "--frames", metavar="SOURCE", help="source of the pictures (default: A's source)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with pictures")
    parser.add_argument("--pictures", type=int, default=60, help="most pictures on the page (60)")
    parser.add_argument("--limits", type=Path, metavar="FILE", help="TOML or JSON with fail_if")
    parser.add_argument("--fail-if", action="append", default=[], metavar="LIMIT")
    parser.add_argument("--all", action="store_true", help="also list slots that do not differ")
    return parser


if __name__ == "__main__":
    main()
