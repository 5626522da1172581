"""The course of one measurement, the same for every row: warm up, measure, wait for the last
reports."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tools.bench.capacity.ages import (
    AGE_LIMIT_S,
    FrameReport,
    Sent,
    Window,
    ages_s,
    by_camera,
    too_old,
)
from tools.bench.capacity.usage import Usage

WINDOW_S: Final = 60.0
WARM_UP_LIMIT_S: Final = 90.0
"""Time limit until every camera has been judged once."""
SETTLE_LIMIT_S: Final = 90.0
"""Time limit for the backlog to clear. After it the measurement starts anyway."""
DRAIN_S: Final = 10.0
"""The cameras continue for this long after the window, and reports in this time count."""
_LEAST_WARM_UP_S: Final = 10.0
_LOOK_EVERY_MS: Final = 2000


class Rig(Protocol):
    """The system under test, with cameras that are already sending."""

    async def poll(self) -> Sequence[FrameReport]:
        """Return the reports since the last call. Waits at most about half a second for one."""

    def sent(self) -> Sequence[Sent]:
        """Every frame sent so far, in order for each camera."""

    def usage(self) -> dict[str, Usage]:
        """The resources its processes have used so far, by name."""


@dataclass(slots=True)
class Outcome:
    """The result. `stopped_early`: it failed before the window was over, so some changes of scene
    had no time to be seen. `why`: it failed before the window began, and the window is then the
    warm-up."""

    window: Window
    reports: Sequence[FrameReport]
    before: Mapping[str, Usage]
    after: Mapping[str, Usage]
    stopped_early: bool = False
    why: str = ""


class Course:
    """One measurement. `cameras` holds the cameras' ids; `started_ms` is when they started to
    send pictures.
    `to_the_end`: continue even if it has already failed."""

    def __init__(
        self,
        rig: Rig,
        cameras: Sequence[str],
        interval_s: float,
        started_ms: int,
        *,
        to_the_end: bool = False,
    ) -> None:
        self._rig = rig
        self._cameras = cameras
        self._interval_s = interval_s
        self._started_ms = started_ms
        self._to_the_end = to_the_end
        self._reports: list[FrameReport] = []

    async def run(self, window_s: float) -> Outcome:
        """Run the measurement. Returns early when the p99 of the ages can no longer fall below the
        limit, unless `to_the_end` is set."""
        before = self._rig.usage()
        if why := await self._warm_up():
            window = Window(self._started_ms, now_ms(), now_ms())
            return Outcome(window, self._reports, before, self._rig.usage(), True, why)
        before, start_ms, stopped_early = self._rig.usage(), now_ms(), False
        end_ms = start_ms + round(window_s * 1000)
        expected = round(len(self._cameras) * window_s / self._interval_s)
        look_ms = start_ms
        while now_ms() < end_ms:
            await self._poll()
            if now_ms() - look_ms >= _LOOK_EVERY_MS:
                look_ms = now_ms()
                if not self._to_the_end and too_old(
                    self._ages(Window(start_ms, look_ms, look_ms)), expected
                ):
                    stopped_early = True
                    break
        after, end_ms = self._rig.usage(), now_ms()
        while not stopped_early and now_ms() < end_ms + DRAIN_S * 1000:
            await self._poll()
        window = Window(start_ms, end_ms, now_ms())
        return Outcome(window, self._reports, before, after, stopped_early)

    async def _warm_up(self) -> str:
        """Wait until every camera has been judged once, then for a while until the backlog is gone.
        Returns why it failed, or an empty string."""
        warm_s: float | None = None
        while True:
            await self._poll()
            passed_s = (now_ms() - self._started_ms) / 1000
            judged = {t.camera_id for t in self._reports if t.judged is None or t.judged}
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
        """Whether all frames of the last interval were reported quickly."""
        now, half_s = now_ms(), AGE_LIMIT_S / 2
        edge_ms = now - round(half_s * 1000)
        recent = Window(edge_ms - round(self._interval_s * 1000), edge_ms, now)
        return all(age < half_s for age in self._ages(recent))

    async def _poll(self) -> None:
        self._reports += await self._rig.poll()

    def _ages(self, window: Window) -> list[float]:
        return ages_s(self._rig.sent(), by_camera(self._reports), window)


def now_ms() -> int:
    """Unix milliseconds, as the broker writes them."""
    return time.time_ns() // 1_000_000
