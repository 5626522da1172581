"""History from Postgres, read with the reader role."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from parking.core.errors import Retryable

LIMIT_S: Final = 5.0
_TOO_SLOW: Final = (
    "Postgres did not answer within {:g} s: narrow it to a site, slot or camera, or less time "
    "between from_ms and to_ms"
)
_NO_TABLES: Final = (
    "the tables do not exist yet: the persister creates and updates them when it starts"
)


class History:
    """Past rows. It connects on first use, so the live state does not need Postgres. Methods raise
    Retryable while Postgres is down, while its tables do not exist, and when a query takes longer
    than `limit_s`; `reason` says which."""

    def __init__(self, database_url: str, limit_s: float = LIMIT_S) -> None:
        self.url = database_url
        self._limit_s = limit_s
        options = f"-c statement_timeout={limit_s * 1000:.0f} -c default_transaction_read_only=on"
        self._pool = AsyncConnectionPool(
            database_url,
            min_size=0,
            max_size=4,
            timeout=3.0,
            open=False,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "connect_timeout": 3,
                "options": options,
                "prepare_threshold": None,  # each query is planned for its own arguments
            },
        )

    async def rows(self, query: str, arguments: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """Run the query and return its rows."""
        try:
            await self._pool.open()
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), arguments)
                found: list[dict[str, Any]] = await cursor.fetchall()  # type: ignore[assignment] # dict_row
                return found
        except psycopg.errors.QueryCanceled as error:
            raise Retryable(_TOO_SLOW.format(self._limit_s), "too-slow") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise Retryable(_NO_TABLES, "no-tables") from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable(f"Postgres is unavailable: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()
