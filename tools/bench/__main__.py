"""Measure how long a frame takes from the camera's publish to the browser's event.

Starts a stack of its own on free ports (nothing else needs to run) and prints a table.
"""

import argparse
import os
from pathlib import Path

from tools.bench.latency import Plan, run


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--footage", type=Path, default=Path("demo"), help="folder to play (demo)")
    parser.add_argument("--frames", type=int, default=60, help="frames per phase (60)")
    parser.add_argument("--interval-ms", type=int, default=1000, help="frame interval in ms (1000)")
    parser.add_argument(
        "--size", type=int, default=0, help="model input, long side (0: as the layout needs)"
    )
    options = parser.parse_args()
    plan = Plan(options.footage, options.frames, options.interval_ms, options.size)
    print(run(plan, os.environ))


if __name__ == "__main__":
    main()
