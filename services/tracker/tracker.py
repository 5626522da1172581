"""The order of effects for one record, and the ticks.

The entry (with its outputs in it) becomes durable first, then the outputs are written, then the
record is acknowledged. A crash between the first two leaves an entry whose outputs nobody wrote:
whoever finds it writes them before anything else of that site. Were the outputs written first, a
restart could apply another topic's record before the one that was cut off, and give its change a
version that readers already hold (docs/decisions/).
"""

import logging
from typing import NamedTuple, Protocol

from parking import codec
from parking.errors import Invalid, Retryable
from parking.events import SlotChanged
from parking.faults import fault
from parking.metrics import BOOT_RESTARTS, DEAD_LETTERS, RECORDS_IGNORED, SLOT_CHANGES
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


class Held(NamedTuple):
    """A site in memory: the table's value, the entry it stands for, and the entry as it is now,
    later by ticks that were not written."""

    value: bytes
    written: Entry
    entry: Entry


class Tracker:
    """Applies records one at a time. Everything but Invalid ends the process."""

    def __init__(self, table: Table, producer: Producer, clock: Clock, run: str) -> None:
        self._table = table
        self._producer = producer
        self._clock = clock
        self._run = run
        self._known: dict[bytes, Held] = {}

    async def apply(self, record: Record) -> None:
        """All effects of one record are durable when this returns; but for the time a tick tells,
        which the next one tells again."""
        key = record.key or b""
        held = await self._held(key)
        before = held.entry if held else None
        try:
            after = handler.apply(record, before, self._run)
            if after is None or after is before:
                RECORDS_IGNORED.labels(record.topic).inc()
                return
            if held and handler.only_later(held.written, after):
                self._known[key] = held._replace(entry=after)
                return
            value = handler.encode(after)
        except Invalid as error:
            await self._set_aside(record, error)
            return
        if handler.restarts(after) > handler.restarts(before):
            log.warning("%s: the boot counter of its device began anew", _place(record))
            BOOT_RESTARTS.inc()
        fault("tracker.before-changelog")
        await self._table.write(key, value)
        fault("tracker.after-changelog")
        await self._send(after)
        fault("tracker.after-outputs")
        self._known[key] = Held(value, after, after)

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

    async def _held(self, key: bytes) -> Held | None:
        """What the table holds. An entry this process did not write comes from the changelog: its
        outputs may never have been written."""
        value = self._table.read(key)
        if value is None:
            return None
        held = self._known.get(key)
        if held is None or held.value is not value:
            entry = handler.decode(value)
            await self._send(entry)
            held = self._known[key] = Held(value, entry, entry)
        return held

    async def _send(self, entry: Entry) -> None:
        made = handler.outputs(entry)
        await self._producer.send([handler.outgoing(event) for event in made])
        for event in made:
            if isinstance(event, SlotChanged):
                SLOT_CHANGES.labels(event.to_state).inc()

    async def _set_aside(self, record: Record, error: Invalid) -> None:
        log.warning("%s: %s", _place(record), error)
        letter = codec.dead_letter(record, error, SERVICE, self._clock.now_ms())
        await self._producer.send([letter])
        DEAD_LETTERS.labels(SERVICE, error.reason).inc()


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
