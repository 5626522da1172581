"""What is past its time goes: captures, pictures, device and gate events, stays, slot changes; and
objects that no row names.

Rows let go of an object first; the sweep then removes it. So there is one path by which objects go,
a crash anywhere leaves nothing behind for good, and no row ever names an object that is gone.
Every step is small, and instances side by side pass over each other's rows.

A record of Kafka that comes a second time after its row went (a topic read again from its begin, a
dead letter played again) makes the row anew, and the next pass removes it: the past never counts
for what is now, for slots and cameras go by version, and an open stay keeps its steps.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from parking.errors import Retryable
from parking.metrics import RETENTION_REMOVED
from parking.ports import Clock, ObjectStore
from services.persister.postgres import Pool, transaction

log = logging.getLogger(__name__)

_DAY_MS: Final = 86_400_000
_STEP_ROWS: Final = 1000
_STEP_OBJECTS: Final = 200


@dataclass(frozen=True, slots=True)
class Keep:
    """How long each is kept, in days; `orphans_s`: how long an object may wait for its row.
    `sessions_days`: passages and stays, since these hold plates' hashes. `changes_days`: they tell
    nothing of vehicles, and a year is compared with the one before it."""

    captures_days: float = 30.0
    evidence_days: float = 90.0
    device_events_days: float = 30.0
    sessions_days: float = 90.0
    changes_days: float = 400.0
    orphans_s: float = 3600.0
    every_s: float = 600.0


_CAPTURES: Final = """
delete from captures where frame_id in (
    select frame_id from captures where time_ms < %(before)s
    order by time_ms limit %(limit)s for update skip locked)
"""
_DEVICE_EVENTS: Final = """
delete from device_events where id in (
    select id from device_events where time_ms < %(before)s
    order by time_ms limit %(limit)s for update skip locked)
"""
_GATE_EVENTS: Final = """
delete from gate_events where id in (
    select id from gate_events where time_ms < %(before)s
    order by time_ms limit %(limit)s for update skip locked)
"""
# Since their last step. An open one stays, however long.
_SESSIONS: Final = """
delete from sessions where (run, session_id) in (
    select run, session_id from sessions
    where status in ('closed', 'corrected') and updated_at_ms < %(before)s
    order by updated_at_ms limit %(limit)s for update skip locked)
"""
# After their stay: without them a step that comes again would count as a new one of it.
_SESSION_EVENTS: Final = """
delete from session_events where id in (
    select id from session_events e
    where time_ms < %(before)s
      and not exists (select 1 from sessions s where s.run = e.run and s.session_id = e.session_id)
    order by time_ms limit %(limit)s for update skip locked)
"""
# Of each slot the last one past its time stays: what the slot was when that which is kept begins.
_CHANGES: Final = """
delete from slot_changes where id in (
    select id from slot_changes c
    where time_ms < %(before)s
      and exists (
        select 1 from slot_changes later
        where later.site_id = c.site_id and later.slot_id = c.slot_id and later.run = c.run
          and later.time_ms >= c.time_ms and later.time_ms < %(before)s
          and (later.time_ms, later.version, later.id) > (c.time_ms, c.version, c.id))
    order by time_ms limit %(limit)s for update skip locked)
"""
_EVIDENCE: Final = """
update slot_changes
set evidence_key = null, evidence_sha256 = null, evidence_missing = 'retention'
where id in (
    select id from slot_changes where time_ms < %(before)s and evidence_key is not null
    order by time_ms limit %(limit)s for update skip locked)
"""
_PICTURES: Final = """
update captures set object_key = null, object_sha256 = null
where frame_id in (
    select frame_id from captures where time_ms < %(before)s and object_key is not null
    order by time_ms limit %(limit)s for update skip locked)
"""
_WHILE_S3_WORKS: Final = "set local idle_in_transaction_session_timeout = '120s'"
# Locked until the objects are gone: whoever would put one of them again notes it first, and waits.
_ORPHANS: Final = """
select key from objects o
where noted_at_ms < %(before)s
  and not exists (select 1 from slot_changes where evidence_key = o.key)
  and not exists (select 1 from captures where object_key = o.key)
order by noted_at_ms limit %(limit)s for update skip locked
"""


class Retention:
    """Removes in steps; `once` is a whole pass."""

    def __init__(self, pool: Pool, objects: ObjectStore, clock: Clock, keep: Keep) -> None:
        self._pool = pool
        self._objects = objects
        self._clock = clock
        self._keep = keep

    async def loop(self, stop: asyncio.Event) -> None:
        """A pass every `every_s` until told to stop. An outage is waited out."""
        while not stop.is_set():
            try:
                await self.once(stop)
            except Retryable as error:
                log.warning("retention waits: %s", error)
            try:
                await asyncio.wait_for(stop.wait(), self._keep.every_s)
            except TimeoutError:
                continue

    async def once(self, stop: asyncio.Event) -> dict[str, int]:
        """Step until nothing is left; returns what was removed. Raises Retryable on an outage."""
        keep = self._keep
        steps: dict[str, Callable[[], Awaitable[int]]] = {
            "captures": lambda: self._rows(_CAPTURES, keep.captures_days),
            "device_events": lambda: self._rows(_DEVICE_EVENTS, keep.device_events_days),
            "gate_events": lambda: self._rows(_GATE_EVENTS, keep.sessions_days),
            "sessions": lambda: self._rows(_SESSIONS, keep.sessions_days),
            "session_events": lambda: self._rows(_SESSION_EVENTS, keep.sessions_days),
            "changes": lambda: self._rows(_CHANGES, keep.changes_days),
            "evidence": lambda: self._rows(_EVIDENCE, keep.evidence_days),
            "pictures": lambda: self._rows(_PICTURES, keep.evidence_days),
            "objects": self._orphans,
        }
        removed = dict.fromkeys(steps, 0)
        for what, step in steps.items():
            while not stop.is_set() and (count := await step()):
                removed[what] += count
                RETENTION_REMOVED.labels(what).inc(count)
        if any(removed.values()):
            log.info("retention removed %s", removed)
        return removed

    async def _rows(self, statement: str, days: float) -> int:
        before = self._clock.now_ms() - round(days * _DAY_MS)
        async with transaction(self._pool) as connection:
            given = {"before": before, "limit": _STEP_ROWS}
            return (await connection.execute(statement.encode(), given)).rowcount

    async def _orphans(self) -> int:
        before = self._clock.now_ms() - round(self._keep.orphans_s * 1000)
        async with transaction(self._pool) as connection:
            given = {"before": before, "limit": _STEP_OBJECTS}
            await connection.execute(_WHILE_S3_WORKS)
            cursor = await connection.execute(_ORPHANS, given)
            keys = [row[0] for row in await cursor.fetchall()]
            if keys:
                await self._objects.delete(keys)
                await connection.execute("delete from objects where key = any(%s)", [keys])
        return len(keys)
