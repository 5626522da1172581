"""The timer's turn: beats for the partitions that are ours, and a watch over what becomes of them.

A beat is a record like all others, so a partition whose beats are written and where nothing is
applied stands still, be it faust or the agent. While partitions are dealt out or restored there are
none; then the restoring itself must move.
"""

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from parking.errors import Retryable
from parking.ops import Health
from parking.stall import Stall
from services.analytics.analytics import Analytics

log = logging.getLogger(__name__)

# A beat that Kafka took later than this met an outage.
_SLOW_S: Final = 5.0
_ASSIGNMENT: Final = "assignment"


class Group(Protocol):
    """What is asked of faust and Kafka (adapters.FaustGroup)."""

    def owned(self) -> set[int] | None:
        """The partitions this worker has; None while they are dealt out or restored."""

    def restoring(self) -> int | None:
        """How many records are still to be restored, while some are."""

    async def answers(self) -> bool:
        """Whether Kafka does."""


class Watch:
    """`turn` is called again and again, `moved` for every record."""

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
        """A record of this partition is done with, or part of it."""
        self._stall.moved([_name(partition)])

    async def turn(self, analytics: Analytics) -> None:
        """Beats, and the health they tell of."""
        owned = self._group.owned()
        self._health.waiting = (
            {"partitions": "not assigned and restored yet"} if owned is None else {}
        )
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
