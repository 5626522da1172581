"""Fresh databases on the test server: each test gets one, which is dropped after it."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from parking.wire.ports import Claim, Outgoing
from services.persister.handler import by_kind, plan
from services.persister.postgres import Pool, PostgresEvents, new_pool, prepare
from tests.support import persisting as make
from tools.stack.infra import Infra


@contextmanager
def new_database(infra: Infra) -> Iterator[str]:
    """Yield the URL of an empty database, for the role that the services use."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    password = (infra.settings.paths.secrets / "postgres_admin").read_text("utf-8").strip()
    admin = make_conninfo(infra.dsn, user="postgres", password=password, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        make = sql.SQL("create database {} owner parking template template0")
        connection.execute(make.format(sql.Identifier(name)))
    yield make_conninfo(infra.dsn, dbname=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@dataclass
class Database:
    """The store and its contents."""

    url: str
    pool: Pool
    events: PostgresEvents
    claim: Claim = field(default=make.CLAIM)

    async def takes(self, *messages: Outgoing) -> dict[str, int]:
        """Write all of them in one batch."""
        records = [make.record(m, n) for n, m in enumerate(messages)]
        planned = [plan(record, self.claim) for record in records]
        places = sorted({(record.topic, record.partition) for record in records})
        await self.events.claim(self.claim, places, {})
        return await self.events.write(self.claim, by_kind(planned), dict.fromkeys(places, 1))

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def one(self, query: str) -> dict[str, Any]:
        (row,) = self.rows(query)
        return row


@asynccontextmanager
async def new_store(infra: Infra) -> AsyncIterator[Database]:
    """Yield the persister's store on a database of its own, with its tables."""
    with new_database(infra) as url:
        await prepare(url)
        async with new_pool(url, 2) as pool:
            yield Database(url, pool, PostgresEvents(pool))
