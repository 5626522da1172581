"""Plays footage through the whole running pipeline and collects what came out at every end.

Used by the end-to-end, chaos and browser tests. `Play` owns an `Infra` of its own, because the
services read whole topics: other tests' records would be theirs too.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from parking import admin, lots
from parking.kafka import KafkaSettings
from parking.stack.infra import Infra
from parking.stack.settings import ROOT
from tools.simulator.footage import Footage, load

SERVICES = ("ingest", "detector", "tracker", "persister", "notifier")

# Every frame counts here: nothing is passed over, neither in the bridge nor in the detector.
EVERY_FRAME = {
    "ingest": {"HANDOVER_FRAMES": "64"},
    "detector": {"DETECTOR_SKIP": "off"},
}


def wait_until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Poll until it holds. Raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.1)


@dataclass
class Listener:
    """One SSE client: every event it got, as (event, id, data). Reconnects as a browser does."""

    url: str
    events: list[tuple[str, str, Any]] = field(default_factory=list)
    last_id: str = ""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def of(self, name: str) -> list[Any]:
        """Data of the events of one name, in order."""
        return [data for event, _, data in list(self.events) if event == name]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except httpx.HTTPError:
                self._stop.wait(0.3)

    def _listen(self) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        timeout = httpx.Timeout(10, read=1)
        with httpx.stream("GET", self.url, headers=headers, timeout=timeout) as response:
            response.raise_for_status()
            event, event_id, data = "message", "", ""
            for line in self._lines(response):
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "event":
                    event = value
                elif name == "id":
                    event_id = value
                elif name == "data":
                    data += value
                elif not line and data:
                    self.last_id = event_id or self.last_id
                    self.events.append((event, event_id, json.loads(data)))
                    event, event_id, data = "message", "", ""

    def _lines(self, response: httpx.Response) -> Iterator[str]:
        lines = response.iter_lines()
        while not self._stop.is_set():
            try:
                yield next(lines)
            except StopIteration:
                return


@dataclass
class Play:
    """A running pipeline, and what to ask it."""

    infra: Infra
    folder: Path
    footage: Footage
    passwords: Path

    def start_services(self, settings: Mapping[str, Mapping[str, str]] = EVERY_FRAME) -> None:
        for service in SERVICES:
            self.infra.start_service(service, settings.get(service, {}), limit_s=90)

    def publish_layouts(self, interval_ms: int) -> None:
        layouts = lots.layouts_from_annotations(
            self.footage.annotations,
            self.footage.site_id,
            interval_ms=interval_ms,
            time_ms=time.time_ns() // 1_000_000,
        )
        kafka = KafkaSettings(self.infra.bootstrap)
        asyncio.run(admin.publish_layouts(kafka, layouts, "test"))

    def simulator(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the camera simulator on this footage."""
        command = [sys.executable, "-m", "tools.simulator", "--footage", str(self.folder)]
        command += ["--passwords", str(self.passwords), "--state", str(self.passwords.parent)]
        env = {**self.infra.env_for("ingest"), "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([*command, *options], env=env, cwd=ROOT)

    def play_once(self, interval_ms: int, limit_s: float = 400) -> None:
        """One round, every frame."""
        options = ("--once", "--every-frame", "--interval-ms", str(interval_ms))
        process = self.simulator(*options)
        try:
            assert process.wait(limit_s) == 0
        finally:
            process.kill()

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        listener = Listener(self.infra.url("notifier") + f"/api/events?site={self.footage.site_id}")
        try:
            wait_until(lambda: bool(listener.of("snapshot")), 30, "a first snapshot over SSE")
            yield listener
        finally:
            listener.close()

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.infra.dsn, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def count(self, table: str, where: str = "true") -> int:
        (row,) = self.rows(f"select count(*) as n from {table} where {where}")  # noqa: S608
        return int(row["n"])

    def slots(self) -> dict[str, str]:
        """slot -> state, as the API tells now."""
        site = {"site": self.footage.site_id}
        answer = httpx.get(self.infra.url("notifier") + "/api/slots", params=site)
        return {slot["slot_id"]: slot["state"] for slot in answer.json()}

    def truth(self) -> dict[str, dict[int, dict[str, int | None]]]:
        """camera_id -> seq (from 1) -> slot -> occupied 1, 0 or None (not labelled)."""
        found: dict[str, dict[int, dict[str, int | None]]] = {}
        for frame in self.footage.annotations["frames"]:
            frames = found.setdefault(f"{self.footage.site_id}/{lots.slug(frame['camera'])}", {})
            frames[len(frames) + 1] = {str(s["id"]): s["occupied"] for s in frame["slots"]}
        return found


@contextmanager
def playing(infra: Infra, folder: Path, scratch: Path) -> Iterator[Play]:
    """A pipeline for this footage: devices known to the broker, nothing started yet."""
    footage = load(folder)
    passwords = {d: infra.add_device(*d.split("/"))[1] for d in footage.device_ids}
    file = scratch / "passwords.json"
    file.write_text(json.dumps(passwords), "utf-8")
    yield Play(infra, folder, footage, file)
