"""The order of effects for one record: its outputs, the site's clock, its state.

Outputs come first. After a crash before the site is written, they are published again with the same
id and the same or a higher version. After a crash before the record is acknowledged, the record is
delivered again and is recognised by its offset.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import Final, Protocol

from parking.core.errors import Invalid
from parking.core.topics import ANALYTICS_CLOCK, OCCUPANCY, SLOT_CHANGES
from parking.runtime.faults import fault, holding
from parking.runtime.metrics import DEAD_LETTERS, MINUTES_PUBLISHED, RECORDS_IGNORED
from parking.wire import codec
from parking.wire.partitioning import partition_of
from parking.wire.ports import Clock, Outgoing, Producer, Record
from services.analytics import handler
from services.analytics.handler import SERVICE, KindOf
from services.analytics.minutes import minute_of

log = logging.getLogger(__name__)

_AT_ONCE: Final = 500
# A partition is catching up while its last change was this old on arrival, and arrived this
# recently. This decides when minutes are published, never their content.
_OLD_MS: Final = 60_000
_LATELY_MS: Final = 2_000


class Table(handler.State, Protocol):
    """Values by key, in a faust table (adapters.py) or a dictionary."""

    async def write(self, key: bytes, value: bytes) -> None:
        """Returns once the value is durable in the changelog; raises if that fails."""


class MemoryTable:
    """Table for tests and tools: a dictionary that is durable at once."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> bytes | None:
        """See handler.State."""
        return self._values.get(key)

    def entries(self) -> list[tuple[bytes, bytes]]:
        """See handler.State."""
        return list(self._values.items())

    async def write(self, key: bytes, value: bytes) -> None:
        """See Table."""
        self._values[key] = value


def nothing(_: int) -> None:
    """Used if nobody watches."""


class Analytics:
    """Applies records one at a time. Every exception except Invalid ends the process. `moved` is
    called with the record's partition after each part of the work."""

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
        self._published: dict[
            str, int
        ] = {}  # by site: the last minute written to its clock from here

    async def apply(self, record: Record) -> None:
        """When this returns, all effects of one record are durable."""
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
        """For these partitions of the clock, which are ours: write the clock again for each site
        with due minutes, and an empty record to see whether the partition is read. Raises
        Retryable."""
        marks = (handler.due(key, value) for key, value in self._table.entries())
        ours = (mark for mark in marks if mark and _partition(mark) in partitions)
        due = [mark for mark in ours if not self._behind(_partition(mark))]
        await self._producer.send([*due, *(_beat(partition) for partition in partitions)])
        fault("analytics.after-beat")

    def _behind(self, partition: int) -> bool:
        """Whether this partition is catching up."""
        return self._clock.now_ms() < self._caught_up_at_ms.get(partition, 0)

    async def _publish(self, outputs: Iterable[Outgoing], partition: int) -> None:
        """Publish in parts, because after a long silence weeks of minutes may be due."""
        rest = iter(outputs)
        while part := list(islice(rest, _AT_ONCE)):
            await self._producer.send(part)
            fault("analytics.after-minutes")
            MINUTES_PUBLISHED.inc(sum(message.topic == OCCUPANCY for message in part))
            self._moved(partition)

    async def _tell_clock(self, site_id: str, time_ms: int) -> None:
        begin_ms = minute_of(time_ms)
        if begin_ms > self._published.get(site_id, -1):
            await self._producer.send([handler.mark(site_id, time_ms)])
            self._published[site_id] = begin_ms

    async def _set_aside(self, record: Record, error: Invalid) -> None:
        log.warning("%s: %s", _place(record), error)
        letter = codec.dead_letter(record, error, SERVICE, self._clock.now_ms())
        await self._producer.send([letter])
        DEAD_LETTERS.labels(SERVICE, error.reason).inc()


def is_beat(record: Record) -> bool:
    """Whether `beat` wrote the record."""
    return record.topic == ANALYTICS_CLOCK and not record.value


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _partition(mark: Outgoing) -> int:
    return partition_of(mark.key or b"")


def _beat(partition: int) -> Outgoing:
    return Outgoing(ANALYTICS_CLOCK, None, b"", partition=partition)
