"""Plays footage through the whole running pipeline and collects the results at every output.

Used by the end-to-end, chaos and browser tests. `Play` owns an `Infra` of its own, because the
services read whole topics and would also get the records of other tests.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from parking.core import lots
from parking.runtime.kafka import KafkaSettings
from tests.support.waiting import wait_until
from tools.cli import admin
from tools.simulator.footage import Footage, load
from tools.sse import Listener
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

SERVICES = ("ingest", "detector", "tracker", "persister", "notifier")

# Every frame counts here: however busy the machine is, nothing is passed over in the bridge or left
# out in the detector. The frames' topic has only frames.
EVERY_FRAME = {
    "ingest": {"HANDOVER_FRAMES": "1000", "HEARTBEAT_PARTITIONS": "0"},
    # 640 px fit these slots, and keep up with the pace of the tests on two cores.
    "detector": {"DETECTOR_SKIP": "off", "DETECTOR_LOAD": "off", "DETECTOR_SIZE": "640"},
}


@dataclass
class Play:
    """A running pipeline, and ways to query it."""

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

    @contextmanager
    def played_once(self, interval_ms: int) -> Iterator[None]:
        """Play one round with every frame. The cameras stay connected meanwhile, because otherwise
        the tracker may learn that a camera is offline before a busy detector has judged its last
        pictures."""
        options = ("--once", "--stay", "--every-frame", "--interval-ms", str(interval_ms))
        process = self.simulator(*options)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        url = self.infra.url("notifier") + f"/api/events?site={self.footage.site_id}"
        with Listener(url) as listener:
            wait_until(lambda: bool(listener.of("snapshot")), 30, "a first snapshot over SSE")
            yield listener

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.infra.dsn, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def count(self, table: str, where: str = "true") -> int:
        (row,) = self.rows(f"select count(*) as n from {table} where {where}")  # noqa: S608
        return int(row["n"])

    def slots(self) -> dict[str, str]:
        """Return slot -> state, as the API reports it now."""
        site = {"site": self.footage.site_id}
        answer = httpx.get(self.infra.url("notifier") + "/api/slots", params=site)
        return {slot["slot_id"]: slot["state"] for slot in answer.json()}

    def truth(self) -> dict[str, dict[int, dict[str, int | None]]]:
        """Return camera_id -> seq (from 1) -> slot -> 1 (occupied), 0, or None (not labelled)."""
        found: dict[str, dict[int, dict[str, int | None]]] = {}
        for frame in self.footage.annotations["frames"]:
            frames = found.setdefault(f"{self.footage.site_id}/{lots.slug(frame['camera'])}", {})
            frames[len(frames) + 1] = {str(s["id"]): s["occupied"] for s in frame["slots"]}
        return found


@contextmanager
def playing(infra: Infra, folder: Path, scratch: Path) -> Iterator[Play]:
    """Yield a pipeline for this footage whose devices are known to the broker and in which nothing
    is started yet."""
    footage = load(folder)
    passwords = {d: infra.add_device(*d.split("/"))[1] for d in footage.device_ids}
    file = scratch / "passwords.json"
    file.write_text(json.dumps(passwords), "utf-8")
    yield Play(infra, folder, footage, file)
