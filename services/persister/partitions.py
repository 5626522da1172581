"""Time partitions of the tables that grow with time: created ahead, dropped when expired.

One per day of `captures` and `device_events`, one per seven days of `slot_changes`, which are kept
for longer. They cover a week back and a week ahead. Rows with other timestamps go to the table's
`_default` partition, so that none is rejected, and move when a partition for them is created.

Creating and dropping wait for a lock only briefly and leave the rest for the next pass. Writers
wait meanwhile, so that none puts a row of a new partition into the default one.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from services.persister.postgres import Connection, Pool, transaction

log = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
STEPS_MS: Final = {"captures": DAY_MS, "device_events": DAY_MS, "slot_changes": 7 * DAY_MS}
"""The partitioned tables and the time span of a partition."""
_REACH_MS: Final = 7 * DAY_MS

_BOUND: Final = re.compile(r"FROM \((?:MINVALUE|'(-?\d+)')\) TO \('(-?\d+)'\)")
# Any constant, the same in all processes: "partit" in ASCII.
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(123666890713460)"
_BRIEFLY: Final = "set local lock_timeout = '2s'"
_PATIENTLY: Final = "set local statement_timeout = '10min'"
_PARTITIONS: Final = """
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = %s::regclass
"""
_DETACHED: Final = r"""
select relname from pg_class
where relkind = 'r' and relnamespace = current_schema()::regnamespace
  and relname like replace(%s, '_', '\_') || '\_%%\_gone'
"""
# Before a partition is dropped: note its pictures, so that the sweep removes unreferenced ones ...
_SWEEP_LATER: Final = {
    "captures": "insert into objects (key, noted_at_ms) select distinct object_key, 0 "
    "from {removed} where object_key is not null on conflict do nothing",
    "slot_changes": "insert into objects (key, noted_at_ms) select distinct evidence_key, 0 "
    "from {removed} where evidence_key is not null on conflict do nothing",
}
# ... and keep the last change of each slot: its state when the kept time begins.
_CARRY: Final = {
    "slot_changes": "insert into slot_changes select distinct on (run, site_id, slot_id) * "
    "from {removed} order by run, site_id, slot_id, time_ms desc, version desc, id desc "
    "on conflict do nothing",
}


class Span(NamedTuple):
    """Unix milliseconds from (inclusive) and to (exclusive)."""

    from_ms: int
    to_ms: int

    def overlaps(self, other: "Span") -> bool:
        """Whether the two spans overlap."""
        return self.from_ms < other.to_ms and other.from_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a table, not its default one. `regular`: created by this program, so it is
    dropped as a whole; the one from a migration contains everything before it."""

    name: str
    span: Span
    regular: bool


def wanted(now_ms: int, step_ms: int, oldest_ms: int) -> list[Span]:
    """The required partitions, in order: around now, without expired ones."""
    begin_ms = max(now_ms - _REACH_MS, min(oldest_ms, now_ms)) // step_ms * step_ms
    return [Span(at_ms, at_ms + step_ms) for at_ms in range(begin_ms, now_ms + _REACH_MS, step_ms)]


def missing(spans: Iterable[Span], there: Sequence[Partition]) -> list[Span]:
    """The spans that overlap no partition."""
    return [span for span in spans if not any(span.overlaps(one.span) for one in there)]


def named(table: str, span: Span) -> str:
    """A partition's name, derived from its first day (UTC)."""
    return f"{table}_{datetime.fromtimestamp(span.from_ms / 1000, UTC):%Y%m%d}"


class Partitions:
    """Works on the persister's database. Methods raise Retryable on an outage, and if a lock was
    not available within two seconds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, table: str) -> list[Partition]:
        """A table's partitions by time, without its default one."""
        async with transaction(self._pool) as connection:
            return await _of(connection, table)

    async def ensure(self, now_ms: int, oldest_ms: Mapping[str, int]) -> list[str]:
        """Create the missing partitions around now and return their names. `oldest_ms` is the start
        of the time that is kept, keyed by table."""
        created: list[str] = []
        for table, step_ms in STEPS_MS.items():
            spans = wanted(now_ms, step_ms, oldest_ms.get(table, 0))
            if missing(spans, await self.of(table)):
                created += await self._make(table, spans)
        if created:
            log.info("partitions created: %s", ", ".join(created))
        return created

    async def drop(self, table: str, before_ms: int) -> int:
        """Drop the partitions that end by then, and return how many. A crash in between leaves a
        detached table, which the next call drops."""
        for partition in await self.of(table):
            if partition.span.to_ms <= before_ms:
                await self._detach(table, partition.name)
        async with transaction(self._pool) as connection:
            detached = await (await connection.execute(_DETACHED, [table])).fetchall()
        for (name,) in detached:
            await self._finish(table, name)
        return len(detached)

    async def irregular(self, table: str) -> list[str]:
        """The partitions from which rows must be deleted one by one."""
        return [f"{table}_default", *(p.name for p in await self.of(table) if not p.regular)]

    async def _make(self, table: str, spans: Sequence[Span]) -> list[str]:
        created: list[str] = []
        async with transaction(self._pool) as connection:
            await _hold(connection, table, "share row exclusive")
            for span in missing(spans, await _of(connection, table)):
                name = named(table, span)
                between = f"time_ms >= {span.from_ms} and time_ms < {span.to_ms}"
                for text in (
                    # Free space for the second part of a row that was written before it was
                    # complete.
                    f"create table {name} (like {table} including all) with (fillfactor = 90)",
                    f"with moved as (delete from {table}_default where {between} returning *) "  # noqa: S608 -- names and numbers of our own
                    f"insert into {name} select * from moved",
                    f"alter table {table} attach partition {name} "
                    f"for values from ({span.from_ms}) to ({span.to_ms})",
                ):
                    await connection.execute(text.encode())
                created.append(name)
        return created

    async def _detach(self, table: str, name: str) -> None:
        async with transaction(self._pool) as connection:
            await _hold(connection, table, "access exclusive")
            if name in {partition.name for partition in await _of(connection, table)}:
                await connection.execute(f"alter table {table} detach partition {name}".encode())
                await connection.execute(f"alter table {name} rename to {name}_gone".encode())

    async def _finish(self, table: str, removed: str) -> None:
        """Drop a detached partition, after saving what is needed of it."""
        async with transaction(self._pool) as connection:
            await connection.execute(_BRIEFLY)
            await connection.execute(_ONE_AT_A_TIME)
            await connection.execute(_PATIENTLY)
            there = await (await connection.execute("select to_regclass(%s)", [removed])).fetchone()
            if there is None or there[0] is None:
                return  # another instance was faster
            for texts in (_CARRY, _SWEEP_LATER):
                if text := texts.get(table):
                    await connection.execute(text.format(removed=removed).encode())
            await connection.execute(f"drop table {removed}".encode())
        log.info("partition %s dropped", removed.removesuffix("_gone"))


async def _of(connection: Connection, table: str) -> list[Partition]:
    rows = await (await connection.execute(_PARTITIONS, [table])).fetchall()
    return [
        Partition(name, Span(int(found[1] or -(2**62)), int(found[2])), found[1] is not None)
        for name, bound in rows
        if (found := _BOUND.search(bound))
    ]


async def _hold(connection: Connection, table: str, mode: str) -> None:
    await connection.execute(_BRIEFLY)
    await connection.execute(_ONE_AT_A_TIME)
    await connection.execute(f"lock table only {table} in {mode} mode".encode())
