"""A simulated board: its broker settings, its ring, and where its gate events went."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from parking.access.keys import KeyFile
from parking.core.topics import DEVICE_EVENTS
from tests.support.ingest_process import Log
from tests.support.waiting import deadline
from tools.boards.board import Board
from tools.stack.infra import Infra
from tools.stack.settings import ROOT


def config(infra: Infra, device_id: str, **more: object) -> dict[str, object]:
    user, password = infra.add_device(*device_id.split("/"))
    settings = {"device_id": user, "password": password, "host": "127.0.0.1", "tls": False}
    settings |= {"port": infra.mqtt_port, "reconnect_s": 2, "interval_ms": 0, "keepalive_s": 10}
    if "post_url" in more:
        settings["api_key"] = KeyFile(infra.keys_file).add(user, "frames")
    return settings | {"gate": "two", "gate_stable_ms": 0} | more


def tend_until(board: Board, condition: Callable[[], bool], limit_s: float, what: str) -> None:
    ends = deadline(limit_s)
    while not condition():
        assert time.monotonic() < ends, f"not {what}: {board.log[-2000:]}"
        board.tend()
        time.sleep(0.2)


def believe_pubacks(slot: Path) -> None:
    """Add one line to the firmware in the slot that boots."""
    for name in ("app", "hal", "boards"):
        shutil.copytree(ROOT / "firmware" / name, slot / name)
    line = "                await connection.publish(topic(self.id, *event[0]), event[1])\n"
    file = slot / "app" / "device.py"
    text = file.read_text("utf-8")
    assert text.count(line) == 1
    file.write_text(text.replace(line, line + "                self.ring.done()\n"), "utf-8")


def slots_of(gate: Board) -> list[bytes]:
    """Return the used slots of the ring in the board's flash."""
    file = gate.state / "flash.bin"
    data = file.read_bytes() if file.exists() else b""
    slots = [data[at : at + 64] for at in range(4 * 4096, len(data), 64)]
    return [slot for slot in slots if slot[:1] in (b"\xa1", b"\xa2")]


def kept(gate: Board) -> int:
    return len(slots_of(gate))


def acknowledged(gate: Board) -> int:
    return sum(slot[60:] == b"\0\0\0\0" for slot in slots_of(gate))


def site_of(board: Board) -> str:
    saved = json.loads((board.state / "board.json").read_text("utf-8"))
    return str(saved["config"]["device_id"]).split("/")[0]


def in_postgres(infra: Infra, site: str) -> list[tuple[int, int]]:
    with psycopg.connect(infra.dsn) as connection:
        query = "select boot_id, seq from gate_events where site_id = %s"
        return connection.execute(query, (site,)).fetchall()


def waiting(log: Log, site: str) -> int | None:
    """Return the device's last report on its ring."""
    telemetry = [e.telemetry for e in log.of(DEVICE_EVENTS, site) if e.telemetry is not None]
    return telemetry[-1].gate_events_waiting if telemetry else None
