"""A gate whose camera misreads a plate at the exit, in a running pipeline, and a search for places
that hold its plates in clear text."""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from parking.access.keys import KeyFile
from parking.access.secret_files import PasswordFile, write_private
from parking.core.topics import TOPICS
from parking.wire.ports import Record
from tests.support.brokers import Broker, Client
from tests.support.tracker_log import read
from tests.support.waiting import wait_until
from tools.stack.infra import Infra

SITE = "misread"
DEVICE = f"{SITE}/gate"
ENTRY, EXIT = "BAB1234", "8AB1284"  # a look-alike, and one character more
SERVICES = ("ingest", "tracker", "persister", "notifier", "mqtt")
_KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"


def settings(folder: Path) -> dict[str, str]:
    """Return the settings of ingest and notifier, by which the site keeps plates."""
    file = folder / "plates.json"
    write_private(file, json.dumps({SITE: {"plates": "text", "key": _KEY}}))
    return {"PLATES_FILE": str(file)}


def drive_through(infra: Infra) -> None:
    """Let a vehicle come in and leave, and wait until the device hears that both events are
    accepted."""
    _, password = infra.add_device(*DEVICE.split("/"))
    users = PasswordFile(infra.settings.paths.secrets / "mqtt_passwords")
    broker = Broker(infra.mqtt_port, users, infra.pid("mqtt"), reads_by_itself=True)
    with Client(broker, DEVICE, password=password) as device:
        device.subscribe(f"parking/v1/{DEVICE}/ack")
        for seq, (direction, plate) in enumerate((("entry", ENTRY), ("exit", EXIT)), 1):
            passage = {"direction": direction, "gate": "main", "plate": plate}
            device.publish(f"parking/v1/{DEVICE}/gate/1/{seq}", json.dumps(passage).encode())
            assert json.loads(device.next().payload)["result"] == "accepted"


def stay(infra: Infra) -> dict[str, Any]:
    """Return the vehicle's stay, once its exit and both plates are in the database."""
    with psycopg.connect(infra.dsn, row_factory=dict_row, autocommit=True) as connection:

        def rows(table: str) -> list[dict[str, Any]]:
            query = sql.SQL("select * from {} where site_id = %s").format(sql.Identifier(table))
            return connection.execute(query, (SITE,)).fetchall()

        def complete() -> bool:
            return len(rows("plates")) == 2 and any(r["exit_at_ms"] for r in rows("sessions"))

        wait_until(complete, 30, "the stay and its plates in the database")
        (found,) = rows("sessions")
        return found


def asked(infra: Infra, session_id: str, *scopes: str) -> httpx.Response:
    """Return the response about the stay's plates to a key with these scopes, or to a client
    without a key."""
    headers = {}
    if scopes:
        key = KeyFile(infra.keys_file).add(f"{SITE}-{'-'.join(scopes)}", *scopes)
        headers = {"Authorization": f"Bearer {key}"}
    url = f"{infra.url('notifier')}/api/sites/{SITE}/plates"
    return httpx.get(url, params={"session": session_id}, headers=headers)


def places(infra: Infra, text: str) -> list[str]:
    """Return the topics, tables, logs and public responses that hold this text, or its bytes as hex
    or as base64, by themselves or after a nonce of 12 bytes."""
    raw = text.encode()
    wanted = (raw.lower(), raw.hex().encode(), b64encode(raw[: len(raw) // 3 * 3]).lower())
    held = ((place, content.lower()) for place, content in _everything(infra))
    return sorted({place for place, content in held if any(one in content for one in wanted)})


def _everything(infra: Infra) -> Iterator[tuple[str, bytes]]:
    for record in read(infra, *TOPICS):
        yield record.topic, _bytes_of(record)
    with psycopg.connect(infra.dsn) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'")
        for (table,) in tables.fetchall():
            query = sql.SQL("select t::text from {} t").format(sql.Identifier(table))
            for (row,) in connection.execute(query):
                yield table, row.encode()
    for service in SERVICES:
        yield f"log of {service}", infra.log(service).encode()
    answer = httpx.get(f"{infra.url('notifier')}/api/sessions", params={"site": SITE})
    yield "/api/sessions", answer.raise_for_status().content


def _bytes_of(record: Record) -> bytes:
    value = record.value or b""
    if ("content-encoding", b"deflate") in record.headers:
        value = zlib.decompress(value)
    parts = [record.key or b"", value]
    return b"\n".join([*parts, *(part or b"" for _, part in record.headers)])
