"""services.detector, slowed down: each picture takes TIMES as long as it would. Writes how long
each one took (in seconds, without and with the delay) to the file that SLOWED names."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from parking.runtime.ops import main
from services.detector import __main__ as detector
from services.detector.adapters import ModelThread

TIMES: Final = 10


class SlowModel(ModelThread):
    """The real model, but slow."""

    def __init__(self, each: Any, *more: Any) -> None:
        super().__init__(lambda jobs, *rest: slowly(jobs, each(jobs, *rest)), *more)


def slowly(jobs: Sequence[Any], results: Iterator[Any]) -> Iterator[Any]:
    """Return one result per job."""
    for _ in jobs:
        began_s = time.perf_counter()
        result = next(results)
        took_s = time.perf_counter() - began_s
        time.sleep((TIMES - 1) * took_s)
        with Path(os.environ["SLOWED"]).open("a") as log:
            log.write(f"{took_s} {time.perf_counter() - began_s}\n")
        yield result


def run_with(doc: str, **parts: type) -> None:
    """Run the detector's command line with these classes instead of its own of the same names."""
    if "--help" in sys.argv:
        sys.stdout.write(doc)
    else:
        vars(detector).update(parts)
        main("detector", detector.build)


if __name__ == "__main__":
    run_with(__doc__, ModelThread=SlowModel)
