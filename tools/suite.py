"""Run the tests in three processes side by side, those without servers and half of those with
servers each; then the few that need the computer to themselves.

    python -m tools.suite [pytest's arguments]

The first need one core and no waiting; the others mostly wait for servers. Each line of output is
prefixed with its group. The exit status is 0 when all passed.
"""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

SERVERS: Final = "(stack or browser) and not alone and not nightly"
GROUPS: Final = {
    "parts": ("-m", "not stack and not browser and not nightly"),
    "servers": ("-m", SERVERS, "--share", "1/2"),
    "others": ("-m", SERVERS, "--share", "2/2"),
}
ALONE: Final = ("-m", "alone and not nightly")
NOTHING_CHOSEN: Final = 5
"""pytest's exit status when no test fits."""


def run(group: str, chosen: Sequence[str], arguments: Sequence[str]) -> int:
    """Run one group to its end; its exit status."""
    command = [sys.executable, "-m", "pytest", *chosen, "--durations=10", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 -- stdout is a pipe
        for line in process.stdout:
            sys.stdout.write(f"{group:>7} | {line}")
            sys.stdout.flush()
    return process.returncode


def main(arguments: Sequence[str]) -> int:
    """Run all groups; 0 when all passed and at least one test ran."""
    with ThreadPoolExecutor(len(GROUPS)) as pool:
        statuses = list(pool.map(run, GROUPS, GROUPS.values(), [arguments] * len(GROUPS)))
    statuses.append(run("alone", ALONE, arguments))
    failed = [status for status in statuses if status not in (0, NOTHING_CHOSEN)]
    if failed:
        return abs(failed[0])  # negative: a signal ended it
    return 0 if 0 in statuses else NOTHING_CHOSEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
