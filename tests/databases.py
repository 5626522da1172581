"""Fresh databases on the test server: one a test, dropped after it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from parking.stack.infra import Infra


@contextmanager
def new_database(infra: Infra) -> Iterator[str]:
    """The URL of an empty database, for the role that the services use."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    password = (infra.settings.paths.secrets / "postgres_admin").read_text("utf-8").strip()
    admin = make_conninfo(infra.dsn, user="postgres", password=password, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        make = sql.SQL("create database {} owner parking template template0")
        connection.execute(make.format(sql.Identifier(name)))
    yield make_conninfo(infra.dsn, dbname=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
