"""services.detector on a slow computer, where judging a picture takes at least `LEAST_S`.

Everything else is the real detector.
"""

import time
from typing import Any, Final

from services.detector.judging import Judge, Judgement
from tests.stack.slow_detector import run_with

LEAST_S: Final = 0.25


class SlowJudge(Judge):
    """The real judge, but slow."""

    def judge(self, *job: Any) -> Judgement:
        """Judge as usual, then wait for the rest of the time."""
        ends_s = time.perf_counter() + LEAST_S
        judged = super().judge(*job)
        time.sleep(max(0.0, ends_s - time.perf_counter()))
        return judged


if __name__ == "__main__":
    run_with(__doc__, Judge=SlowJudge)
