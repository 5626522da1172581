"""Write the three database addresses: the persister's, the notifier's read-only one, and the one
for its accounts.

Reads the master user's secret (JSON) from standard input; DATABASE_HOST and SECRETS (a folder with
`read_password` and `accounts_password`) from the environment. Creates the two roles. The rights are
those of deploy/postgres.
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

RIGHTS = (
    # Only its own tables, because pg_read_all_data would also expose the password verifiers.
    "grant select on all tables in schema public to parking_read",
    "alter default privileges in schema public grant select on tables to parking_read",
    "create schema if not exists accounts",
    "grant usage on schema accounts to parking_accounts",
    "grant select, insert, update, delete on all tables in schema accounts to parking_accounts",
    "alter default privileges in schema accounts"
    " grant select, insert, update, delete on tables to parking_accounts",
)

master = json.load(sys.stdin)
secrets = Path(os.environ["SECRETS"])
place = f"{os.environ['DATABASE_HOST']}:5432/parking?sslmode=require"
owner = f"postgresql://{quote(master['username'])}:{quote(master['password'], safe='')}@{place}"
addresses = {"database": owner}
with psycopg.connect(owner) as connection:
    for name in ("read", "accounts"):
        role, password = (
            f"parking_{name}",
            (secrets / f"{name}_password").read_text("utf-8").strip(),
        )
        there = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
        statement = sql.SQL("{} role {} login password {}").format(
            sql.SQL("alter" if there else "create"), sql.Identifier(role), sql.Literal(password)
        )
        connection.execute(statement)
        addresses[f"database_{name}"] = f"postgresql://{role}:{password}@{place}"
    for right in RIGHTS:
        connection.execute(right)
for name, address in addresses.items():
    file = secrets / name
    file.touch(0o600)
    file.write_text(address, "utf-8")
