"""A busy computer: two cores, and beside the services a loop on each that never rests."""

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
def busy() -> Iterator[None]:
    """Whatever is started within it has two cores, of which two loops of equal priority take what
    they can get."""
    had = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(had)[:CORES])
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(CORES)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        os.sched_setaffinity(0, had)
