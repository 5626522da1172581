"""Check every second or two whether the detector, the tracker and the persister make progress while
records are waiting for them (parking/core/stages.py), and whether ingest writes heartbeats.
/readyz, /metrics and the page show the result.

Nothing is stopped or restarted because of it, and this service stays ready because it can still
serve the data it has.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from parking.core.errors import Retryable
from parking.core.stages import INGEST, STAGES, Progress
from parking.core.topics import FRAMES
from parking.runtime.metrics import STILL_SECONDS
from parking.runtime.ops import Health
from parking.runtime.printable import utc
from parking.runtime.retry import pause
from parking.wire.ports import Clock, Place
from services.notifier.log import Bounds

log = logging.getLogger(__name__)

EVERY_S: Final = 1.5
UNWRITTEN_MS: Final = 6_500
"""Ingest is reported as stalled when it has written nothing for this long, which is two
heartbeats."""
NAMES: Final = (INGEST, *(stage.name for stage in STAGES))


class Groups(Protocol):
    """Two offsets per stage: what its consumer group has finished, and the end of the log."""

    async def committed(self, group: str) -> Mapping[Place, int]:
        """Return the group's next offsets; empty if the group does not exist. Raises Retryable."""

    async def bounds(self, *topics: str) -> Bounds:
        """Return the range of every partition of the topics. Raises Retryable."""


def _never() -> bool:
    """The default for `has_heartbeats`: none has ever arrived."""
    return False


@dataclass(slots=True)
class StageWatch:
    """Calls `changed` with the stages that have stalled, each with the time since when (Unix ms).
    `has_heartbeats` says whether any heartbeat has ever arrived."""

    groups: Groups
    health: Health
    clock: Clock
    changed: Callable[[Mapping[str, int]], None]
    has_heartbeats: Callable[[], bool] = _never
    _progress: dict[str, Progress] = field(
        default_factory=lambda: {stage.name: Progress() for stage in STAGES}
    )
    _still: dict[str, int] = field(default_factory=dict)
    _fault: str = ""
    _written: Mapping[Place, int] = field(default_factory=dict)
    _written_ms: int = 0

    async def loop(self, stop: asyncio.Event) -> None:
        """Check repeatedly until `stop` is set."""
        while not stop.is_set():
            await self.look()
            await pause(stop, EVERY_S)

    async def look(self) -> None:
        """Check all stages once."""
        now_ms = self.clock.now_ms()
        still: dict[str, int] = {}
        try:
            bounds = await self.groups.bounds(*{t for stage in STAGES for t in stage.topics})
            for stage in STAGES:
                committed = await self.groups.committed(stage.group)
                own = {place: span for place, span in bounds.items() if place[0] in stage.topics}
                finished = {place: offset for place, offset in committed.items() if place in own}
                since_ms = self._progress[stage.name].look(now_ms, finished, own)
                if since_ms is not None:
                    still[stage.name] = since_ms
            if (since_ms := self._ingest_since_ms(now_ms, bounds)) is not None:
                still[INGEST] = since_ms
        except Retryable as error:
            self._cannot_tell(str(error))
        else:
            self._fault = ""
        self._report(still, now_ms)

    def _ingest_since_ms(self, now_ms: int, bounds: Bounds) -> int | None:
        """Return since when ingest has written nothing (Unix ms), if it writes heartbeats; None
        while it does. Heartbeats that are on their way may still arrive."""
        written = {place: end for place, (_, end) in bounds.items() if place[0] == FRAMES}
        if written != self._written:
            self._written, self._written_ms = written, now_ms
        still = self.has_heartbeats() and now_ms - self._written_ms >= UNWRITTEN_MS
        return self._written_ms if still else None

    def _cannot_tell(self, fault: str) -> None:
        self._written = {}
        for progress in self._progress.values():
            progress.forget()
        if fault != self._fault:
            self._fault = fault
            log.warning("the progress of the stages is unknown: %s", fault)

    def _report(self, still: dict[str, int], now_ms: int) -> None:
        for name in NAMES:
            since_ms = still.get(name)
            STILL_SECONDS.labels(name).set(max(0, now_ms - since_ms) / 1000 if since_ms else 0)
            self.health.still.pop(name, None)
        self.health.still |= {name: _words(name, since_ms) for name, since_ms in still.items()}
        if still == self._still:
            return
        for name in still.keys() - self._still.keys():
            log.warning("%s", self.health.still[name])
        for name in self._still.keys() - still.keys():
            log.warning("%s is making progress again, or has nothing to do", _the(name))
        self._still = still
        self.changed(still)


def _words(name: str, since_ms: int) -> str:
    since = utc(since_ms)
    if name == INGEST:
        return f"ingest has written nothing since {since}, not even a heartbeat"
    return f"{_the(name)} has made no progress since {since}, although records are waiting for it"


def _the(name: str) -> str:
    return name if name == INGEST else f"the {name}"
