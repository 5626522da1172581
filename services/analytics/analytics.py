"""The order of effects for one record: what it publishes, the site's clock, what is held.

What is published goes first. A crash before the site is written makes it be published once more,
with the same id and version, or with a higher one; a crash before the record is acknowledged makes
the record come again, and it is known by its offset.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import Final, Protocol

from parking import codec
from parking.errors import Invalid
from parking.faults import fault, holding
from parking.metrics import DEAD_LETTERS, MINUTES_PUBLISHED, RECORDS_IGNORED
from parking.partitioning import partition_of
from parking.ports import Clock, Outgoing, Producer, Record
from parking.topics import ANALYTICS_CLOCK, OCCUPANCY, SLOT_CHANGES
from services.analytics import handler
from services.analytics.handler import SERVICE, KindOf
from services.analytics.minutes import minute_of

log = logging.getLogger(__name__)

_AT_ONCE: Final = 500
# Changes are being caught up with while the last one of the partition was this old when it came,
# and came this lately. It decides when minutes are published, and never what is in them.
_OLD_MS: Final = 60_000
_LATELY_MS: Final = 2_000


class Table(handler.Held, Protocol):
    """Values by key: a faust table (adapters.py), or a dictionary."""

    async def write(self, key: bytes, value: bytes) -> None:
        """Returns once the value is durable in the changelog; raises when it cannot be."""


class MemoryTable:
    """Table for tests and tools: a dictionary, durable at once."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> bytes | None:
        """See handler.Held."""
        return self._values.get(key)

    def entries(self) -> list[tuple[bytes, bytes]]:
        """See handler.Held."""
        return list(self._values.items())

    async def write(self, key: bytes, value: bytes) -> None:
        """See Table."""
        self._values[key] = value


def nothing(_: int) -> None:
    """Nobody watches."""


class Analytics:
    """Applies records one at a time. Everything but Invalid ends the process. `moved` is called
    with the record's partition after each part of the work."""

    def __init__(
        self,
        table: Table,
        producer: Producer,
        clock: Clock,
        kinds: KindOf,
        moved: Callable[[int], None] = nothing,
    ) -> None:
        self._table = table
        self._producer = producer
        self._clock = clock
        self._kinds = kinds
        self._moved = moved
        self._caught_up_at_ms: dict[int, int] = {}  # by partition, if nothing more comes
        self._told: dict[str, int] = {}  # by site: the last minute told to its clock from here

    async def apply(self, record: Record) -> None:
        """All effects of one record are durable when this returns."""
        if not is_beat(record):
            await self._apply(record)
        self._moved(record.partition)

    async def _apply(self, record: Record) -> None:
        holding([_place(record)])
        behind = self._behind(record.partition)
        try:
            step = handler.apply(record, self._table, self._kinds, behind=behind)
        except Invalid as error:
            await self._set_aside(record, error)
            return
        if step.ignored:
            RECORDS_IGNORED.labels(record.topic).inc()
        await self._publish(step.outputs, record.partition)
        if step.seen:
            await self._tell_clock(*step.seen)
        fault("analytics.after-outputs")
        for key, value in step.writes:
            await self._table.write(key, value)
            fault("analytics.after-write")
        now_ms = self._clock.now_ms()
        if record.topic == SLOT_CHANGES and record.timestamp_ms < now_ms - _OLD_MS:
            self._caught_up_at_ms[record.partition] = now_ms + _LATELY_MS

    async def beat(self, partitions: Collection[int]) -> None:
        """For these partitions of the clock, which are ours: the clock once more of each site of
        which minutes are due; and a record of no meaning, to see whether they are read. Raises
        Retryable."""
        marks = (handler.due(key, value) for key, value in self._table.entries())
        ours = (mark for mark in marks if mark and _partition(mark) in partitions)
        due = [mark for mark in ours if not self._behind(_partition(mark))]
        await self._producer.send([*due, *(_beat(partition) for partition in partitions)])
        fault("analytics.after-beat")

    def _behind(self, partition: int) -> bool:
        """Whether changes of this partition are being caught up with."""
        return self._clock.now_ms() < self._caught_up_at_ms.get(partition, 0)

    async def _publish(self, outputs: Iterable[Outgoing], partition: int) -> None:
        """In parts: after a long silence there may be weeks of minutes."""
        rest = iter(outputs)
        while part := list(islice(rest, _AT_ONCE)):
            await self._producer.send(part)
            fault("analytics.after-minutes")
            MINUTES_PUBLISHED.inc(sum(message.topic == OCCUPANCY for message in part))
            self._moved(partition)

    async def _tell_clock(self, site_id: str, time_ms: int) -> None:
        begin_ms = minute_of(time_ms)
        if begin_ms > self._told.get(site_id, -1):
            await self._producer.send([handler.mark(site_id, time_ms)])
            self._told[site_id] = begin_ms

    async def _set_aside(self, record: Record, error: Invalid) -> None:
        log.warning("%s: %s", _place(record), error)
        letter = codec.dead_letter(record, error, SERVICE, self._clock.now_ms())
        await self._producer.send([letter])
        DEAD_LETTERS.labels(SERVICE, error.reason).inc()


def is_beat(record: Record) -> bool:
    """Whether the record is one that `beat` wrote."""
    return record.topic == ANALYTICS_CLOCK and not record.value


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _partition(mark: Outgoing) -> int:
    return partition_of(mark.key or b"")


def _beat(partition: int) -> Outgoing:
    return Outgoing(ANALYTICS_CLOCK, None, b"", partition=partition)
