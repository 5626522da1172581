"""Measure the operators' page in Chromium, with a large site that changes all the time.

`python -m tools.bench.page --minutes 30` prints the size of the script of the first load, the
largest paint with a CPU four times slower, the tasks of the page over 50 ms, its heap minute by
minute, and how wide each page is at four widths. The screenshots are in .state/screenshots. The
browser shares the computer with the notifier, so other work on it lengthens the times.
Build the page first (`make dashboard/dist/index.html`).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tools.bench.page_server import DIST, SITE
from tools.stack.checks import HOST, free_ports
from tools.stack.node import NODE
from tools.stack.settings import ROOT

E2E = ROOT / "dashboard" / "e2e"


@contextmanager
def running(slots: int, cameras: int, per_s: float) -> Iterator[str]:
    """Run the notifier with its page, and yield its address."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "tools.bench.page_server", str(port)]
    command += ["--slots", str(slots), "--cameras", str(cameras), "--per-s", str(per_s)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://{HOST}:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield f"http://{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Run the command line. Returns 1 if the browser fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.page", description=__doc__)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--cameras", type=int, default=200)
    parser.add_argument("--per-s", type=float, default=50.0, help="changes per second (50)")
    parser.add_argument("--seconds", type=int, default=60, help="to watch for long tasks (60)")
    parser.add_argument("--minutes", type=int, default=30, help="to watch the heap (30)")
    given = parser.parse_args()
    if not (DIST / "index.html").exists():
        print("the page is not built: make dashboard/dist/index.html", file=sys.stderr)
        return 1
    state = ROOT / ".state"
    with running(given.slots, given.cameras, given.per_s) as url:
        command = [str(NODE), str(E2E / "bench.mjs"), url, SITE, str(state / "cache")]
        command += [str(state / "screenshots"), str(given.seconds), str(given.minutes)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
