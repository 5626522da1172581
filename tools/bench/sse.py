"""Measure the event stream: memory per client, and how long a change takes to reach the clients.

`python -m tools.bench.sse --clients 1000 5000 --slots 1000 --per-s 20` prints a table of the
notifier's gateway, a textbook one and a raw asyncio writer (tools/bench/gateway.py), each in a
process of its own, in turn. Memory is measured before the first change, with all clients connected
and their snapshots read. The clients share the computer with the gateway (tools/bench/
sse_clients.py).
"""

import argparse
import asyncio
import os
import signal
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

from parking.runtime.giveback import EVERY_S
from tools.bench.gateway import GATEWAYS, allow_many_files
from tools.bench.sse_clients import Timed, kept_up
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

_TIMED: Final = 100
_WARM_UP_S: Final = 2.0
_IDLE_S: Final = 3 * EVERY_S
"""After the last snapshot was read, until memory that the connecting took is given back."""
_NOTHING: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Load:
    """The load to measure."""

    clients: int
    slots: int
    per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """Bytes per idle client, delivery in milliseconds, the share of the events that the timed
    clients received, and the gateway's share of a core."""

    bytes_a_client: float
    p50_ms: float
    p99_ms: float
    received: float
    core: float


@contextmanager
def running(
    gateway: str, slots: int, per_s: float, *more: str
) -> Iterator[tuple[int, psutil.Process]]:
    """A gateway's port and process."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "tools.bench.gateway", gateway, str(port)]
    command += ["--slots", str(slots), "--per-s", str(per_s), *more]
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
    with running(gateway, load.slots, load.per_s, "--wait") as (port, process):
        asyncio.run(_one_time_costs(port))
        before = process.memory_info().rss
        timed = min(_TIMED, load.clients)
        with kept_up(port, load.clients - timed):
            return asyncio.run(_deliver(port, process, load, before))


async def _one_time_costs(port: int) -> None:
    first = Timed(port)
    await first.connect(3)
    await asyncio.sleep(_WARM_UP_S)
    await first.close()


async def _deliver(port: int, process: psutil.Process, load: Load, before: int) -> Result:
    timed, count = Timed(port), min(_TIMED, load.clients)
    await timed.connect(count)
    await asyncio.sleep(_IDLE_S)
    idle = process.memory_info().rss - before
    process.send_signal(signal.SIGUSR1)
    await asyncio.sleep(_WARM_UP_S)
    timed.delays_ms.clear()
    cpu_s, began_s = _cpu_s(process), time.monotonic()
    await asyncio.sleep(load.seconds)
    spent_s = time.monotonic() - began_s
    delays_ms, core = list(timed.delays_ms), (_cpu_s(process) - cpu_s) / spent_s
    await timed.close()
    if timed.ended:
        raise RuntimeError(f"the gateway ended {timed.ended} streams")
    cuts = quantiles(delays_ms, n=100) if len(delays_ms) > 1 else [_NOTHING] * 99
    received = len(delays_ms) / (spent_s * load.per_s * count)
    return Result(idle / load.clients, cuts[49], cuts[98], received, core)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.sse", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1_000])
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--per-s", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--gateways", nargs="+", choices=GATEWAYS, default=list(GATEWAYS))
    given = parser.parse_args()
    allow_many_files()
    print("| Clients | Gateway | kB an idle client | p50 ms | p99 ms | received | core | load |")
    print("|---|---|---|---|---|---|---|---|")
    for clients in given.clients:
        load = Load(clients, given.slots, given.per_s, given.seconds)
        for gateway in given.gateways:
            result = measure(gateway, load)
            cells = (
                f"{result.bytes_a_client / 1000:.1f} | {result.p50_ms:.0f} | {result.p99_ms:.0f}"
            )
            shares = f"{result.received:.0%} | {result.core:.2f} | {os.getloadavg()[0]:.1f}"
            print(f"| {clients:,} | {gateway} | {cells} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
