"""Points where a test may kill or freeze the process: between an effect and its acknowledgement.

`FAULT=point:kill` or `FAULT=point:freeze` in the environment; without it a point does nothing.
`grep -rnw 'fault(' services` lists the points: three of the tracker, three of the persister,
two of analytics.
"""

import os
import signal
from typing import Final

_ENDS: Final = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


def fault(point: str) -> None:
    """Die here as by kill -9, or stand still until SIGCONT, when told so."""
    at, _, end = os.environ.get("FAULT", "").rpartition(":")
    if at == point and end in _ENDS:
        os.kill(os.getpid(), _ENDS[end])
