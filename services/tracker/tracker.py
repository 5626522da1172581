"""The loop: partitions come and go with the group, records are applied, time is told.

Every partition is written by itself, so one that has to be taken over again, because Kafka was away
in the middle of a write, is restored like one that came from another tracker.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from parking.due import next_due_ms
from parking.errors import Retryable
from parking.faults import fault
from parking.ops import Health
from parking.ports import Clock, Producer, Record
from parking.site import Site
from parking.stall import Stall
from parking.timekeeping import STEP_MS
from parking.topics import LIVE
from services.tracker import handler
from services.tracker.partition import Log, Partition

log = logging.getLogger(__name__)

_POLL_MS: Final = 500
_LOOK_EVERY_S: Final = 5.0
_FIRST_DELAY_S: Final = 0.25
_MOST_DELAY_S: Final = 10.0
_AT_ONCE: Final = 4
"""Partitions restored at the same time."""
_PARTITIONS: Final = "partitions"


class Group(Protocol):
    """This member's share of the partitions (adapters.KafkaGroup, or memory)."""

    @property
    def generation(self) -> int:
        """Another one after each rebalance."""

    def partitions(self) -> set[int]:
        """The numbers of the partitions that this member has; of every source alike."""

    async def confirm(self) -> None:
        """Raises Retryable when Kafka does not take this member for the owner of its partitions, or
        not any more: it froze, and does not know yet that others have them."""

    def read_from(self, offsets: Mapping[int, Mapping[str, int]]) -> None:
        """Let records flow from these offsets of each partition; where none is known, from the
        begin. Nothing flows after a rebalance before this is called."""

    async def getmany(self, timeout_ms: int) -> list[Record]:
        """Records of the partitions that flow, in order for each topic and partition. Raises
        Retryable."""

    async def behind(self) -> set[int] | None:
        """Partitions with records that this member has not read; None while it has no partition
        though it should. Raises Retryable."""


class Kafka(NamedTuple):
    """What is used of it. `ticks` needs no fence: a tick from the past tells nothing."""

    group: Group
    open_log: Callable[[int], Log]
    ticks: Producer


class Run(NamedTuple):
    """Whether it is live or a replay, and how often time is told to a site at most (live only)."""

    name: str = LIVE
    tick_ms: int = 1_000


class Tracker:
    """Everything but an outage of Kafka ends the process."""

    def __init__(
        self,
        kafka: Kafka,
        clock: Clock,
        health: Health,
        stall: Stall,
        run: Run,
    ) -> None:
        self.held: dict[int, Partition] = {}
        self._group = kafka.group
        self._kafka = kafka
        self._clock = clock
        self._health = health
        self._stall = stall
        self._run = run
        self._ticked_ms: dict[str, int] = {}
        self._due: dict[str, tuple[Site | None, int | None]] = {}
        self._generation = -1
        self._delay_s = 0.0
        # A rebalance waits until the batch in hand is written: its partitions may go to others.
        self.at_work = asyncio.Lock()

    async def work(self, stop: asyncio.Event) -> None:
        """Take turns until told to stop."""
        while not stop.is_set():
            await self.turn()

    async def watch(self, stop: asyncio.Event) -> None:
        """Look every few seconds whether anything stands still, until told to stop."""
        while not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)

    async def look(self) -> None:
        """Fail /healthz when records wait, or partitions, and nothing has moved for too long."""
        try:
            behind = await self._group.behind()
        except Retryable:
            self._stall.away()
        else:
            unsettled = self._generation != self._group.generation or self.at_work.locked()
            self._stall.expect(*([_PARTITIONS] if behind is None or behind or unsettled else []))
        self._stall.report(self._health)

    async def turn(self) -> None:
        """One poll, and what comes of it."""
        if self._generation != self._group.generation:
            try:
                await self._settle()
            except Retryable as error:
                await self._wait(error)
                return
        generation = self._generation
        try:
            records = await self._group.getmany(_POLL_MS)
        except Retryable as error:
            await self._wait(error)
            return
        async with self.at_work:
            if generation == self._group.generation and generation == self._generation:
                await self._apply_all(records)
        if records:
            self._stall.moved([_PARTITIONS])
        await self._send_ticks()
        if self._generation == self._group.generation:
            self._health.waiting.pop("kafka", None)
            self._delay_s = 0.0

    async def close(self) -> None:
        """Put all partitions down."""
        await asyncio.gather(*(partition.close() for partition in self.held.values()))
        self.held = {}

    async def _wait(self, error: Retryable) -> None:
        self._away(error)
        self._delay_s = min(max(_FIRST_DELAY_S, 2 * self._delay_s), _MOST_DELAY_S)
        await self._clock.sleep(self._delay_s)

    async def _settle(self) -> None:
        """Hold what the group has given, no more and no less. Raises Retryable."""
        generation, mine = self._group.generation, self._group.partitions()
        if not mine:
            self._health.waiting[_PARTITIONS] = "not assigned yet"
        for number in sorted(self.held.keys() - mine):
            await self.held.pop(number).close()
        missing = sorted(mine - self.held.keys())
        if missing:
            await self._group.confirm()  # else it would fence off the one that has them now
        for start in range(0, len(missing), _AT_ONCE):
            some = map(self._take_over, missing[start : start + _AT_ONCE])
            _raise_first(await asyncio.gather(*some, return_exceptions=True))
            self._stall.moved([_PARTITIONS])
        if generation != self._group.generation:
            return  # dealt out anew meanwhile
        self._group.read_from({number: self.held[number].next for number in mine})
        self._generation = generation
        if mine:
            self._health.waiting.pop(_PARTITIONS, None)
            log.info("%d partitions held, %d of them taken over", len(mine), len(missing))

    async def _take_over(self, number: int) -> None:
        partition = Partition(number, self._kafka.open_log(number), self._clock, self._run.name)
        try:
            await partition.restore()
        except BaseException:
            await partition.close()
            raise
        self.held[number] = partition

    async def _apply_all(self, records: Iterable[Record]) -> None:
        shares: dict[int, list[Record]] = {number: [] for number in self.held}
        for record in records:
            shares[record.partition].append(record)
        results = await asyncio.gather(
            *(self._apply(self.held[number], some) for number, some in shares.items()),
            return_exceptions=True,
        )
        _raise_first(results)

    async def _apply(self, partition: Partition, records: Sequence[Record]) -> None:
        try:
            if records:
                await partition.apply(records)
            await partition.keep()
        except Retryable as error:
            # Nobody knows how much of it was written: take it over again, and read what was.
            self._away(error)
            self._generation = -1
            self.held.pop(partition.number)
            await partition.close()

    async def _send_ticks(self) -> None:
        """Ticks that are due. None in a replay, where time passes as it was recorded; none in an
        outage, for a tick has no worth later."""
        if self._run.name != LIVE:
            return
        now_ms = self._clock.now_ms()
        due = [
            site_id
            for partition in self.held.values()
            for site_id, site in partition.sites.items()
            if self._is_due(site, now_ms)
        ]
        self._ticked_ms |= dict.fromkeys(due, now_ms)
        try:
            await self._kafka.ticks.send([handler.tick(site_id, now_ms) for site_id in due])
            if due:
                fault("tracker.after-ticks")
        except Retryable as error:
            self._away(error)

    def _is_due(self, site: Site, now_ms: int) -> bool:
        """Whether time alone changes something; by a clock that was set back, too."""
        known, due_ms = self._due.get(site.site_id, (None, None))
        if known is not site:
            due_ms = next_due_ms(site)
            self._due[site.site_id] = site, due_ms
        ticked_ms = self._ticked_ms.get(site.site_id, 0)
        if due_ms is None or abs(now_ms - ticked_ms) < self._run.tick_ms:
            return False
        return now_ms >= due_ms or now_ms < site.tick_ms - STEP_MS

    def _away(self, error: Retryable) -> None:
        log.warning("waiting: %s", error)
        self._stall.away()
        self._health.waiting["kafka"] = str(error)


def _raise_first(results: Sequence[object]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result
