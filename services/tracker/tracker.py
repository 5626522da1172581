"""The order of effects for one record, and the ticks.

The entry (with its outputs in it) becomes durable first, then the outputs are written, then the
record is acknowledged. A crash between the first two leaves an entry whose outputs nobody wrote:
whoever finds it writes them before anything else of that site. Were the outputs written first, a
restart could apply another topic's record before the one that was cut off, and give its change a
version that readers already hold (docs/decisions/).
"""

import logging
from typing import Protocol

from parking import codec
from parking.errors import Invalid, Retryable
from parking.events import SlotChanged
from parking.faults import fault
from parking.metrics import DEAD_LETTERS, RECORDS_IGNORED, SLOT_CHANGES
from parking.ports import Clock, Producer, Record
from parking.topics import LIVE
from services.tracker import handler
from services.tracker.handler import SERVICE, Entry

log = logging.getLogger(__name__)


class Table(Protocol):
    """Sites' entries by key: a faust table (adapters.py), or a dictionary."""

    def read(self, key: bytes) -> bytes | None:
        """The value, or None."""

    def sites(self) -> list[bytes]:
        """All keys."""

    async def write(self, key: bytes, value: bytes) -> None:
        """Returns once the value is durable in the changelog; raises when it cannot be."""


class MemoryTable:
    """Table for tests and tools: a dictionary, durable at once."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> bytes | None:
        """See Table."""
        return self._values.get(key)

    def sites(self) -> list[bytes]:
        """See Table."""
        return list(self._values)

    async def write(self, key: bytes, value: bytes) -> None:
        """See Table."""
        self._values[key] = value


class Tracker:
    """Applies records one at a time. Everything but Invalid ends the process."""

    def __init__(self, table: Table, producer: Producer, clock: Clock, run: str) -> None:
        self._table = table
        self._producer = producer
        self._clock = clock
        self._run = run
        # Entries by key, each with the table's value it was read from or written as.
        self._known: dict[bytes, tuple[bytes, Entry]] = {}

    async def apply(self, record: Record) -> None:
        """All effects of one record are durable when this returns."""
        key = record.key or b""
        before = await self._entry(key)
        try:
            after = handler.apply(record, before, self._run)
            value = b"" if after is None or after is before else handler.encode(after)
        except Invalid as error:
            await self._set_aside(record, error)
            return
        if after is None or after is before:
            RECORDS_IGNORED.labels(record.topic).inc()
            return
        fault("tracker.before-changelog")
        await self._table.write(key, value)
        fault("tracker.after-changelog")
        await self._send(after)
        fault("tracker.after-outputs")
        self._known[key] = (value, after)

    async def tick(self, partitions: set[int]) -> set[int] | None:
        """Tell each site in these partitions that time passed; returns the partitions that were
        told. In an outage (None) nothing is told: a tick has no worth later. Nor is it in a replay,
        where time passes as it was recorded."""
        if self._run != LIVE:
            return set()
        now_ms = self._clock.now_ms()
        keys = [key for key in self._table.sites() if handler.partition_of(key) in partitions]
        try:
            await self._producer.send([handler.tick(key, now_ms) for key in keys])
        except Retryable as error:
            log.warning("no ticks: %s", error)
            return None
        return {handler.partition_of(key) for key in keys}

    async def _entry(self, key: bytes) -> Entry | None:
        """What the table holds. An entry this process did not write comes from the changelog: its
        outputs may never have been written."""
        value = self._table.read(key)
        if value is None:
            return None
        known, entry = self._known.get(key, (None, None))
        if known is not value:
            entry = handler.decode(value)
            await self._send(entry)
            self._known[key] = (value, entry)
        return entry

    async def _send(self, entry: Entry) -> None:
        made = handler.outputs(entry)
        await self._producer.send([handler.outgoing(event) for event in made])
        for event in made:
            if isinstance(event, SlotChanged):
                SLOT_CHANGES.labels(event.to_state).inc()

    async def _set_aside(self, record: Record, error: Invalid) -> None:
        log.warning("%s/%d/%d: %s", record.topic, record.partition, record.offset, error)
        letter = codec.dead_letter(record, error, SERVICE, self._clock.now_ms())
        await self._producer.send([letter])
        DEAD_LETTERS.labels(SERVICE, error.reason).inc()
