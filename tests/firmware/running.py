"""Programs under the MicroPython unix port, and simulated boards as processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.stack.settings import ROOT

PROGRAMS = Path(__file__).parent / "programs"
MICROPYTHON = Path(sys.executable).with_name("micropython")
HEAP = "heapsize=4M"  # what a board with 4 MB of PSRAM has


def report(program: str, *arguments: str, limit_s: float = 120) -> Any:
    """Return the last line that a program printed, as JSON. The program must end without an
    error."""
    done = subprocess.run(
        [MICROPYTHON, "-X", HEAP, PROGRAMS / f"{program}.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
