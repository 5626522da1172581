"""AccountStore on Postgres, as a role that may write the schema `accounts`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from parking.access.account_store import (
    SIGN_INS_EACH,
    Account,
    Entry,
    Expiry,
    account_exists,
    no_account,
    require_admin,
)
from parking.access.rights import EVERY, Grants, Role, read_grants, write_grants
from parking.core.errors import Retryable

_SEEN_EVERY_MS: Final = 60_000
_OPTIONS: Final = "-c statement_timeout=5s -c lock_timeout=5s -c search_path=accounts"
_ACCOUNT: Final = (
    "a.name, a.roles, a.created_at_ms, a.password_hash is not null as has_password,"
    " a.oidc_subject is not null as linked"
)
_LOCK: Final = "lock table accounts in share row exclusive mode"
_SIGNED_IN: Final = f"""
select {_ACCOUNT}, s.seen_at_ms from sign_ins s join accounts a on a.name = s.account
where s.token_hash = %(token)s and s.seen_at_ms > %(now)s - %(idle)s
  and s.created_at_ms > %(now)s - %(most)s
"""  # noqa: S608 -- names of our own code only
_TOO_MANY: Final = """
delete from sign_ins where account = %s and token_hash in (
    select token_hash from sign_ins where account = %s
    order by created_at_ms desc, token_hash offset %s)
"""
_LINK_SUBJECT: Final = """
update accounts set oidc_issuer = %(issuer)s, oidc_subject = %(subject)s
where name = %(name)s
  and (oidc_issuer is distinct from %(issuer)s or oidc_subject = %(subject)s)
"""
_AUDIT: Final = """
select id, time_ms, who, what, site_id, target, address from audit
where %(before)s::bigint is null or id < %(before)s
order by id desc limit %(limit)s
"""
_NOTE: Final = """
insert into audit (time_ms, who, what, site_id, target, address) values (%s, %s, %s, %s, %s, %s)
"""
_TIDY: Final = (
    "delete from sign_ins where seen_at_ms <= %(now)s - %(idle)s"
    " or created_at_ms <= %(now)s - %(most)s",
    "delete from links where expires_at_ms <= %(now)s",
    "delete from audit where time_ms < %(audit_before)s",
)
_ADD: Final = (
    "insert into accounts (name, roles, password_hash, created_at_ms) values (%s,%s,%s,%s)"
)


class PostgresAccounts:
    """See account_store.AccountStore. Connects on first use."""

    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=4,
            timeout=3.0,
            open=False,
            kwargs={"connect_timeout": 3, "options": _OPTIONS},
            connection_class=AsyncConnection[DictRow],
            check=AsyncConnectionPool.check_connection,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def accounts(self) -> Sequence[Account]:
        """See AccountStore."""
        async with self._transaction() as connection:
            return await _accounts(connection)

    async def create_first(self, name: str, password_hash: str, now_ms: int) -> bool:
        """See AccountStore."""
        async with self._transaction() as connection:
            await connection.execute(_LOCK)
            if await _accounts(connection):
                return False
            roles = Jsonb(write_grants({EVERY: Role.ADMIN}))
            await connection.execute(_ADD, [name, roles, password_hash, now_ms])
            return True

    async def add(self, name: str, grants: Grants, now_ms: int) -> None:
        """See AccountStore."""
        try:
            async with self._transaction() as connection:
                roles = Jsonb(write_grants(grants))
                await connection.execute(_ADD, [name, roles, None, now_ms])
        except UniqueViolation:
            raise account_exists(name) from None

    async def grant(self, name: str, grants: Grants) -> None:
        """See AccountStore."""
        update = "update accounts set roles = %s where name = %s"
        await self._change(name, update, [Jsonb(write_grants(grants)), name])

    async def remove(self, name: str) -> None:
        """See AccountStore."""
        await self._change(name, "delete from accounts where name = %s", [name])

    async def password_hash(self, name: str) -> str | None:
        """See AccountStore."""
        select = "select password_hash from accounts where name = %s"
        async with self._transaction() as connection:
            row = await (await connection.execute(select, [name])).fetchone()
        return row["password_hash"] if row else None

    async def set_password(self, name: str, password_hash: str) -> None:
        """See AccountStore."""
        async with self._transaction() as connection:
            if not await _set_password(connection, name, password_hash):
                raise no_account(name)

    async def sign_in(self, token: str, name: str, address: str, now_ms: int) -> None:
        """See AccountStore."""
        insert = (
            "insert into sign_ins (token_hash, account, address, created_at_ms, seen_at_ms)"
            " values (%s, %s, %s, %s, %s)"
        )
        try:
            async with self._transaction() as connection:
                await connection.execute(insert, [token, name, address, now_ms, now_ms])
                await connection.execute(_TOO_MANY, [name, name, SIGN_INS_EACH])
        except ForeignKeyViolation:
            raise no_account(name) from None

    async def signed_in(self, token: str, expiry: Expiry, now_ms: int) -> Account | None:
        """See AccountStore."""
        async with self._transaction() as connection:
            arguments = {"token": token, "now": now_ms, **_ages(expiry)}
            row = await (await connection.execute(_SIGNED_IN, arguments)).fetchone()
            if row is None:
                return None
            if row["seen_at_ms"] < now_ms - _SEEN_EVERY_MS:
                update = "update sign_ins set seen_at_ms = %s where token_hash = %s"
                await connection.execute(update, [now_ms, token])
            return _account(row)

    async def sign_out(self, token: str) -> None:
        """See AccountStore."""
        await self._run("delete from sign_ins where token_hash = %s", [token])

    async def add_link(self, token: str, name: str, expires_at_ms: int) -> None:
        """See AccountStore."""
        insert = "insert into links (token_hash, account, expires_at_ms) values (%s, %s, %s)"
        try:
            async with self._transaction() as connection:
                await connection.execute("delete from links where account = %s", [name])
                await connection.execute(insert, [token, name, expires_at_ms])
        except ForeignKeyViolation:
            raise no_account(name) from None

    async def use_link(self, token: str, password_hash: str, now_ms: int) -> str | None:
        """See AccountStore."""
        delete = "delete from links where token_hash = %s and expires_at_ms > %s returning account"
        async with self._transaction() as connection:
            row = await (await connection.execute(delete, [token, now_ms])).fetchone()
            if row is None:
                return None
            await _set_password(connection, row["account"], password_hash)
            return str(row["account"])

    async def subject_account(self, issuer: str, subject: str) -> str | None:
        """See AccountStore."""
        select = "select name from accounts where oidc_issuer = %s and oidc_subject = %s"
        async with self._transaction() as connection:
            row = await (await connection.execute(select, [issuer, subject])).fetchone()
        return row["name"] if row else None

    async def link_subject(self, name: str, issuer: str, subject: str) -> bool:
        """See AccountStore."""
        arguments = {"name": name, "issuer": issuer, "subject": subject}
        try:
            async with self._transaction() as connection:
                cursor = await connection.execute(_LINK_SUBJECT, arguments)
                return bool(cursor.rowcount)
        except UniqueViolation:
            return False

    async def note(self, entry: Entry) -> None:
        """See AccountStore."""
        where = [entry.site_id, entry.target, entry.address]
        await self._run(_NOTE, [entry.time_ms, entry.who, entry.what, *where])

    async def audit(self, limit: int, before_id: int | None) -> Sequence[Entry]:
        """See AccountStore."""
        async with self._transaction() as connection:
            cursor = await connection.execute(_AUDIT, {"limit": limit, "before": before_id})
            return [Entry(**row) async for row in cursor]

    async def tidy(self, expiry: Expiry, audit_before_ms: int, now_ms: int) -> None:
        """See AccountStore."""
        arguments = {"now": now_ms, "audit_before": audit_before_ms, **_ages(expiry)}
        for statement in _TIDY:
            await self._run(statement, arguments)

    async def _change(self, name: str, statement: str, arguments: Sequence[Any]) -> None:
        """One change of an account that must leave an administrator."""
        async with self._transaction() as connection:
            await connection.execute(_LOCK)
            cursor = await connection.execute(statement.encode(), arguments)
            if not cursor.rowcount:
                raise no_account(name)
            require_admin(await _accounts(connection))

    async def _run(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any]) -> None:
        async with self._transaction() as connection:
            await connection.execute(statement.encode(), arguments)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        try:
            await self._pool.open()
            async with self._pool.connection() as connection:
                connection.row_factory = dict_row
                yield connection
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            detail = (
                "the accounts' tables do not exist yet: the persister creates them when it starts"
            )
            raise Retryable(detail, "no-tables") from error
        except psycopg.errors.InsufficientPrivilege as error:
            detail = "ACCOUNTS_DATABASE_URL: this role may not use the accounts' tables"
            raise Retryable(f"{detail} (deploy/postgres/README.md)", "no-tables") from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable("Postgres is unavailable: nobody can sign in", "no-accounts") from error


async def _accounts(connection: AsyncConnection[DictRow]) -> Sequence[Account]:
    query = f"select {_ACCOUNT} from accounts a order by a.name"  # noqa: S608 -- our own names only
    cursor = await connection.execute(query.encode())
    return [_account(row) async for row in cursor]


async def _set_password(
    connection: AsyncConnection[DictRow], name: str, password_hash: str
) -> bool:
    update = "update accounts set password_hash = %s where name = %s"
    cursor = await connection.execute(update, [password_hash, name])
    await connection.execute("delete from sign_ins where account = %s", [name])
    await connection.execute("delete from links where account = %s", [name])
    return bool(cursor.rowcount)


def _account(row: Mapping[str, Any]) -> Account:
    grants = read_grants(row["roles"])
    has = bool(row["has_password"]), bool(row["linked"])
    return Account(row["name"], grants, row["created_at_ms"], *has)


def _ages(expiry: Expiry) -> dict[str, int]:
    return {"idle": expiry.idle_ms, "most": expiry.most_ms}
