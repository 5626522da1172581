"""ports.EventStore on Postgres: psycopg 3, a small pool, rows and offsets in one transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from psycopg import (
    AsyncConnection,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from psycopg.errors import DiskFull
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from parking.core.errors import Fenced, Invalid, Retryable
from parking.wire.ports import Claim, Place, Row
from services.persister import captures
from services.persister.migrate import migrate
from services.persister.rows import fold_sessions
from services.persister.statements import (
    ADOPT_LAYOUTS,
    FOLLOW_LAYOUTS,
    SESSIONS,
    STATEMENTS,
    Statement,
)

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

_DAY_MS: Final = 86_400_000
_CONNECT_TIMEOUT_S: Final = 5
_WAIT_FOR_CONNECTION_S: Final = 10.0
# Errors that may pass. Internal: the server failed on a file (a quota, a limit of a file's size, a
# damaged page), or accepts no writes: a standby after a failover, or a provider's answer to a full
# disk. A restart of the persister would mend none of them.
_PASSING: Final = (OperationalError, InterfaceError, InternalError)
_NO_SPACE: Final = ("No space left on device", "Disk quota exceeded", "File too large")
# A statement that hangs (a lock, a failing disk) becomes an outage that is retried. A process that
# stops in the middle of a transaction must not lock its partitions' rows for long.
_OPTIONS: Final = (
    "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=10s"
)

_BEGIN_AT_ZERO: Final = """
insert into kafka_offsets (cluster_id, topic_id, partition, topic, next_offset, generation)
select %(cluster)s, p.topic_id, p.partition, p.topic, 0, %(generation)s
from unnest(%(topic_ids)s::uuid[], %(partitions)s::bigint[], %(topics)s::text[])
    as p (topic_id, partition, topic)
on conflict do nothing
"""
_HELD: Final = """
select o.topic, o.partition, o.next_offset, o.generation
from kafka_offsets o join unnest(%(topic_ids)s::uuid[], %(partitions)s::bigint[])
    as p (topic_id, partition) using (topic_id, partition)
where o.cluster_id = %(cluster)s
order by o.topic_id, o.partition
for update of o
"""
_HOLD: Final = """
update kafka_offsets o set generation = %(generation)s, updated_at = now()
from unnest(%(topic_ids)s::uuid[], %(partitions)s::bigint[]) as p (topic_id, partition)
where o.cluster_id = %(cluster)s and o.topic_id = p.topic_id and o.partition = p.partition
"""
_MOVE: Final = """
update kafka_offsets o set next_offset = p.next_offset, updated_at = now()
from unnest(%(topic_ids)s::uuid[], %(partitions)s::bigint[], %(offsets)s::bigint[])
    as p (topic_id, partition, next_offset)
where o.cluster_id = %(cluster)s and o.topic_id = p.topic_id and o.partition = p.partition
"""


def new_pool(url: str, size: int) -> Pool:
    """A pool of at most `size` connections. Not opened."""
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        timeout=_WAIT_FOR_CONNECTION_S,
        check=AsyncConnectionPool.check_connection,
        kwargs={"connect_timeout": _CONNECT_TIMEOUT_S, "options": _OPTIONS},
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction on a pooled connection. psycopg's errors are translated to Invalid for
    rejected content and Retryable for everything that may pass."""
    try:
        async with pool.connection() as connection:
            yield connection
    except (DataError, IntegrityError) as error:
        raise Invalid("refused-by-database", _first_line(error)) from error
    except _PASSING as error:
        raise _outage(error) from error


async def prepare(url: str) -> None:
    """Bring the database to this version's tables. Raises Retryable while it is down."""
    options = f"{_OPTIONS} -c lock_timeout=0 -c statement_timeout=0"  # others may be migrating
    try:
        async with await AsyncConnection.connect(
            url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, options=options
        ) as connection:
            await migrate(connection)
    except _PASSING as error:
        raise _outage(error) from error


class PostgresEvents:
    """ports.EventStore over an open pool."""

    fence = "and o.generation = %(generation)s"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(
        self, claim: Claim, places: Sequence[Place], replacing: Mapping[Place, int]
    ) -> dict[Place, int]:
        """See ports.EventStore."""
        given = _place_arrays(claim, places)
        async with transaction(self._pool) as connection:
            await connection.execute(_BEGIN_AT_ZERO, given)
            rows = await (await connection.execute(_HELD, given)).fetchall()
            generations = {
                (topic, partition): generation
                for topic, partition, _, generation in rows
                if generation > claim.generation and replacing.get((topic, partition)) != generation
            }
            if generations:
                raise Fenced(generations)
            await connection.execute(_HOLD, given)
        return {(topic, partition): offset for topic, partition, offset, _ in rows}

    async def known(self, changes: Mapping[str, int]) -> set[str]:
        """See ports.EventStore."""
        async with transaction(self._pool) as connection:
            return set(await _times(connection, "slot_changes", "id", changes))

    async def note_objects(self, keys: Sequence[str], now_ms: int) -> None:
        """See ports.EventStore."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                "insert into objects (key, noted_at_ms) select unnest(%s::text[]), %s "
                "on conflict (key) do update set noted_at_ms = excluded.noted_at_ms",
                [sorted(set(keys)), now_ms],
            )

    async def write(
        self, claim: Claim, rows: Mapping[str, Sequence[Row]], offsets: Mapping[Place, int]
    ) -> dict[str, int]:
        """See ports.EventStore."""
        async with transaction(self._pool) as connection:
            # First, so that a new owner's claim waits for this transaction or stops it.
            await self._move(connection, claim, offsets)
            given = {**rows, captures.STATEMENT.kind: captures.merge(rows)}
            return {
                statement.kind: await _write_kind(connection, statement, given[statement.kind])
                for statement in (*STATEMENTS, captures.STATEMENT)
                if given.get(statement.kind)
            }

    async def _move(
        self, connection: Connection, claim: Claim, offsets: Mapping[Place, int]
    ) -> None:
        given = _place_arrays(claim, list(offsets)) | {"offsets": list(offsets.values())}
        cursor = await connection.execute(f"{_MOVE} {self.fence}".encode(), given)
        if cursor.rowcount != len(offsets):
            raise Fenced


async def _write_kind(connection: Connection, statement: Statement, rows: Sequence[Row]) -> int:
    """Write one kind and its consequences, and return the number of rows changed."""
    chosen = statement.chosen(rows)
    if statement.dated:
        chosen = await _dated(connection, statement, chosen)
    if not chosen:
        return 0
    cursor = await _upsert(connection, statement, chosen)
    changed: int = cursor.rowcount
    if statement.kind == "layouts" and changed:
        cameras = {row[0] for row in await cursor.fetchall()}
        await _follow_layouts(connection, sorted(cameras), str(chosen[0]["log_id"]))
    if statement.kind == "session_events" and changed:
        new = {row[0] for row in await cursor.fetchall()}
        steps = [row["body"] for row in rows if row["id"] in new]
        await _upsert(connection, SESSIONS, SESSIONS.chosen(fold_sessions(steps)))
    return changed


async def _dated(connection: Connection, statement: Statement, rows: Sequence[Row]) -> list[Row]:
    """The rows, without new ones that have no timestamp. Existing ones get the timestamp they
    already have."""
    # The insert's own lock, taken early: creating a partition waits for us, or we for it, before
    # any read.
    await connection.execute(f"lock table only {statement.table} in row exclusive mode".encode())
    given = {row[statement.key]: row["time_ms"] for row in rows}
    times = given | await _times(connection, statement.table, statement.key, given)
    return [
        {**row, "time_ms": times[row[statement.key]]}
        for row in rows
        if times[row[statement.key]] is not None
    ]


async def _times(
    connection: Connection, table: str, key: str, times_ms: Mapping[str, int | None]
) -> dict[str, int]:
    """The times of existing rows, keyed by id, within a day of the given time (None: of any given
    time). A frame that a device sends again may have another time, which is that of its receipt."""
    known_ms = [time_ms for time_ms in times_ms.values() if time_ms is not None] or [0]
    text = (
        f"select {key}, min(time_ms) from {table} "  # noqa: S608 -- names of our own code only
        f"where {key} = any(%s) and time_ms between %s and %s group by {key}"
    )
    given = [list(times_ms), min(known_ms) - _DAY_MS, max(known_ms) + _DAY_MS]
    cursor = await connection.execute(text.encode(), given)
    return dict(await cursor.fetchall())


async def _upsert(connection: Connection, statement: Statement, rows: Sequence[Row]) -> Any:
    text = statement.sql(rows[0])
    return await connection.execute(text.encode(), [msgspec.json.encode(rows).decode()])


async def _follow_layouts(connection: Connection, cameras: list[str], log_id: str) -> None:
    """Update cameras, sites, zones and slots to the layouts just added."""
    cursor = await connection.execute(ADOPT_LAYOUTS, {"cameras": cameras, "log_id": log_id})
    adopted = [row[0] for row in await cursor.fetchall()]
    for text in FOLLOW_LAYOUTS if adopted else ():
        await connection.execute(text, {"cameras": adopted})


def _place_arrays(claim: Claim, places: Sequence[Place]) -> dict[str, Any]:
    return {
        "cluster": claim.cluster_id,
        "generation": claim.generation,
        "topics": [topic for topic, _ in places],
        "topic_ids": [claim.topic_ids[topic] for topic, _ in places],
        "partitions": [partition for _, partition in places],
    }


def _outage(error: Exception) -> Retryable:
    """The error as an outage, in words for /readyz."""
    line = _first_line(error)
    if isinstance(error, DiskFull) or any(words in line for words in _NO_SPACE):
        detail = f"Postgres has no disk space left; writing continues when it has: {line}"
        return Retryable(detail, "postgres-full")
    if isinstance(error, PoolTimeout):
        line = f"Postgres accepts no connections: {line}"
    return Retryable(f"Postgres: {line}", "postgres")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
