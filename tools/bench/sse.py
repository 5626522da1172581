"""Measure the event stream: memory per client, and how long a change takes to reach all clients.

`python -m tools.bench.sse --clients 1000 --slots 1000 --per-s 20` prints a table for the notifier's
gateway and a textbook one (tools/bench/gateway.py), each in its own process. The clients share this
process. On two cores they slow the gateway down, which clients on other machines would not do.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

import httpx
import psutil

from tools.bench.gateway import GATEWAYS
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

_TIME: Final = re.compile(rb'event: slot-change\r?\n.*?"time_ms":(\d+)', re.S)
_REQUEST: Final = b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """The load to measure."""

    clients: int
    slots: int
    per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """Bytes per client, delivery in milliseconds, and how many events arrived."""

    bytes_a_client: float
    p50_ms: float
    p99_ms: float
    events: int


@contextmanager
def running(gateway: str, slots: int, per_s: float) -> Iterator[tuple[int, psutil.Process]]:
    """Run a gateway and yield its port and process."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "tools.bench.gateway", gateway, str(port)]
    command += ["--slots", str(slots), "--per-s", str(per_s)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://{HOST}:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def measure(gateway: str, load: Load) -> Result:
    """Measure one gateway under this load."""
    with running(gateway, load.slots, load.per_s) as (port, process):
        before = process.memory_info().rss
        delays_ms, after = asyncio.run(_clients(port, process, load))
    cuts = quantiles(delays_ms, n=100)
    return Result((after - before) / load.clients, cuts[49], cuts[98], len(delays_ms))


async def _clients(port: int, process: psutil.Process, load: Load) -> tuple[list[float], int]:
    delays_ms: list[float] = []
    since_ms = 0.0

    async def one() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(_REQUEST)
        rest = b""
        try:
            while chunk := await reader.read(65_536):
                now_ms = time.time_ns() / 1e6
                rest += chunk
                found = list(_TIME.finditer(rest))
                times_ms = [int(match[1]) for match in found] if since_ms else []
                delays_ms.extend(now_ms - at_ms for at_ms in times_ms if at_ms >= since_ms)
                rest = rest[found[-1].end() :] if found else rest[-2_000:]
        finally:
            writer.close()

    tasks = []
    for _ in range(load.clients):
        tasks.append(asyncio.ensure_future(one()))
        await asyncio.sleep(0.005)
    await asyncio.sleep(5)  # until all clients have started
    since_ms = time.time_ns() / 1e6
    await asyncio.sleep(load.seconds)
    rss: int = process.memory_info().rss
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return delays_ms, rss


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.sse", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--per-s", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    load = Load(given.clients, given.slots, given.per_s, given.seconds)
    print("| Gateway | kB a client | p50 ms | p99 ms | events |\n|---|---|---|---|---|")
    for gateway in GATEWAYS:
        result = measure(gateway, load)
        delays = f"{result.p50_ms:.0f} | {result.p99_ms:.0f}"
        print(f"| {gateway} | {result.bytes_a_client / 1000:.0f} | {delays} | {result.events} |")


if __name__ == "__main__":
    main()
