"""The loop: take over assigned partitions, apply records, write ticks.

Every partition is written independently. A partition that must be taken over again because Kafka
failed in the middle of a write is restored like one from another tracker.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from parking.core.due import next_due_ms
from parking.core.errors import Retryable
from parking.core.site import Site
from parking.core.timekeeping import STEP_MS
from parking.core.topics import LIVE
from parking.runtime.faults import fault
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.ops import Health
from parking.runtime.stall import Stall
from parking.wire.ports import Clock, Producer, Record
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
        """Changes after each rebalance."""

    def partitions(self) -> set[int]:
        """The numbers of this member's partitions, which are the same for every source."""

    async def confirm(self) -> None:
        """Confirm that this member owns its partitions. Raises Retryable if Kafka does not, or no
        longer, accept it as their owner: it may have been frozen and not know yet that others own
        them."""

    def read_from(self, offsets: Mapping[int, Mapping[str, int]]) -> None:
        """Start reading each partition from these offsets, or from its start if there is none.
        After a rebalance nothing is read before this is called."""

    async def getmany(self, timeout_ms: int) -> list[Record]:
        """Records of the started partitions, in order for each topic and partition. Raises
        Retryable."""

    async def behind(self) -> set[int] | None:
        """Partitions with records that this member has not read; None while it has no partition but
        should have one. Raises Retryable."""


class Kafka(NamedTuple):
    """The Kafka clients in use. `ticks` needs no fence, because a tick from the past has no
    effect."""

    group: Group
    open_log: Callable[[int], Log]
    ticks: Producer


class Run(NamedTuple):
    """Live or a replay, and the shortest time between ticks of a site (live only)."""

    name: str = LIVE
    tick_ms: int = 1_000


class Tracker:
    """The tracker's loop. Any error except a Kafka outage ends the process."""

    def __init__(
        self,
        kafka: Kafka,
        clock: Clock,
        health: Health,
        stall: Stall,
        run: Run,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self.owned: dict[int, Partition] = {}
        self._group = kafka.group
        self._kafka = kafka
        self._clock = clock
        self._health = health
        self._stall = stall
        self._run = run
        self._heartbeats = heartbeats or Heartbeats(health, clock)
        self._ticked_ms: dict[str, int] = {}
        self._due: dict[str, tuple[Site | None, int | None]] = {}
        self._generation = -1
        self._delay_s = 0.0
        # A rebalance waits until the current batch is written or the partitions in progress are
        # taken over, because they may move.
        self.at_work = asyncio.Lock()

    async def work(self, stop: asyncio.Event) -> None:
        """Run turns until stopped."""
        while not stop.is_set():
            await self.turn()

    async def watch(self, stop: asyncio.Event) -> None:
        """Check every few seconds whether anything hangs, until stopped."""
        while not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)

    async def look(self) -> None:
        """Fail /healthz if records or partitions wait and nothing has progressed for too long."""
        try:
            behind = await self._group.behind()
        except Retryable:
            self._stall.away()
        else:
            unsettled = self._generation != self._group.generation or self.at_work.locked()
            self._stall.expect(*([_PARTITIONS] if behind is None or behind or unsettled else []))
        self._stall.report(self._health)

    async def turn(self) -> None:
        """Poll once and apply the effects."""
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
        """Release all partitions."""
        await asyncio.gather(*(partition.close() for partition in self.owned.values()))
        self.owned = {}

    async def _wait(self, error: Retryable) -> None:
        self._away(error)
        self._delay_s = min(max(_FIRST_DELAY_S, 2 * self._delay_s), _MOST_DELAY_S)
        await self._clock.sleep(self._delay_s)

    async def _settle(self) -> None:
        """Own exactly the partitions that the group has assigned. Raises Retryable."""
        generation, mine = self._group.generation, self._group.partitions()
        if not mine:
            self._health.waiting[_PARTITIONS] = "not assigned yet"
        for number in sorted(self.owned.keys() - mine):
            await self.owned.pop(number).close()
        missing = sorted(mine - self.owned.keys())
        if missing:
            await self._group.confirm()  # otherwise it would fence off the current owner
        for start in range(0, len(missing), _AT_ONCE):
            async with self.at_work:
                # Taking over a partition that has moved on would fence off its new owner.
                if generation != self._group.generation:
                    return
                some = map(self._take_over, missing[start : start + _AT_ONCE])
                _raise_first(await asyncio.gather(*some, return_exceptions=True))
            self._stall.moved([_PARTITIONS])
        if generation != self._group.generation:
            return  # reassigned meanwhile
        self._heartbeats.keep(mine)
        self._group.read_from({number: self.owned[number].next for number in mine})
        self._generation = generation
        if mine:
            self._health.waiting.pop(_PARTITIONS, None)
            log.info("%d partitions owned, %d of them newly taken over", len(mine), len(missing))

    async def _take_over(self, number: int) -> None:
        partition = Partition(number, self._kafka.open_log(number), self._clock, self._run.name)
        try:
            await partition.restore()
        except BaseException:
            await partition.close()
            raise
        self.owned[number] = partition

    async def _apply_all(self, records: Iterable[Record]) -> None:
        shares: dict[int, list[Record]] = {number: [] for number in self.owned}
        for record in records:
            shares[record.partition].append(record)
        results = await asyncio.gather(
            *(self._apply(self.owned[number], some) for number, some in shares.items()),
            return_exceptions=True,
        )
        _raise_first(results)

    async def _apply(self, partition: Partition, records: Sequence[Record]) -> None:
        try:
            if records:
                await partition.apply(records)
                self._heartbeats.passed(records)
            await partition.keep()
        except Retryable as error:
            # It is unknown how much was written, so take it over again and read that.
            self._away(error)
            self._generation = -1
            self.owned.pop(partition.number)
            await partition.close()

    async def _send_ticks(self) -> None:
        """Write the ticks that are due. A replay writes none because it replays recorded ticks, and
        an outage drops them because a tick is worthless later."""
        if self._run.name != LIVE:
            return
        now_ms = self._clock.now_ms()
        due = [
            site_id
            for partition in self.owned.values()
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
        """Whether time alone changes something, even with a clock that was set back."""
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
