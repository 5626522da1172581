"""Run the tests in three processes side by side: one runs those without servers, and two share
those with servers, file by file. Then run the few that need the computer to themselves.

    python -m tools.suite [--unit] [--once] [pytest's arguments]

Tests without servers keep one core busy, and the others mostly wait for servers. Each line of
output is prefixed with its group. Up to 5 tests that failed beside others are run once more by
themselves, unless `--once` is given. The last lines name the ten slowest, what failed, and what
passed only by itself. The exit status is 0 if all passed. With `--unit` two processes share the
unit tests, and nothing else runs.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SERVERS: Final = "(stack or browser) and not alone and not nightly"
GROUPS: Final = {
    "parts": ("-m", "not stack and not browser and not nightly"),
    "servers": ("-m", SERVERS, "--claims={claims}"),
    "others": ("-m", SERVERS, "--claims={claims}"),
}
UNIT: Final = dict.fromkeys(("unit 1", "unit 2"), ("tests/unit", "--claims={claims}"))
ALONE: Final = ("-m", "alone and not nightly")
RUN_AGAIN: Final = 5
"""More failures than this are not due to chance, so nothing is run again (docs/decisions/0032)."""
SLOWEST: Final = 10
_DURATION: Final = re.compile(r"(\d+\.\d+)s (call|setup|teardown) +(.+)")
PASSED: Final = 0
TESTS_FAILED: Final = 1
NOTHING_CHOSEN: Final = 5
"""pytest's exit status if no test was selected."""


@dataclass(frozen=True)
class Outcome:
    """How one group ended: pytest's exit status, the failed tests, pytest's line for each, and its
    slowest ones as (seconds, what)."""

    group: str
    status: int
    failed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    slowest: tuple[tuple[float, str], ...] = ()


def run(group: str, chosen: Sequence[str], arguments: Sequence[str], cache: Path) -> Outcome:
    """Run one group to its end. pytest keeps its list of failed tests in `cache`/`group`."""
    own, claims = cache / group, cache / "claims"
    claims.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", *(part.format(claims=claims) for part in chosen)]
    command += [f"--durations={SLOWEST}", "-rfE", "-o", f"cache_dir={own}", *arguments]
    lines, slowest = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 -- stdout is a pipe
        for line in process.stdout:
            sys.stdout.write(f"{group:>7} | {line}")
            sys.stdout.flush()
            if line.startswith(("FAILED ", "ERROR ")):
                lines.append(line.rstrip())
            if found := _DURATION.match(line):
                slowest.append((float(found[1]), f"{found[2]} of {found[3]}"))
    return Outcome(group, process.returncode, failed_in(own), tuple(lines), tuple(slowest))


def failed_in(cache: Path) -> tuple[str, ...]:
    """Return the ids of the tests that pytest last saw fail."""
    file = cache / "v" / "cache" / "lastfailed"
    return tuple(sorted(json.loads(file.read_text()))) if file.exists() else ()


def may_run_again(outcomes: Sequence[Outcome]) -> bool:
    """Whether these failures are few enough to be due to chance, and all are failures of tests."""
    failed = [test for outcome in outcomes for test in outcome.failed]
    ended = all(one.status in (PASSED, TESTS_FAILED, NOTHING_CHOSEN) for one in outcomes)
    return ended and 0 < len(failed) <= RUN_AGAIN


def report(outcomes: Sequence[Outcome], again: Sequence[Outcome]) -> None:
    """Print the slowest tests, what failed, and what passed only by itself."""
    slowest = sorted((one for outcome in outcomes for one in outcome.slowest), reverse=True)
    for seconds, what in slowest[:SLOWEST]:
        print(f"slowest | {seconds:6.1f} s {what}")
    still = {test for outcome in again for test in outcome.failed}
    repeated = {one.group for one in again}
    for outcome in outcomes:
        for line in outcome.lines:
            print(f"{outcome.group:>7} | {line}")
        if outcome.status not in (PASSED, TESTS_FAILED, NOTHING_CHOSEN):
            print(f"{outcome.group:>7} | pytest ended with status {outcome.status}")
    for outcome in outcomes:
        for test in outcome.failed:
            if outcome.group in repeated and test not in still:
                print(f"{outcome.group:>7} | passed only by itself: {test}")


def main(arguments: Sequence[str]) -> int:
    """Run all groups. Returns 0 if all passed and at least one test ran."""
    once, unit = "--once" in arguments, "--unit" in arguments
    arguments = [argument for argument in arguments if argument not in ("--once", "--unit")]
    groups = UNIT if unit else GROUPS
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        with ThreadPoolExecutor(len(groups)) as pool:
            each = [pool.submit(run, name, how, arguments, cache) for name, how in groups.items()]
            outcomes = [group.result() for group in each]
        again = []
        may_repeat = not once and may_run_again(outcomes)
        failed = [one.group for one in outcomes if one.failed]
        if not unit:
            outcomes.append(run("alone", ALONE, arguments, cache))
        if may_repeat:
            chosen = ("-m", "", "--last-failed")
            again = [run(group, chosen, arguments, cache) for group in failed]
    report(outcomes, again)
    return verdict(outcomes, again)


def verdict(outcomes: Sequence[Outcome], again: Sequence[Outcome]) -> int:
    """Return the overall exit status. A failed test that was not run again still counts as
    failed."""
    ended = {one.group: one.status for one in outcomes}
    for one in again:
        all_passed = one.status == PASSED and not one.failed
        ended[one.group] = PASSED if all_passed else TESTS_FAILED
    failed = [status for status in ended.values() if status not in (PASSED, NOTHING_CHOSEN)]
    if failed:
        return abs(failed[0])  # negative if a signal ended it
    return PASSED if PASSED in ended.values() else NOTHING_CHOSEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
