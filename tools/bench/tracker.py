"""Measure the tracker's cost: records per CPU second, bytes written, and time to take over.

  python -m tools.bench.tracker                       10 sites of 1,000 slots, 25 cameras each
  python -m tools.bench.tracker --sites 2 --slots 100

The bench starts its own Kafka on a free port. A tracker processes a backlog of detections (40 slots
each, of which a fifth change every other time) and of gate events. Its CPU time is compared with
that of the bare step() over the same records. Then it is killed, and another one takes over. `--at
PATH` measures the tracker of another checkout with the same records.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil
from aiokafka import TopicPartition
from rich.progress import track

from parking.core.events import Event
from parking.core.topics import (
    CAMERA_STATUS,
    DETECTIONS,
    GATE_EVENTS,
    SESSIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    SLOT_STATE,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
    TRACKER_GROUP,
)
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.wire import codec
from parking.wire.ports import Outgoing
from tools.bench.trackerload import (
    Plan,
    bare,
    detections,
    gate_events,
    known_plates,
    layouts,
    plated_events,
)
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

OUTPUTS: Final = (SLOT_CHANGES, SLOT_STATE, CAMERA_STATUS, SESSIONS)
LIMIT_S: Final = 300.0
_CHUNK: Final = 500


class Bench:
    """One Kafka, and trackers that start and stop."""

    def __init__(self, infra: Infra, checkout: Path) -> None:
        self._infra = infra
        self._checkout = checkout
        self._kafka = KafkaSettings(infra.bootstrap)

    def send(self, topic: str, events: Sequence[Event]) -> None:
        """Write the events to Kafka."""

        async def work() -> None:
            producer = new_producer(self._kafka)
            await producer.start()
            try:
                for begin in track(range(0, len(events), _CHUNK), f"writing {topic}"):
                    some: list[Outgoing] = [
                        codec.outgoing(event, topic, event.site_id, "bench")
                        for event in events[begin : begin + _CHUNK]
                    ]
                    await KafkaProducer(producer).send(some)
            finally:
                await producer.stop()

        asyncio.run(work())

    @contextmanager
    def tracker(self) -> Iterator[tuple[psutil.Process, float]]:
        """Start a tracker and wait until it has all partitions. Yields it and the seconds that
        took."""
        (port,) = free_ports(1)
        env = self._infra.env_for("tracker") | {
            "HTTP_PORT": str(port),
            "PYTHONPATH": str(self._checkout),
        }
        began = time.monotonic()
        command = [sys.executable, "-m", "services.tracker"]
        process = subprocess.Popen(command, env=env, cwd=self._checkout)
        try:
            _until(lambda: _ready(port), "a ready tracker")
            yield psutil.Process(process.pid), time.monotonic() - began
        finally:
            process.kill()
            process.wait()

    def drained(self, topic: str) -> None:
        """Wait until the tracker has read this topic to its end."""
        ends = asyncio.run(self._ends(topic))
        _until(lambda: self._at(topic, ends), f"reading {topic} to its end")

    def bytes_of(self, *topics: str) -> int:
        """Return the size of the topics' records: keys and values in bytes."""

        async def work() -> int:
            consumer = new_consumer(self._kafka)
            await consumer.start()
            try:
                records = await read_to_end(consumer, await assign_all(consumer, *topics))
                return sum(len(r.key or b"") + len(r.value or b"") for r in records)
            finally:
                await consumer.stop()

        return asyncio.run(work())

    async def _ends(self, topic: str) -> dict[TopicPartition, int]:
        consumer = new_consumer(self._kafka)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(await assign_all(consumer, topic))
            return {place: end for place, end in ends.items() if end}
        finally:
            await consumer.stop()

    def _at(self, topic: str, ends: dict[TopicPartition, int]) -> bool:
        async def work() -> bool:
            consumer = new_consumer(self._kafka, group=TRACKER_GROUP)
            await consumer.start()
            try:
                await assign_all(consumer, topic)
                at = [(await consumer.committed(p) or 0, end) for p, end in ends.items()]
                return all(offset >= end for offset, end in at)
            finally:
                await consumer.stop()

        return asyncio.run(work())


@dataclass(frozen=True, slots=True)
class Load:
    """`count` items in the events of one topic, which come after the events in `before`."""

    what: str
    topic: str
    before: Sequence[Event]
    events: Sequence[Event]
    count: int


def measure(plan: Plan, bench: Bench) -> str:
    """Measure and return the table (Markdown)."""
    commands, inputs, gates = (
        list(layouts(plan)),
        list(detections(plan)),
        list(gate_events(plan)),
    )
    seen = sum(len(one.observations) for one in inputs)
    known, plated = list(known_plates(plan)), list(plated_events(plan))
    bench.send(SITE_COMMANDS, commands)
    rows = []
    written = output_bytes = 0
    with bench.tracker() as (process, _):
        bench.drained(SITE_COMMANDS)
        for load in (
            Load("observations", DETECTIONS, commands, inputs, seen),
            Load("gate events", GATE_EVENTS, commands, gates, len(gates)),
            Load("gate events with plates", GATE_EVENTS, known, plated, len(plated)),
        ):
            if load.before is known:
                bench.send(GATE_EVENTS, known)
                bench.drained(GATE_EVENTS)
            before = _cpu_s(process)
            with _paused(process):  # a backlog: one record's cost when there are many
                bench.send(load.topic, load.events)
            bench.drained(load.topic)
            spent, alone = _cpu_s(process) - before, bare(load.before, load.events)
            rows.append(
                f"| {load.what} a second of one core | {load.count / spent:.0f} "
                f"| {load.count / alone:.0f} | {alone / spent:.2f} |"
            )
            if load.topic == DETECTIONS:
                written = bench.bytes_of(TRACKER_CHECKPOINTS, TRACKER_BATCHES)
                output_bytes = bench.bytes_of(*OUTPUTS)
    with bench.tracker() as (_, seconds):
        pass
    lines = [
        f"{plan.sites} sites of {plan.slots} slots, {plan.cameras} cameras each, {len(inputs)} "
        f"detections, {len(gates)} gate events, {os.cpu_count()} cores",
        "",
        "| | tracker | step() alone | ratio |",
        "|---|---|---|---|",
        *rows,
        "",
        f"bytes a detection: {written / len(inputs):.0f} in checkpoints and batches, "
        f"{output_bytes / len(inputs):.0f} in output",
        f"taking over all of it: {seconds:.1f} s from the start of the process",
    ]
    return "\n".join(lines)


@contextmanager
def _paused(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not happen within {LIMIT_S:.0f} s")
        time.sleep(0.2)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.tracker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--slots", type=int, default=1_000, help="of each site (1000)")
    parser.add_argument("--rounds", type=int, default=12, help="detections of each camera (12)")
    parser.add_argument("--gate-events", type=int, default=10_000)
    parser.add_argument("--plates", type=int, default=7_000, help="known of one site (7000)")
    parser.add_argument("--at", type=Path, default=ROOT, help="the tracker's checkout (this one)")
    options = parser.parse_args()
    plan = Plan(options.sites, options.slots, options.rounds, options.gate_events, options.plates)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, os.environ, parts=("kafka",)) as infra:
            print(measure(plan, Bench(infra, options.at)))


if __name__ == "__main__":
    main()
