"""The order of effects for one record: what it publishes, the site's clock, what is held.

What is published goes first. A crash before the site is written makes it be published once more,
with the same id and version, or with a higher one; a crash before the record is acknowledged makes
the record come again, and it is known by its offset.
"""

import logging
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, Protocol

from parking import codec
from parking.errors import Invalid
from parking.faults import fault
from parking.metrics import DEAD_LETTERS, MINUTES_PUBLISHED, RECORDS_IGNORED
from parking.ports import Clock, Outgoing, Producer, Record
from parking.topics import ANALYTICS_CLOCK, OCCUPANCY
from services.analytics import handler
from services.analytics.handler import SERVICE, KindOf
from services.analytics.minutes import minute_of

log = logging.getLogger(__name__)

_AT_ONCE: Final = 500


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
        self._told: dict[str, int] = {}  # by site: the last minute told to its clock from here

    async def apply(self, record: Record) -> None:
        """All effects of one record are durable when this returns."""
        if not is_beat(record):
            await self._apply(record)
        self._moved(record.partition)

    async def _apply(self, record: Record) -> None:
        try:
            step = handler.apply(record, self._table, self._kinds)
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

    async def beat(self, partitions: Iterable[int]) -> None:
        """Write a record of no meaning into these partitions of the clock, to see whether they are
        read. Raises Retryable."""
        await self._producer.send([_beat(partition) for partition in partitions])

    async def _publish(self, outputs: Iterable[Outgoing], partition: int) -> None:
        """In parts: after a long silence there may be weeks of minutes."""
        rest = iter(outputs)
        while part := list(islice(rest, _AT_ONCE)):
            await self._producer.send(part)
            MINUTES_PUBLISHED.inc(sum(message.topic == OCCUPANCY for message in part))
            self._moved(partition)

    async def _tell_clock(self, site_id: str, time_ms: int) -> None:
        begin_ms = minute_of(time_ms)
        if begin_ms > self._told.get(site_id, -1):
            await self._producer.send([handler.mark(site_id, time_ms)])
            self._told[site_id] = begin_ms

    async def _set_aside(self, record: Record, error: Invalid) -> None:
        log.warning("%s/%d/%d: %s", record.topic, record.partition, record.offset, error)
        letter = codec.dead_letter(record, error, SERVICE, self._clock.now_ms())
        await self._producer.send([letter])
        DEAD_LETTERS.labels(SERVICE, error.reason).inc()


def is_beat(record: Record) -> bool:
    """Whether the record is one that `beat` wrote."""
    return record.topic == ANALYTICS_CLOCK and not record.value


def _beat(partition: int) -> Outgoing:
    return Outgoing(ANALYTICS_CLOCK, None, b"", partition=partition)
