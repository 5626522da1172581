"""A busy computer: two cores, with a busy loop on each beside the services."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CORES: Final = 2
# It ends with its parent, too: a test run may be killed.
_LOOP: Final = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"


@contextmanager
def two_cores() -> Iterator[None]:
    """Give everything that is started in this block two of the cores, if the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    had = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(had)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, had)


@contextmanager
def busy_loops() -> Iterator[None]:
    """Run one loop per core, with equal priority. Within `two_cores`, they run on the same
    cores."""
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(CORES)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
