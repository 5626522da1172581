"""Measure the bridge's throughput from MQTT to Kafka against a minimal one, and its memory.

  python -m tools.bench.bridge                 80 kB pictures, 300 B reports and gate events
  python -m tools.bench.bridge --devices 200   memory while 200 devices send a picture a second

Messages queue up in a persistent session without a reader. Then a candidate starts. The bench
measures the time from the first record in Kafka to the last, and the candidate's CPU time, which
varies less on a busy machine. It starts its own servers on free ports.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import cv2
import numpy as np
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion
from rich.progress import track

from parking.core.topics import DEVICE_EVENTS, FRAMES, GATE_EVENTS, mqtt_filter, mqtt_topic
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer
from tools.stack.checks import free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

LIMIT_S = 120.0
SENDERS = 8
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load:
    """Messages of one kind: their `topic` in Kafka and the MQTT `suffix` to subscribe to."""

    name: str
    topic: str
    suffix: str
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """Messages per second, and CPU microseconds per message."""

    rate: float
    cpu_us: float


LOADS = (
    Load("80 kB pictures", FRAMES, "frame/#", 3_000),
    Load("300 B telemetry", DEVICE_EVENTS, "telemetry", 20_000),
    Load("300 B gate events (each answered)", GATE_EVENTS, "gate/+/+", 20_000),
)


def picture(size_bytes: int) -> bytes:
    """Create a JPEG of about this size."""
    noise = np.random.default_rng(1).integers(0, 255, (600, 800, 3), np.uint8)
    pictures = (
        cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for quality in range(2, 60)
    )
    return next(made for made in pictures if len(made) >= size_bytes)


def message(load: Load, device_id: str, seq: int, jpeg: bytes) -> tuple[str, bytes]:
    """Return the topic and the payload."""
    pad = "x" * 200
    if load.topic == FRAMES:
        return mqtt_topic(device_id, "frame", 1, seq, 1 + seq), jpeg
    if load.topic == GATE_EVENTS:
        passed = {"direction": "entry", "gate": "main", "pad": pad}
        return mqtt_topic(device_id, "gate", 1, seq), json.dumps(passed).encode()
    telemetry = {"rssi_dbm": -60, "uptime_s": seq, "pad": pad}
    return mqtt_topic(device_id, "telemetry"), json.dumps(telemetry).encode()


class Bench:
    """The servers, and the candidates, which run in turn."""

    def __init__(self, infra: Infra) -> None:
        self.infra = infra
        self.jpeg = picture(80_000)
        self._runs = 0
        self._clients: list[tuple[str, paho.Client]] = []

    def connect(self, devices: int) -> None:
        """Connect the senders."""
        for number in range(devices):
            device_id, password = self.infra.add_device("bench", f"cam-{number}")
            client = paho.Client(CallbackAPIVersion.VERSION2, device_id)
            client.username_pw_set(device_id, password)
            client.max_queued_messages_set(0)
            client.max_inflight_messages_set(100)
            client.connect(self.infra.mqtt_host, self.infra.mqtt_port)
            client.loop_start()
            self._clients.append((device_id, client))

    def send(self, load: Load, count: int, first_seq: int) -> None:
        """Send messages and wait until the broker has them."""
        sent = []
        for index in range(count):
            device_id, client = self._clients[index % len(self._clients)]
            topic, payload = message(load, device_id, first_seq + index, self.jpeg)
            sent.append(client.publish(topic, payload, qos=1))
        for info in sent:
            info.wait_for_publish(LIMIT_S)

    def rate(self, candidate: str, load: Load) -> Found:
        """Measure one round."""
        self._runs += 1
        name = f"{candidate}-{self._runs}"
        with self.candidate(candidate, load, name):
            pass  # creates its session
        self.send(load, load.count, self._runs * 1_000_000)
        before = asyncio.run(self._reading(load.topic, _ends))
        with self.candidate(candidate, load, name) as process:
            seen = psutil.Process(process.pid)
            used_s = sum(seen.cpu_times()[:2])
            rate = asyncio.run(self._reading(load.topic, partial(_rate, load.count, before)))
            used_s = sum(seen.cpu_times()[:2]) - used_s
        return Found(rate, used_s / load.count * 1e6)

    @contextmanager
    def candidate(self, kind: str, load: Load, name: str) -> Iterator[subprocess.Popen[str]]:
        """Start the process and wait until it has subscribed. It is killed at the end, so that its
        session persists."""
        env = self.infra.env_for("ingest") | {
            "MQTT_CLIENT_ID": name,
            "PYTHONPATH": str(ROOT),
            "HANDOVER_FRAMES": "10000",  # otherwise newer pictures would replace older ones
            "HANDOVER_EVENTS": "10000",
            "HTTP_PORT": str(free_ports(1)[0]),
        }
        command = ["-m", "services.ingest"]
        if kind == "bare":
            command = ["-m", "tools.bench.bare_bridge", name, load.topic, mqtt_filter(load.suffix)]
        process = subprocess.Popen(
            [sys.executable, *command],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            self._await_subscription(process, load)
            yield process
        finally:
            process.kill()
            process.wait()

    def _await_subscription(self, process: subprocess.Popen[str], load: Load) -> None:
        assert process.stdout is not None  # noqa: S101 -- requested with PIPE
        for line in process.stdout:
            if line.startswith("ready") or (
                "subscribed to" in line and mqtt_filter(load.suffix) in line
            ):
                return
        raise RuntimeError("the candidate exited before it had subscribed")

    async def _reading(self, topic: str, work: Callable[[Any], Awaitable[T]]) -> T:
        consumer = new_consumer(KafkaSettings(self.infra.bootstrap))
        await consumer.start()
        try:
            await assign_all(consumer, topic)
            return await work(consumer)
        finally:
            await consumer.stop()


async def _ends(consumer: Any) -> dict[Any, int]:
    ends: dict[Any, int] = await consumer.end_offsets(consumer.assignment())
    return ends


async def _rate(count: int, before: dict[Any, int], consumer: Any) -> float:
    """Wait for `count` more records and return messages per second by the broker's timestamps."""
    deadline = time.monotonic() + LIMIT_S
    while sum((await _ends(consumer)).values()) - sum(before.values()) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all messages arrived within {LIMIT_S:.0f} s")
        await asyncio.sleep(0.02)
    ends = await _ends(consumer)
    grown = [place for place in ends if ends[place] > before[place]]
    first = [await _stamp(consumer, place, before[place]) for place in grown]
    last = [await _stamp(consumer, place, ends[place] - 1) for place in grown]
    return count / ((max(last) - min(first)) / 1000)


async def _stamp(consumer: Any, place: Any, offset: int) -> int:
    """Return the time at which the broker wrote the record, in Unix milliseconds."""
    consumer.seek(place, offset)
    found = await consumer.getone(place)
    stamp: int = found.timestamp
    return stamp


def throughput(bench: Bench, rounds: int, loads: Sequence[Load]) -> str:
    """Return the table: medians, and the lowest and highest ratio of any round."""
    heads = (
        "load",
        "bridge, a second",
        "bare, a second",
        "bridge / bare",
        "CPU, us: bridge",
        "bare",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for load in loads:
        turns: dict[str, list[Found]] = {"bridge": [], "bare": []}
        for _ in track(range(rounds), load.name):
            for candidate, found in turns.items():
                found.append(bench.rate(candidate, load))
        ratios = [a.rate / b.rate for a, b in zip(*turns.values(), strict=True)]
        rates = [f"{median(one.rate for one in found):.0f}" for found in turns.values()]
        cpu = [f"{median(one.cpu_us for one in found):.0f}" for found in turns.values()]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {' | '.join((load.name, *rates, spread, *cpu))} |")
    return "\n".join(lines)


def memory(bench: Bench, devices: int, seconds: int) -> str:
    """Measure the bridge's resident memory while every device sends one picture per second."""
    load, peak = LOADS[0], 0
    with bench.candidate("bridge", load, "memory") as process:
        seen = psutil.Process(process.pid)
        before = seen.memory_info().rss
        for second in track(range(seconds), f"{devices} devices"):
            start_s = time.monotonic()
            bench.send(load, devices, 1 + second * devices)
            peak = max(peak, seen.memory_info().rss)
            time.sleep(max(0.0, 1.0 - (time.monotonic() - start_s)))
    return f"memory: {before / 1e6:.0f} MB at rest, {peak / 1e6:.0f} MB at most, {devices} devices"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser: Any = argparse.ArgumentParser(
        prog="python -m tools.bench.bridge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each (3)")
    parser.add_argument("--only", default="", help="loads with this in their name: pictures")
    parser.add_argument("--devices", type=int, default=0, help="devices for measuring memory")
    parser.add_argument("--seconds", type=int, default=20, help="seconds to measure memory (20)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, os.environ, parts=("kafka", "mqtt")) as infra:
            bench = Bench(infra)
            bench.connect(options.devices or SENDERS)
            if options.devices:
                print(memory(bench, options.devices, options.seconds))
            else:
                loads = [load for load in LOADS if options.only in load.name]
                print(throughput(bench, options.rounds, loads))


if __name__ == "__main__":
    main()
