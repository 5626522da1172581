"""Measure how fast our producer, aiokafka's defaults and librdkafka write pictures to Kafka.

  python -m tools.bench.produce     (`pip install confluent-kafka` adds the third)
  python -m tools.bench.produce --one-way-ms 0 1 5      a proxy that delays between them and Kafka

Each writes the same 80 kB records to one topic, waits for all acknowledgements, and takes turns
with the others. The bench starts its own Kafka on a free loopback port. `--one-way-ms` adds a delay
to every request.
"""

import argparse
import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from rich.progress import track

from parking.core.topics import FRAMES
from parking.runtime.kafka import KafkaSettings, new_producer
from tools.cli import admin
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

IN_FLIGHT: Final = 256
"""The number of records that wait for their acknowledgement at the same time, as in ingest's
batches."""

Keyed = tuple[bytes, bytes]
"""Key and value of a record."""

Writer = Callable[[str, list[Keyed]], Coroutine[Any, Any, None]]


async def ours(bootstrap: str, values: list[Keyed]) -> None:
    """Write with the producer that every service uses."""
    await _by_aiokafka(new_producer(KafkaSettings(bootstrap)), values)


async def defaults(bootstrap: str, values: list[Keyed]) -> None:
    """Write with aiokafka's defaults: acks=1, batches of 16 kB."""
    await _by_aiokafka(AIOKafkaProducer(bootstrap_servers=bootstrap), values)


async def safe_defaults(bootstrap: str, values: list[Keyed]) -> None:
    """Write with aiokafka's batches and our guarantees: acks=all, idempotent."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await _by_aiokafka(producer, values)


async def _by_aiokafka(producer: Any, values: list[Keyed]) -> None:
    await producer.start()
    try:
        for start in range(0, len(values), IN_FLIGHT):
            part = values[start : start + IN_FLIGHT]
            begun = [await producer.send(FRAMES, value, key=key) for key, value in part]
            await asyncio.gather(*begun)
    finally:
        await producer.stop()


async def by_librdkafka(bootstrap: str, values: list[Keyed]) -> None:
    """Write with confluent-kafka and the same guarantees."""
    confluent: Any = importlib.import_module("confluent_kafka")
    producer = confluent.Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": 2_000_000,
        }
    )
    for start in range(0, len(values), IN_FLIGHT):
        for key, value in values[start : start + IN_FLIGHT]:
            producer.produce(FRAMES, value, key=key)
        producer.flush()


def measure(bootstrap: str, writers: dict[str, Writer], values: list[Keyed], rounds: int) -> str:
    """Measure all writers and return the table."""
    rates: dict[str, list[float]] = {name: [] for name in writers}
    for _ in track(range(rounds), "writing"):
        for name, write in writers.items():
            began = time.monotonic()
            asyncio.run(write(bootstrap, values))
            rates[name].append(len(values) / (time.monotonic() - began))
    lines = ["| producer | records a second | ours / it |", "|---|---|---|"]
    for name, found in rates.items():
        ratio = median(a / b for a, b in zip(rates["ours"], found, strict=True))
        lines.append(f"| {name} | {median(found):.0f} | {ratio:.2f} |")
    return "\n".join(lines)


@contextmanager
def farther(near_port: int, far_port: int, one_way_ms: float) -> Iterator[str]:
    """Provide an address of Kafka behind the delay while the block runs."""
    command = ["tools.bench.distance", str(far_port), str(near_port), str(one_way_ms)]
    proxy = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert proxy.stdout is not None  # noqa: S101 -- requested with PIPE
        proxy.stdout.readline()
        yield f"{HOST}:{far_port}"
    finally:
        proxy.kill()
        proxy.wait()


def second_way(infra: Infra) -> tuple[int, int]:
    """Restart Kafka with a second listener, and return that listener's port and the port that it
    advertises. Clients connect to the advertised address, so the proxy must listen there."""
    near_port, far_port = free_ports(2)
    kafka, controller = (infra.settings.ports[name] for name in ("kafka", "kafka_controller"))
    infra.stop("kafka")
    with (infra.settings.paths.state / "kafka" / "server.properties").open("a") as properties:
        properties.write(
            f"listeners=PLAINTEXT://{HOST}:{kafka},FAR://{HOST}:{near_port},"
            f"CONTROLLER://{HOST}:{controller}\n"
            f"advertised.listeners=PLAINTEXT://{HOST}:{kafka},FAR://{HOST}:{far_port}\n"
            "listener.security.protocol.map="
            "PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        )
    infra.start("kafka")
    return near_port, far_port


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.produce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=3_000, help="a turn (3000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns each (3)")
    parser.add_argument(
        "--cameras",
        type=int,
        default=8,
        help="number of keys, and so the largest number of partitions (8)",
    )
    parser.add_argument(
        "--one-way-ms",
        type=float,
        nargs="*",
        default=[],
        help="one-way delays to Kafka, with one table for each",
    )
    options = parser.parse_args()
    values = [
        (f"bench/cam-{number % options.cameras}".encode(), os.urandom(80_000))
        for number in range(options.records)
    ]
    writers: dict[str, Writer] = {
        "ours": ours,
        "aiokafka's defaults": defaults,
        "its batches, acks=all, idempotent": safe_defaults,
    }
    if importlib.util.find_spec("confluent_kafka"):
        writers["confluent-kafka, acks=all, idempotent"] = by_librdkafka
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, os.environ, parts=("kafka",)) as infra:
            asyncio.run(admin.apply_topics(KafkaSettings(infra.bootstrap)))
            if not options.one_way_ms:
                print(measure(infra.bootstrap, writers, values, options.rounds))
                return
            near_port, far_port = second_way(infra)
            for one_way_ms in options.one_way_ms:
                with farther(near_port, far_port, one_way_ms) as bootstrap:
                    table = measure(bootstrap, writers, values, options.rounds)
                print(f"\n{one_way_ms:g} ms one way\n\n{table}")


if __name__ == "__main__":
    main()
