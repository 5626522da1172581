"""What the tracker costs: records a second of a core, bytes written, and time to take over.

  python -m tools.bench.tracker                       10 sites of 1,000 slots, 25 cameras each
  python -m tools.bench.tracker --sites 2 --slots 100

Starts a Kafka of its own on a free port. A tracker works off detections (40 slots each; a fifth of
the slots change every other time) and gate events; its own time of the processor is compared with
the bare step() over the same records. Then it is killed, and another one takes over.
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

from parking import codec
from parking.events import (
    DetectionMade,
    Event,
    FrameRef,
    GateEventReceived,
    ImageHealth,
    LayoutAdopted,
    Observation,
    SiteCommanded,
    SlotRef,
)
from parking.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.occupancy import step
from parking.ports import Outgoing
from parking.site import Site
from parking.stack.checks import HOST, free_ports
from parking.stack.infra import Infra
from parking.stack.settings import ROOT, Paths
from parking.topics import (
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

OUTPUTS: Final = (SLOT_CHANGES, SLOT_STATE, CAMERA_STATUS, SESSIONS)
SEEN: Final = 40
"""Slots that a camera sees."""
LIMIT_S: Final = 300.0
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """How large, and how much. `rounds`: detections of each camera."""

    sites: int
    slots: int
    rounds: int
    gate_events: int

    @property
    def cameras(self) -> int:
        """Of each site."""
        return -(-self.slots // SEEN)


def layouts(plan: Plan) -> Iterator[SiteCommanded]:
    """Every camera's."""
    for site in range(plan.sites):
        for camera in range(plan.cameras):
            slots = range(camera * SEEN, min((camera + 1) * SEEN, plan.slots))
            refs = [SlotRef(slot_id=f"s{n:04d}", zone_id="a") for n in slots]
            camera_id = f"site-{site}/c{camera}"
            order = LayoutAdopted(camera_id=camera_id, version=1, interval_ms=5_000, slots=refs)
            yield SiteCommanded(
                id=f"adopt/{camera_id}",
                site_id=f"site-{site}",
                time_ms=_now_ms(),
                issued_by="bench",
                command=order,
            )


def detections(plan: Plan) -> Iterator[DetectionMade]:
    """In rounds, one of each camera; a tenth of the slots is occupied, others each two rounds."""
    for number in range(plan.rounds):
        for site in range(plan.sites):
            for camera in range(plan.cameras):
                camera_id = f"site-{site}/c{camera}"
                frame_id = f"{camera_id}/1/{number}"
                slots = range(camera * SEEN, min((camera + 1) * SEEN, plan.slots))
                yield DetectionMade(
                    id=frame_id,
                    site_id=f"site-{site}",
                    time_ms=_now_ms(),
                    camera_id=camera_id,
                    frame_ref=FrameRef(frame_id=frame_id, partition=0, offset=number),
                    width=1280,
                    height=720,
                    layout_version=1,
                    model_id="bench",
                    health=ImageHealth(status="ok", brightness=0.5, sharpness=100.0),
                    boxes=[],
                    observations=[
                        Observation(
                            slot_id=f"s{n:04d}",
                            state="occupied" if n % 10 == number // 2 % 10 else "free",
                            confidence=0.97,
                        )
                        for n in slots
                    ],
                    timings_ms={},
                )


def gate_events(plan: Plan) -> Iterator[GateEventReceived]:
    """Of the first site: in and out in turns."""
    begin_ms = _now_ms() - plan.gate_events
    for number in range(plan.gate_events):
        yield GateEventReceived(
            id=f"site-0/gate/1/{number}",
            site_id="site-0",
            time_ms=begin_ms + number,
            device_id="site-0/gate",
            gate_id="main",
            direction="exit" if number % 2 else "entry",
            via="mqtt",
            time_source="device",
            boot_id=1,
            seq=number,
        )


def bare(commands: Sequence[Event], events: Sequence[Event]) -> float:
    """Seconds of the processor that step() alone takes for the events."""
    sites: dict[str, Site] = {}
    for event in commands:
        sites[event.site_id], _ = step(sites.get(event.site_id, Site(site_id=event.site_id)), event)
    begin = time.process_time()
    for event in events:
        sites[event.site_id], _ = step(sites.get(event.site_id, Site(site_id=event.site_id)), event)
    return time.process_time() - begin


class Bench:
    """One Kafka, and trackers that come and go."""

    def __init__(self, infra: Infra) -> None:
        self._infra = infra
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
        """A running one that has all partitions, and the seconds until it had."""
        (port,) = free_ports(1)
        env = self._infra.env_for("tracker") | {"HTTP_PORT": str(port), "PYTHONPATH": str(ROOT)}
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "services.tracker"], env=env, cwd=ROOT)
        try:
            _until(lambda: _ready(port), "a ready tracker")
            yield psutil.Process(process.pid), time.monotonic() - began
        finally:
            process.kill()
            process.wait()

    def drained(self, topic: str) -> None:
        """Wait until the tracker has read this topic to its end."""
        ends = asyncio.run(self._ends(topic))
        _until(lambda: self._at(topic, ends), f"{topic} worked off")

    def bytes_of(self, *topics: str) -> int:
        """Keys and values of the topics' records."""

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


def measure(plan: Plan, bench: Bench) -> str:
    """The table (Markdown)."""
    commands, made, gates = list(layouts(plan)), list(detections(plan)), list(gate_events(plan))
    seen = sum(len(one.observations) for one in made)
    bench.send(SITE_COMMANDS, commands)
    rows = []
    with bench.tracker() as (process, _):
        bench.drained(SITE_COMMANDS)
        for topic, events, count, what in (
            (DETECTIONS, made, seen, "observations"),
            (GATE_EVENTS, gates, len(gates), "gate events"),
        ):
            before = _cpu_s(process)
            bench.send(topic, events)
            bench.drained(topic)
            spent, alone = _cpu_s(process) - before, bare(commands, events)
            rows.append(
                f"| {what} a second of one core | {count / spent:.0f} | {count / alone:.0f} "
                f"| {alone / spent:.2f} |"
            )
        written = bench.bytes_of(TRACKER_CHECKPOINTS, TRACKER_BATCHES)
        told = bench.bytes_of(*OUTPUTS)
    with bench.tracker() as (_, seconds):
        pass
    lines = [
        f"{plan.sites} sites of {plan.slots} slots, {plan.cameras} cameras each, {len(made)} "
        f"detections, {len(gates)} gate events, {os.cpu_count()} cores",
        "",
        "| | tracker | step() alone | ratio |",
        "|---|---|---|---|",
        *rows,
        "",
        f"bytes a detection: {written / len(made):.0f} in checkpoints and batches, "
        f"{told / len(made):.0f} in what is told",
        f"taking over all of it: {seconds:.1f} s from the start of the process",
    ]
    return "\n".join(lines)


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
            raise TimeoutError(f"not within {LIMIT_S:.0f} s: {what}")
        time.sleep(0.2)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.tracker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--slots", type=int, default=1_000, help="of each site (1000)")
    parser.add_argument("--rounds", type=int, default=12, help="detections of each camera (12)")
    parser.add_argument("--gate-events", type=int, default=10_000)
    options = parser.parse_args()
    plan = Plan(options.sites, options.slots, options.rounds, options.gate_events)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, os.environ, parts=("kafka",)) as infra:
            print(measure(plan, Bench(infra)))


if __name__ == "__main__":
    main()
