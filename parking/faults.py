"""Points where a test may kill the process: between an effect and its acknowledgement.

`FAULT=point:kill` in the environment; without it a point does nothing.
`grep -rnw 'fault(' services` lists the points: three of the tracker, three of the persister,
two of analytics.
"""

import os
import signal


def fault(point: str) -> None:
    """Die here, as by kill -9, when told so."""
    if os.environ.get("FAULT") == f"{point}:kill":
        os.kill(os.getpid(), signal.SIGKILL)
