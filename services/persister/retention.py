"""Delete expired data: captures, pictures, device and gate events, stays, slot changes; and objects
without a row.

Captures, device events and slot changes are deleted by whole partitions, so a row may stay a day (a
slot change: a week) longer than configured. Rows outside those partitions are deleted one by one.
Rows first release an object and note it. The sweep checks every noted object once and removes those
that no row names. Objects are removed in no other way, so a crash anywhere leaves nothing behind
for good, and no row ever names a removed object. Every step is small, and instances side by side
skip each other's rows.

A Kafka record that arrives again after its row was deleted (because a topic is read again from its
start or a dead letter is replayed) creates the row again, and a later pass deletes it. Current
state is never affected, because slots and cameras accept only a higher version and the steps of an
open stay are never deleted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from parking.core.errors import Retryable
from parking.runtime.metrics import RETENTION_REMOVED
from parking.wire.ports import Clock, ObjectStore
from services.persister.partitions import Partitions
from services.persister.postgres import Pool, transaction

log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[int]]
"""Deletes some items and returns how many."""

_DAY_MS: Final = 86_400_000
_STEP_ROWS: Final = 1000
_STEP_OBJECTS: Final = 200


@dataclass(frozen=True, slots=True)
class Keep:
    """How long each kind of data is kept, in days. `orphans_s` is how long an object may wait for
    its row. `sessions_days` applies to passages and stays, which contain hashes of plates.
    `plates_days` applies to plates themselves, from the end of their stay. `changes_days` applies
    to slot changes, which contain nothing about vehicles and are needed to compare one year with
    the previous one."""

    captures_days: float = 30.0
    evidence_days: float = 90.0
    device_events_days: float = 30.0
    sessions_days: float = 90.0
    plates_days: float = 7.0
    changes_days: float = 400.0
    orphans_s: float = 3600.0
    every_s: float = 600.0


# Captures and device events, from one partition.
_DATED: Final = """
delete from {partition} where ({key}, time_ms) in (
    select {key}, time_ms from {partition} where time_ms < %(before)s
    order by time_ms limit %(limit)s for update skip locked)
"""
_GATE_EVENTS: Final = """
delete from gate_events where id in (
    select id from gate_events where time_ms < %(before)s
    order by time_ms limit %(limit)s for update skip locked)
"""
# A plate read at the entry is kept while its stay is open, and for the days after it.
_PLATES: Final = """
delete from plates where id in (
    select id from plates p
    where time_ms < %(before)s
      and not exists (
        select 1 from sessions s
        where s.run = 'live' and s.site_id = p.site_id and p.direction = 'entry'
          and s.entry_at_ms = p.time_ms and s.entry_gate_id = p.gate_id
          and (s.status in ('open', 'overstay')
               or coalesce(s.exit_at_ms, s.updated_at_ms) >= %(before)s))
    order by time_ms limit %(limit)s for update skip locked)
"""
# Counted from their last step. An open one is never deleted.
_SESSIONS: Final = """
delete from sessions where (run, session_id) in (
    select run, session_id from sessions
    where status in ('closed', 'corrected') and updated_at_ms < %(before)s
    order by updated_at_ms limit %(limit)s for update skip locked)
"""
# Deleted after their stay, because without them a repeated step would count as a new one.
_SESSION_EVENTS: Final = """
delete from session_events where id in (
    select id from session_events e
    where time_ms < %(before)s
      and not exists (select 1 from sessions s where s.run = e.run and s.session_id = e.session_id)
    order by time_ms limit %(limit)s for update skip locked)
"""
# The last expired change of each slot stays, because it is the slot's state when the kept time
# begins.
_CHANGES: Final = """
with gone as (
    delete from {partition} where (id, time_ms) in (
        select id, time_ms from {partition} c
        where time_ms < %(before)s
          and exists (
            select 1 from slot_changes later
            where later.site_id = c.site_id and later.slot_id = c.slot_id and later.run = c.run
              and later.time_ms >= c.time_ms and later.time_ms < %(before)s
              and (later.time_ms, later.version, later.id) > (c.time_ms, c.version, c.id))
        order by time_ms limit %(limit)s for update skip locked)
    returning evidence_key
), noted as (
    insert into objects (key, noted_at_ms)
    select distinct evidence_key, 0 from gone where evidence_key is not null
    on conflict do nothing)
select from gone
"""
_EVIDENCE: Final = """
with gone as (
    select id, time_ms, evidence_key from slot_changes
    where time_ms < %(before)s and evidence_key is not null
    order by time_ms limit %(limit)s for update skip locked
), noted as (
    insert into objects (key, noted_at_ms) select distinct evidence_key, 0 from gone
    on conflict do nothing)
update slot_changes c
set evidence_key = null, evidence_sha256 = null, evidence_missing = 'retention'
from gone where c.id = gone.id and c.time_ms = gone.time_ms
"""
_PICTURES: Final = """
with gone as (
    select frame_id, time_ms, object_key from captures
    where time_ms < %(before)s and object_key is not null
    order by time_ms limit %(limit)s for update skip locked
), noted as (
    insert into objects (key, noted_at_ms) select distinct object_key, 0 from gone
    on conflict do nothing)
update captures c set object_key = null, object_sha256 = null
from gone where c.frame_id = gone.frame_id and c.time_ms = gone.time_ms
"""
_WHILE_S3_WORKS: Final = "set local idle_in_transaction_session_timeout = '120s'"
# Locked until the objects are deleted: a writer of one of them notes it first, and waits.
_NOTED: Final = """
select key, exists (select 1 from slot_changes where evidence_key = o.key)
         or exists (select 1 from captures where object_key = o.key)
from objects o
where noted_at_ms < %(before)s
order by noted_at_ms limit %(limit)s for update skip locked
"""


class Retention:
    """Deletes in steps. `once` is a whole pass."""

    def __init__(self, pool: Pool, objects: ObjectStore, clock: Clock, keep: Keep) -> None:
        self._pool = pool
        self._partitions = Partitions(pool)
        self._objects = objects
        self._clock = clock
        self._keep = keep

    async def loop(self, stop: asyncio.Event) -> None:
        """One pass every `every_s` until stopped. Outages are waited out."""
        while not stop.is_set():
            try:
                await self.once(stop)
            except Retryable as error:
                log.warning("retention waits: %s", error)
            try:
                await asyncio.wait_for(stop.wait(), self._keep.every_s)
            except TimeoutError:
                continue

    async def ahead(self) -> list[str]:
        """Create missing partitions and return their names. Raises Retryable, also while somebody
        holds a lock. Meanwhile the default partitions take the rows."""
        oldest_ms = {table: self._before(days) for table, days in self._dated().items()}
        return await self._partitions.ensure(self._clock.now_ms(), oldest_ms)

    async def once(self, stop: asyncio.Event) -> dict[str, int]:
        """Step until nothing is left, and return what was deleted. Raises Retryable on an
        outage."""
        await self.ahead()
        removed = {"partitions": await self._drop_partitions()}
        for what, step in self._steps().items():
            removed[what] = 0
            while not stop.is_set() and (count := await step()):
                removed[what] += count
        removed["objects"] = await self._sweep(stop)
        for what, count in removed.items():
            RETENTION_REMOVED.labels(what).inc(count)
        if any(removed.values()):
            log.info("retention removed %s", removed)
        return removed

    def _dated(self) -> dict[str, float]:
        """The partitioned tables, with the days that each is kept."""
        keep = self._keep
        return {
            "captures": keep.captures_days,
            "device_events": keep.device_events_days,
            "slot_changes": keep.changes_days,
        }

    def _steps(self) -> dict[str, Step]:
        keep = self._keep
        return {
            "captures": partial(self._irregular, "captures", keep.captures_days),
            "device_events": partial(self._irregular, "device_events", keep.device_events_days),
            "gate_events": partial(self._rows, _GATE_EVENTS, keep.sessions_days),
            "plates": partial(self._rows, _PLATES, keep.plates_days),
            "sessions": partial(self._rows, _SESSIONS, keep.sessions_days),
            "session_events": partial(self._rows, _SESSION_EVENTS, keep.sessions_days),
            "changes": partial(self._irregular, "slot_changes", keep.changes_days),
            "evidence": partial(self._rows, _EVIDENCE, keep.evidence_days),
            "pictures": partial(self._rows, _PICTURES, keep.evidence_days),
        }

    async def _irregular(self, table: str, days: float) -> int:
        """Rows of partitions that are not dropped as a whole."""
        statement = _CHANGES if table == "slot_changes" else _DATED
        key = "frame_id" if table == "captures" else "id"
        return sum([
            await self._rows(statement.format(partition=partition, key=key), days)
            for partition in await self._partitions.irregular(table)
        ])  # fmt: skip

    async def _drop_partitions(self) -> int:
        return sum([
            await self._partitions.drop(table, self._before(days))
            for table, days in self._dated().items()
        ])  # fmt: skip

    def _before(self, days: float) -> int:
        return self._clock.now_ms() - round(days * _DAY_MS)

    async def _rows(self, statement: str, days: float) -> int:
        async with transaction(self._pool) as connection:
            given = {"before": self._before(days), "limit": _STEP_ROWS}
            return (await connection.execute(statement.encode(), given)).rowcount

    async def _sweep(self, stop: asyncio.Event) -> int:
        """Check everything noted more than `orphans_s` ago, and return how many objects were
        deleted."""
        removed = 0
        while not stop.is_set() and (step := await self._look_at_noted()):
            removed += step.count(False)
        return removed

    async def _look_at_noted(self) -> list[bool]:
        """Return whether a row names each of some noted objects. Their notes are deleted, and so
        are objects without a row."""
        before = self._clock.now_ms() - round(self._keep.orphans_s * 1000)
        async with transaction(self._pool) as connection:
            given = {"before": before, "limit": _STEP_OBJECTS}
            await connection.execute(_WHILE_S3_WORKS)
            named = dict(await (await connection.execute(_NOTED, given)).fetchall())
            if orphans := [key for key, is_named in named.items() if not is_named]:
                await self._objects.delete(orphans)
            await connection.execute("delete from objects where key = any(%s)", [list(named)])
        return list(named.values())
