"""The timer's turn: ticks for the partitions that are ours, and a watch over what becomes of them.

Ticks are records like all others, so a partition whose ticks are written and where nothing is
applied stands still, be it faust or the agent. While the table is dealt out or restored there are
none; then the restoring itself must move.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

from parking.ops import Health
from parking.stall import Stall
from services.tracker.tracker import Tracker

# A tick that Kafka took later than this met an outage.
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


class Timer:
    """`turn` is called every tick, `applied` for every record."""

    def __init__(
        self,
        group: Group,
        tracker: Tracker,
        health: Health,
        stall: Stall,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._tracker = tracker
        self._health = health
        self._stall = stall
        self._clock_s = clock_s
        self._left: int | None = None

    def applied(self, partition: int) -> None:
        """A record of this partition is done with."""
        self._stall.moved([_name(partition)])

    async def turn(self) -> None:
        """Ticks, and the health they tell of."""
        owned = self._group.owned()
        self._health.waiting = (
            {"partitions": "not assigned and restored yet"} if owned is None else {}
        )
        await (self._wait() if owned is None else self._tick(owned))
        self._stall.report(self._health)

    async def _tick(self, owned: set[int]) -> None:
        started_s = self._clock_s()
        told = await self._tracker.tick(owned)
        if told is None or self._clock_s() - started_s > _SLOW_S:
            self._stall.away()
        if told is not None:
            self._stall.expect(*map(_name, sorted(told)))

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
