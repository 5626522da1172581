"""Measure what polled IP cameras cost ingest: CPU and memory by kind of camera.

  python -m tools.bench.polled                         50 cameras of each kind, a picture every 5 s
  python -m tools.bench.polled --kinds rtsp --cameras 8 50

Cameras send 1280x720: snapshots on request, MJPEG and H.264 at 10 pictures a second. Ingest runs
with its readers, Kafka and the broker on this computer. The cameras are a separate process, which
is not counted. It starts its own servers on free ports.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from rich.progress import track

from parking.core.topics import FRAMES
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer
from tools.stack.checks import free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

HOST: Final = "127.0.0.1"
PARTS: Final = ("kafka", "mqtt")
URLS: Final[Mapping[str, str]] = {
    "snapshot": "http://{host}:{http}/snapshot",
    "mjpeg": "http://{host}:{http}/mjpeg",
    "rtsp": "rtsp://{host}:{rtsp}/video",
}
WARM_S: Final = 30
"""Time for connecting and starting the readers, which is not measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of ingest and its readers: CPU milliseconds per second and per picture, peak
    resident megabytes, and how many of the expected pictures arrived."""

    cpu_ms_a_second: float
    cpu_ms_a_picture: float
    memory_mb: float
    processes: int
    share: float


@contextmanager
def cameras() -> Iterator[dict[str, int]]:
    """Start the simulated cameras and yield their ports."""
    http, rtsp = free_ports(2)
    command = [sys.executable, "-m", "tools.bench.polled_cameras", str(http), str(rtsp)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None  # noqa: S101 -- asked for above
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the simulated cameras did not start")
        yield {"http": http, "rtsp": rtsp}
    finally:
        process.kill()
        process.wait()


@contextmanager
def ingest(infra: Infra, file: Path) -> Iterator[psutil.Process]:
    """Run ingest with the cameras of that file."""
    env = {"CAMERAS_FILE": str(file), "CAMERAS_NETWORKS": f"{HOST}/32"}
    infra.start_service("ingest", env, limit_s=90)
    try:
        yield psutil.Process(infra.pid("ingest"))
    finally:
        infra.stop("ingest")


def cost(infra: Infra, kind: str, count: int, url: str, seconds: int, folder: Path) -> Cost:
    """Measure `count` cameras of one kind for that many seconds."""
    interval_s = 5
    entries = [
        {"camera": f"bench/{kind}-{n}", "kind": kind, "url": url, "interval_s": interval_s}
        for n in range(count)
    ]
    file = folder / f"{kind}-{count}.json"
    file.write_text(json.dumps({"cameras": entries}), "utf-8")
    with ingest(infra, file) as process:
        time.sleep(WARM_S)
        frames, begin_s, used_s = asyncio.run(_frames(infra)), time.monotonic(), _cpu_s(process)
        memory_mb, processes = 0.0, 0
        for _ in track(range(seconds), f"{count} cameras, {kind}"):
            time.sleep(1)
            family = [process, *process.children(recursive=True)]
            memory_mb = max(memory_mb, sum(one.memory_info().rss for one in family) / 1e6)
            processes = len(family)
        took_s, used_s = time.monotonic() - begin_s, _cpu_s(process) - used_s
        pictures = asyncio.run(_frames(infra)) - frames
    share = pictures / (count * took_s / interval_s)
    per_picture = used_s * 1000 / max(1, pictures)
    return Cost(used_s * 1000 / took_s, per_picture, memory_mb, processes, share)


def _cpu_s(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return float(sum(sum(one.cpu_times()[:2]) for one in family))


async def _frames(infra: Infra) -> int:
    """Return how many frames Kafka has."""
    consumer = new_consumer(KafkaSettings(infra.bootstrap))
    await consumer.start()
    try:
        ends = await consumer.end_offsets(await assign_all(consumer, FRAMES))
        return sum(ends.values())
    finally:
        await consumer.stop()


def table(rows: Mapping[tuple[str, int], Cost]) -> str:
    """Return the table in Markdown."""
    heads = (
        "kind",
        "cameras",
        "CPU, ms a second",
        "CPU, ms a picture",
        "memory, MB",
        "processes",
        "pictures of the expected",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for (kind, count), found in rows.items():
        numbers = (
            f"{found.cpu_ms_a_second:.0f}",
            f"{found.cpu_ms_a_picture:.1f}",
            f"{found.memory_mb:.0f}",
            f"{found.processes}",
            f"{found.share:.0%}",
        )
        lines.append(f"| {kind} | {count} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser: Any = argparse.ArgumentParser(
        prog="python -m tools.bench.polled",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = tuple(URLS)
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="kinds (all)")
    parser.add_argument("--cameras", nargs="+", type=int, default=[50], help="how many (50)")
    parser.add_argument("--seconds", type=int, default=60, help="seconds to measure (60)")
    options = parser.parse_args(arguments)
    rows: dict[tuple[str, int], Cost] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        paths = Paths(folder / "state", ROOT / ".state" / "cache")
        with Infra(paths, os.environ, parts=PARTS) as infra, cameras() as ports:
            for kind in options.kinds:
                url = URLS[kind].format(host=HOST, **ports)
                for count in options.cameras:
                    given = (infra, kind, count, url, options.seconds, folder)
                    rows[kind, count] = cost(*given)
    print(table(rows))


if __name__ == "__main__":
    main()
