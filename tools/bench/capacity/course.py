"""The course of one measurement, the same for every row: warm up, measure, wait for the last."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tools.bench.capacity.ages import (
    AGE_LIMIT_S,
    Sent,
    Telling,
    Window,
    ages_s,
    by_camera,
    too_old,
)
from tools.bench.capacity.usage import Usage

WINDOW_S: Final = 60.0
WARM_UP_LIMIT_S: Final = 90.0
"""Until every camera was judged once; longer fails."""
SETTLE_LIMIT_S: Final = 90.0
"""From then on until nothing old waits any more; then it is measured all the same."""
DRAIN_S: Final = 10.0
"""After the window the cameras go on for so long, and what is told then counts."""
_LEAST_WARM_UP_S: Final = 10.0
_LOOK_EVERY_MS: Final = 2000


class Rig(Protocol):
    """What is measured, with cameras that send already."""

    async def poll(self) -> Sequence[Telling]:
        """What was told since; waits for some of it, at most about half a second."""

    def sent(self) -> Sequence[Sent]:
        """Every frame sent so far, in order for each camera."""

    def usage(self) -> dict[str, Usage]:
        """What its processes took so far, by name."""


@dataclass(slots=True)
class Outcome:
    """What happened. `stopped_early`: it failed before the window was over, so that changes of
    scene had no time to be seen; `why`: it failed before the window began, which is then the
    warm-up."""

    window: Window
    tellings: Sequence[Telling]
    before: Mapping[str, Usage]
    after: Mapping[str, Usage]
    stopped_early: bool = False
    why: str = ""


class Course:
    """One measurement. `cameras`: their ids; `started_ms`: since when they send."""

    def __init__(
        self, rig: Rig, cameras: Sequence[str], interval_s: float, started_ms: int
    ) -> None:
        self._rig = rig
        self._cameras = cameras
        self._interval_s = interval_s
        self._started_ms = started_ms
        self._tellings: list[Telling] = []

    async def run(self, window_s: float) -> Outcome:
        """Returns early when the p99 of the ages cannot come below the limit any more."""
        before = self._rig.usage()
        if why := await self._warm_up():
            window = Window(self._started_ms, now_ms(), now_ms())
            return Outcome(window, self._tellings, before, self._rig.usage(), True, why)
        before, start_ms, stopped_early = self._rig.usage(), now_ms(), False
        end_ms = start_ms + round(window_s * 1000)
        expected = round(len(self._cameras) * window_s / self._interval_s)
        look_ms = start_ms
        while now_ms() < end_ms:
            await self._poll()
            if now_ms() - look_ms >= _LOOK_EVERY_MS:
                look_ms = now_ms()
                if too_old(self._ages(Window(start_ms, look_ms, look_ms)), expected):
                    stopped_early = True
                    break
        after, end_ms = self._rig.usage(), now_ms()
        while not stopped_early and now_ms() < end_ms + DRAIN_S * 1000:
            await self._poll()
        window = Window(start_ms, end_ms, now_ms())
        return Outcome(window, self._tellings, before, after, stopped_early)

    async def _warm_up(self) -> str:
        """Wait until every camera was judged once, then for a while until nothing old waits. Why it
        failed; empty when it did not."""
        warm_s: float | None = None
        while True:
            await self._poll()
            passed_s = (now_ms() - self._started_ms) / 1000
            judged = {t.camera_id for t in self._tellings if t.judged is None or t.judged}
            if warm_s is None and len(judged) == len(self._cameras):
                warm_s = passed_s
            if warm_s is None and passed_s > WARM_UP_LIMIT_S:
                count = f"{len(judged)} of {len(self._cameras)} cameras"
                return f"only {count} were judged within {WARM_UP_LIMIT_S:.0f} s"
            least_s = max(_LEAST_WARM_UP_S, 2 * self._interval_s)
            if warm_s is None or passed_s < least_s:
                continue
            if passed_s - warm_s > SETTLE_LIMIT_S or self._settled():
                return ""

    def _settled(self) -> bool:
        """Whether the frames of one interval were all told soon."""
        now, half_s = now_ms(), AGE_LIMIT_S / 2
        edge_ms = now - round(half_s * 1000)
        recent = Window(edge_ms - round(self._interval_s * 1000), edge_ms, now)
        return all(age < half_s for age in self._ages(recent))

    async def _poll(self) -> None:
        self._tellings += await self._rig.poll()

    def _ages(self, window: Window) -> list[float]:
        return ages_s(self._rig.sent(), by_camera(self._tellings), window)


def now_ms() -> int:
    """Unix milliseconds, as the broker writes them."""
    return time.time_ns() // 1_000_000
