"""Migrations on a real Postgres: each is applied once, by however many processes, and never
changed."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from services.persister.migrate import Migration, migrate, shipped
from tests.support.databases import new_database
from tools.stack.infra import Infra

SLOW = [
    Migration(1, "0001_a.sql", "create table a (n int); select pg_sleep(0.3);"),
    Migration(2, "0002_b.sql", "create table b (n int);"),
]


@pytest.fixture
def url(infra: Infra) -> Iterator[str]:
    with new_database(infra) as made:
        yield made


async def apply(url: str, migrations: list[Migration] | None = None) -> list[str]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await migrate(connection, migrations)


def test_no_two_share_a_number():
    numbers = [m.number for m in shipped()]
    assert numbers == sorted(set(numbers))


async def test_each_is_applied_once(url: str):
    assert await apply(url) == [m.name for m in shipped()]
    assert await apply(url) == []


async def test_two_processes_at_once_apply_each_once(url: str):
    done = await asyncio.gather(*(apply(url, SLOW) for _ in range(4)))
    assert sorted(done) == [[], [], [], ["0001_a.sql", "0002_b.sql"]]


async def test_a_lower_number_that_comes_later_is_applied_too(url: str):
    """Of two branches, the one with the higher number may be merged and installed first."""
    later = Migration(3, "0003_c.sql", "create table c (n int);")
    assert await apply(url, [SLOW[0], later]) == ["0001_a.sql", "0003_c.sql"]
    assert await apply(url, [*SLOW, later]) == ["0002_b.sql"]


async def test_a_changed_file_is_refused(url: str):
    await apply(url, SLOW)
    changed = [replace(SLOW[0], text="create table a (n bigint);"), SLOW[1]]
    with pytest.raises(RuntimeError, match=r"0001_a\.sql was changed"):
        await apply(url, changed)


async def test_a_newer_database_is_refused(url: str):
    await apply(url, SLOW)
    with pytest.raises(RuntimeError, match="newer version"):
        await apply(url, SLOW[:1])


async def test_one_that_fails_leaves_nothing_and_can_be_mended(url: str):
    broken = Migration(2, "0002_b.sql", "create table b (n int); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await apply(url, [SLOW[0], broken])
    assert await apply(url, SLOW) == ["0002_b.sql"]
