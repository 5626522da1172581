"""The loops that keep the feed at the end of the log, and the watch over them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeVar

from parking.errors import Retryable
from parking.ops import Health
from parking.ports import Clock, Place
from parking.topics import CAMERA_STATUS, LAYOUTS, SESSIONS, SLOT_CHANGES, SLOT_STATE
from services.notifier.feed import Feed, fold
from services.notifier.log import Log
from services.notifier.state import LiveState

log = logging.getLogger(__name__)

WHOLE: Final = (LAYOUTS, CAMERA_STATUS, SLOT_STATE, SESSIONS)
"""Read whole at the start."""
TAILED: Final = (SLOT_CHANGES, CAMERA_STATUS, LAYOUTS, SESSIONS)
CHECK_EVERY_S: Final = 10.0
STUCK_LOOKS: Final = 3
FIRST_DELAY_S: Final = 0.25
MAX_DELAY_S: Final = 10.0

T = TypeVar("T")


async def follow_log(
    stop: asyncio.Event, *, log_: Log, feed: Feed, health: Health, clock: Clock
) -> None:
    """Read the state whole, then follow the log until `stop`. An outage is waited out; from the
    place where it broke off, nothing is read twice or left out."""
    health.waiting["state"] = "the current state is still being read from Kafka"
    try:
        if await _patiently(lambda: start(log_, feed), stop, health, clock) is None:
            return
        while not stop.is_set():
            await _patiently(lambda: _tail(stop, log_, feed, health), stop, health, clock)
    finally:
        feed.close()


async def start(log_: Log, feed: Feed) -> bool:
    """Note the end of slot-changes, read the compacted topics and the sessions to their ends, batch
    by batch, for they hold every record of the last minutes or days and not one a key. The changes
    are then read from a ring's length before that end: the ring is filled at once, and a
    change whose state record was not yet written when slot-state was read is not missed."""
    cluster_id = await log_.cluster_id()
    changes = await log_.bounds(SLOT_CHANGES)
    bounds = await log_.bounds(*WHOLE)
    first = {place: span[0] for place, span in bounds.items()}
    end = {place: span[1] for place, span in bounds.items()}
    state = LiveState()  # of this attempt, an earlier one may have broken off anywhere
    async with aclosing(log_.scan(first, end)) as batches:
        async for records in batches:
            for record in records:
                fold(state, record)
            await asyncio.sleep(0)  # the next batch may be at hand already
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
    """Looks every few seconds: does Kafka answer (else not ready), is it still the same one (else
    the process ends), and does the tail move towards the end (else not alive)?"""

    log: Log
    feed: Feed
    health: Health
    _behind: dict[Place, tuple[int, int]] = field(default_factory=dict)
    """Where a place waits, and at how many looks in a row it has."""

    async def loop(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            await _wait(stop, CHECK_EVERY_S)
            if self.feed.ready and not stop.is_set():
                await self.look()

    async def look(self) -> None:
        """Once. Raises RuntimeError when Kafka is another one."""
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
            self.health.failing["tail"] = f"records wait in {stuck} and are not read"
        else:
            self.health.failing.pop("tail", None)


async def _tail(stop: asyncio.Event, log_: Log, feed: Feed, health: Health) -> bool:
    async with aclosing(log_.tail(dict(feed.positions))) as batches:
        async for records in batches:
            if not records:
                feed.positions |= log_.reached()
            await feed.take(records)
            await asyncio.sleep(0)
            if feed.ready:
                health.waiting.pop("state", None)
            if stop.is_set():
                break
    return True


async def _patiently(
    work: Callable[[], Awaitable[T]], stop: asyncio.Event, health: Health, clock: Clock
) -> T | None:
    """Try until it works or the service is told to stop; the delay doubles up to its limit."""
    delay_s = FIRST_DELAY_S
    while not stop.is_set():
        try:
            return await work()
        except Retryable as error:
            log.warning("waiting %.2f s: %s", delay_s, error)
            if "state" in health.waiting:
                health.waiting["state"] = str(error)
            await clock.sleep(delay_s)
            delay_s = min(delay_s * 2, MAX_DELAY_S)
    return None


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
