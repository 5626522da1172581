"""ingest as a process of its own, and what arrives in Kafka, for stack tests and benches."""

import asyncio
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from parking.access.keys import KeyFile
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
)
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.wire.codec import decode
from parking.wire.ports import Record
from tests.support.brokers import Broker
from tests.support.waiting import patiently, wait_until
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

TOPICS = (FRAMES, GATE_EVENTS, DEVICE_EVENTS, DEAD_LETTERS, DEAD_LETTERS_FRAMES)


def picture(seed: int = 1) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (120, 160, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


class Bridge:
    """One bridge with its session at the broker, which may be killed and started again."""

    def __init__(self, infra: Infra, broker: Broker, folder: Path, client_id: str) -> None:
        self.client_id = client_id
        [self.port] = free_ports(1)
        self.url = f"http://{HOST}:{self.port}"
        self.keys = KeyFile(folder / "keys")
        self.process: subprocess.Popen[bytes]
        self._log = folder / "bridge.log"
        self._env = infra.env_for("ingest") | {
            "MQTT_PORT": str(broker.port_of("bridge")),
            "MQTT_PASSWORD": "password of bridge",
            "MQTT_CLIENT_ID": client_id,
            "KEYS_FILE": str(folder / "keys"),
            "HTTP_PORT": str(self.port),
            "HEARTBEAT_PARTITIONS": "0",  # the records are those of the test
            "PYTHONPATH": str(ROOT),
        }
        self._env.pop("MQTT_PASSWORD_FILE")

    def start(self, *program: str, **env: str) -> None:
        self.launch(*program, **env)
        wait_until(self.is_ready, 30, "ready")

    def launch(self, *program: str, **env: str) -> None:
        program = program or ("-m", "services.ingest")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program], env=self._env | env, stderr=log, stdout=log
            )

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text("utf-8")
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def waiting(self) -> dict[str, str]:
        reasons: dict[str, str] = httpx.get(f"{self.url}/readyz").json()["reasons"]
        return reasons

    def metric(self, name: str) -> float:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)


class Log:
    """What has arrived in Kafka since this object was created."""

    def __init__(self, infra: Infra) -> None:
        self._settings = KafkaSettings(infra.bootstrap)
        self._starts = asyncio.run(self._ends())

    def of(self, topic: str, site: str) -> list[Any]:
        """Return the events of a site, in the order of the log."""
        records = patiently(partial(self._read, topic))
        return [event for r in records if site in (event := decode(r)).id]

    def ids(self, topic: str, site: str) -> list[str]:
        return [event.id for event in self.of(topic, site)]

    async def _ends(self) -> dict[object, int]:
        consumer = new_consumer(self._settings)
        await consumer.start()
        try:
            ends: dict[object, int] = await consumer.end_offsets(
                await assign_all(consumer, *TOPICS)
            )
            return ends
        finally:
            await consumer.stop()

    async def _read(self, topic: str) -> list[Record]:
        consumer = new_consumer(self._settings)
        await consumer.start()
        try:
            places = await assign_all(consumer, topic)
            for place in places:
                consumer.seek(place, self._starts[place])
            return await read_to_end(consumer, places)
        finally:
            await consumer.stop()
