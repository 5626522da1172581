"""When the disk of the embedded stack fills up and is freed, Kafka waits, reports why and recovers
by itself, and every acknowledged record is there. The disk is a small file system in memory, which
needs root."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parking.core.errors import Retryable
from parking.core.topics import FRAMES, GATE_EVENTS
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.wire.ports import Outgoing
from services.ingest.adapters import SteadyProducer
from tests.support.waiting import wait_until
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

SIZE_MB = 700
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


class Writer:
    """Writes numbered records until Kafka accepts no more."""

    def __init__(self, infra: Infra) -> None:
        self.kafka = KafkaSettings(infra.bootstrap)
        self.acked: list[bytes] = []

    async def write(self, count: int) -> bool:
        producer = SteadyProducer(self.kafka, (GATE_EVENTS, FRAMES), 8.0)
        try:
            for _ in range(count):
                value = f"{len(self.acked)}".encode()
                await producer.send([Outgoing(GATE_EVENTS, b"site", value)])
                self.acked.append(value)
        except Retryable:
            return False
        finally:
            await producer.close()
        return True

    async def read(self) -> list[bytes]:
        consumer = new_consumer(self.kafka)
        await consumer.start()
        try:
            places = await assign_all(consumer, GATE_EVENTS)
            return [record.value or b"" for record in await read_to_end(consumer, places)]
        finally:
            await consumer.stop()


def fill(folder: Path) -> Path:
    """Fill it until nothing more fits."""
    file = folder / "ballast"
    with file.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(1_000_000))
        except OSError:
            return file


def test_a_full_disk_pauses_kafka_and_loses_nothing(
    small_disk: Path, record_property: Callable[[str, object], None]
) -> None:
    paths = Paths(small_disk / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka",)) as infra:
        writer = Writer(infra)
        assert asyncio.run(writer.write(100))
        ballast = fill(small_disk)
        assert not asyncio.run(writer.write(100_000)), "the disk is full"
        kafka = infra._supervisor.units["kafka"]  # noqa: SLF001 -- its state is what is asked
        wait_until(lambda: kafka.state == "no space", 120, "Kafka waits for space")
        starts = kafka.starts
        before = len(writer.acked)
        ballast.unlink()
        infra.wait_healthy("kafka", limit_s=120)
        assert infra.starts("kafka") == starts + 1, "started once, when there was room"
        assert "is full" in infra.log("stack")
        assert asyncio.run(writer.write(100))
        found = asyncio.run(writer.read())
        record_property("acked", f"{before} before, {len(writer.acked)} in all")
        assert set(writer.acked) <= set(found)
