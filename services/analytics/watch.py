"""Write beats for our partitions, and watch whether they are processed.

A beat is a normal record. A partition whose beats are written but not applied is stuck, in faust or
in the agent. While partitions are being assigned or restored there are no beats, but restoring
itself must progress.
"""

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from parking.core.errors import Retryable
from parking.runtime.ops import Health
from parking.runtime.stall import Stall
from services.analytics.analytics import Analytics

log = logging.getLogger(__name__)

# A beat that Kafka accepted later than this met an outage.
_SLOW_S: Final = 5.0
_ASSIGNMENT: Final = "assignment"


class Group(Protocol):
    """What is needed from faust and Kafka (adapters.FaustGroup)."""

    def owned(self) -> set[int] | None:
        """This worker's partitions, or None while they are being assigned or restored."""

    def restoring(self) -> int | None:
        """How many records still need to be restored, or None if nothing is being restored."""

    async def answers(self) -> bool:
        """Whether Kafka answers."""


class Watch:
    """`turn` is called repeatedly, `moved` for every record."""

    def __init__(
        self,
        group: Group,
        health: Health,
        stall: Stall,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._health = health
        self._stall = stall
        self._clock_s = clock_s
        self._left: int | None = None

    def moved(self, partition: int) -> None:
        """A record of this partition was processed, at least partly."""
        self._stall.moved([_name(partition)])

    async def turn(self, analytics: Analytics) -> None:
        """Write beats, and derive health from them."""
        owned = self._group.owned()
        self._health.waiting.pop("kafka", None)  # set while starting
        if owned is None:
            self._health.waiting["partitions"] = "not assigned and restored yet"
        else:
            self._health.waiting.pop("partitions", None)
        await (self._wait() if owned is None else self._beat(analytics, owned))
        self._stall.report(self._health)

    async def _beat(self, analytics: Analytics, owned: set[int]) -> None:
        started_s = self._clock_s()
        try:
            await analytics.beat(sorted(owned))
        except Retryable as error:
            log.warning("no beats: %s", error)
            self._stall.away()
            return
        if self._clock_s() - started_s > _SLOW_S:
            self._stall.away()
        self._stall.expect(*map(_name, sorted(owned)))

    async def _wait(self) -> None:
        left = self._group.restoring()
        if left != self._left:
            self._left = left
            self._stall.moved([_ASSIGNMENT])
        if await self._group.answers():
            self._stall.expect(_ASSIGNMENT)
        else:
            self._stall.away()


def _name(partition: int) -> str:
    return f"partition {partition}"
