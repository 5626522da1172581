"""The loops that keep the feed at the end of the log, and their supervision."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from parking.core.errors import Retryable
from parking.core.topics import CAMERA_STATUS, LAYOUTS, SESSIONS, SLOT_CHANGES, SLOT_STATE
from parking.runtime.ops import Health
from parking.runtime.retry import pause, retry
from parking.wire.ports import Clock, Place, Record
from services.notifier.feed import Feed, fold
from services.notifier.log import Log
from services.notifier.state import NOT_READ_YET, LiveState

WHOLE: Final = (LAYOUTS, CAMERA_STATUS, SLOT_STATE, SESSIONS)
"""Topics that are read whole at the start."""
TAILED: Final = (SLOT_CHANGES, CAMERA_STATUS, LAYOUTS, SESSIONS)
CHECK_EVERY_S: Final = 10.0
STUCK_LOOKS: Final = 3


Took = Callable[[Sequence[Record]], None]


def _nothing(_: Sequence[Record]) -> None:
    """The default for `took`: nobody needs to know."""


async def follow_log(
    stop: asyncio.Event,
    *,
    log_: Log,
    feed: Feed,
    health: Health,
    clock: Clock,
    took: Took = _nothing,
) -> None:
    """Read the whole state, then follow the log until `stop` is set. After an outage, reading
    continues where it stopped, without gaps or repeats. `took` is called with all records that were
    taken."""
    health.waiting["state"] = NOT_READ_YET

    def waiting(reason: str) -> None:
        if "state" in health.waiting:
            health.waiting["state"] = reason

    try:
        if await retry(lambda: start(log_, feed, took), clock, stop, waiting=waiting) is None:
            return
        while not stop.is_set():
            await retry(lambda: _tail(stop, log_, feed, health, took), clock, stop, waiting=waiting)
    finally:
        feed.close()


async def start(log_: Log, feed: Feed, took: Took = _nothing) -> bool:
    """Note the end of slot-changes, then read the compacted topics and the sessions to their ends.
    They are read in batches, because they contain every record of the last minutes or days, not one
    per key. After that, the changes are read from a ring's length before the noted end. So the ring
    is full at once, and no change is missed whose state record was not yet written when slot-state
    was read."""
    cluster_id = await log_.cluster_id()
    changes = await log_.bounds(SLOT_CHANGES)
    bounds = await log_.bounds(*WHOLE)
    first = {place: span[0] for place, span in bounds.items()}
    end = {place: span[1] for place, span in bounds.items()}
    state = LiveState()  # for this attempt; an earlier one may have stopped anywhere
    async with aclosing(log_.scan(first, end)) as batches:
        async for records in batches:
            for record in records:
                fold(state, record)
            took(records)
            await asyncio.sleep(0)  # the next batch may already be here
    back = max(1, feed.limits.ring_changes // len(changes))
    starts: dict[Place, int] = {
        place: max(span[0], span[1] - back) for place, span in changes.items()
    }
    starts |= {place: offset for place, offset in end.items() if place[0] in TAILED}
    ends = {place[1]: span[1] for place, span in changes.items()}
    await feed.begin(cluster_id, state, starts, ends)
    return True


@dataclass(slots=True)
class Watch:
    """Checks every few seconds whether Kafka answers (otherwise the notifier is not ready), whether
    it is still the same cluster (otherwise the process ends), and whether the tail makes progress
    (otherwise the notifier is not alive)."""

    log: Log
    feed: Feed
    health: Health
    _behind: dict[Place, tuple[int, int]] = field(default_factory=dict)
    """Where a partition is waiting, and for how many checks in a row."""

    async def loop(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        while not stop.is_set():
            await pause(stop, CHECK_EVERY_S)
            if self.feed.ready and not stop.is_set():
                await self.look()

    async def look(self) -> None:
        """Check once. Raises RuntimeError when Kafka is a different cluster."""
        try:
            cluster_id = await self.log.cluster_id()
            bounds = await self.log.bounds(*TAILED)
        except Retryable as error:
            self.health.waiting["kafka"] = str(error)
            return
        if cluster_id != self.feed.ring.cluster_id:
            raise RuntimeError("Kafka was replaced by another cluster: starting again")
        self.health.waiting.pop("kafka", None)
        before, self._behind = self._behind, {}
        for place, (_, end) in bounds.items():
            at = self.feed.positions[place]
            if at < end:
                since, looks = before.get(place, (at, 0))
                self._behind[place] = (at, looks + 1 if since == at else 1)
        stuck = sorted(p for p, (_, looks) in self._behind.items() if looks > STUCK_LOOKS)
        if stuck:
            self.health.failing["tail"] = f"records in {stuck} are waiting but not being read"
        else:
            self.health.failing.pop("tail", None)


async def _tail(stop: asyncio.Event, log_: Log, feed: Feed, health: Health, took: Took) -> bool:
    async with aclosing(log_.tail(dict(feed.positions))) as batches:
        async for records in batches:
            if not records:
                feed.positions |= log_.reached()
            await feed.take(records)
            took(records)
            await asyncio.sleep(0)
            if feed.ready:
                health.waiting.pop("state", None)
            if stop.is_set():
                break
    return True
