"""Numbered SQL migrations: `migrations/NNNN_name.sql`, each applied once, in order, at startup.

An advisory lock lets any number of processes start side by side. An applied file must not change:
its checksum is stored. There are no downgrades, so fix a mistake with the next number.
"""

import hashlib
import logging
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from psycopg import AsyncConnection

log = logging.getLogger(__name__)

# Any constant, the same in all processes: "parking" in ASCII.
_LOCK: Final = 0x7061726B696E67
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE: Final = """
create table if not exists schema_migrations (
    number     int primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def shipped() -> list[Migration]:
    """The files in this module's folder, in order."""
    folder = resources.files("services.persister") / "migrations"
    found = [(_NAME.fullmatch(file.name), file) for file in folder.iterdir()]
    return sorted(
        (
            Migration(int(match[1]), match[0], file.read_text("utf-8"))
            for match, file in found
            if match
        ),
        key=lambda migration: migration.number,
    )


async def migrate(
    connection: AsyncConnection[Any], migrations: list[Migration] | None = None
) -> list[str]:
    """Apply the missing migrations and return their names. The connection must be in autocommit
    mode. Raises RuntimeError if an applied file was changed or is newer than this program."""
    migrations = shipped() if migrations is None else migrations
    await connection.execute("select pg_advisory_lock(%s)", [_LOCK])
    try:
        await connection.execute(_TABLE)
        cursor = await connection.execute("select number, sha256 from schema_migrations")
        applied: dict[int, str] = dict(await cursor.fetchall())
        _check(applied, migrations)
        missing = [m for m in migrations if m.number not in applied]
        for migration in missing:
            await _apply(connection, migration)
    finally:
        await connection.execute("select pg_advisory_unlock(%s)", [_LOCK])
    return [migration.name for migration in missing]


def _check(applied: dict[int, str], migrations: list[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, sha256 in applied.items():
        if number not in known:
            raise RuntimeError(
                f"the database has migration {number:04}, which this version does not know: a "
                f"newer version wrote it"
            )
        if known[number].sha256 != sha256:
            raise RuntimeError(
                f"{known[number].name} was changed after it was applied: restore it, and put the "
                f"change in a new migration"
            )


async def _apply(connection: AsyncConnection[Any], migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text.encode())
        await connection.execute(
            "insert into schema_migrations (number, name, sha256) values (%s, %s, %s)",
            [migration.number, migration.name, migration.sha256],
        )
    log.info("migration %s applied", migration.name)
