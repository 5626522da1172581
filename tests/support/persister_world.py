"""A persister process among servers of its own, and ways to query them."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg.rows import dict_row

from parking.core import topics
from parking.runtime.kafka import KafkaProducer, KafkaSettings, new_consumer, new_producer
from parking.runtime.objects import S3Objects, S3Settings, new_client
from parking.wire.ports import Outgoing
from services.persister.handler import HANDLERS
from tests.support import persisting as make
from tests.support.databases import new_database
from tests.support.waiting import wait_until
from tools.stack.checks import free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

TABLES = (
    *("captures", "slot_changes", "session_events", "sessions", "gate_events", "device_events"),
    *("sites", "zones", "cameras", "layouts", "slots", "devices", "plates"),
)
FOREVER = {
    f"KEEP_{what}_DAYS": "36500"
    for what in ("CAPTURES", "EVIDENCE", "DEVICE_EVENTS", "SESSIONS", "PLATES", "CHANGES")
}


@contextmanager
def own_servers(folder: Path) -> Iterator[Infra]:
    """Run servers that no other test uses, because the persister reads whole topics and here the
    servers die."""
    paths = Paths(folder / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka", "postgres", "s3")) as running:
        yield running


@contextmanager
def new_world(infra: Infra, site: str, folder: Path) -> Iterator["World"]:
    """Return an empty database, a site and a consumer group of its own."""
    with new_database(infra) as url:
        yield World(infra, url, site, folder)


@dataclass
class Process:
    """One persister process."""

    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.persister"],
                env=self.env,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()

    def asked(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.env['HTTP_PORT']}{path}", timeout=5)

    def says(self, words: str) -> bool:
        """Return whether /readyz answers 503 for this reason."""
        answer = self.asked("/readyz")
        return answer.status_code == 503 and words in json.dumps(answer.json()["reasons"])

    def held(self) -> bool:
        """Return whether it has taken partitions."""
        return "partitions owned" in self.log.read_text("utf-8")

    def counted(self, metric: str) -> float:
        lines = [
            line for line in self.asked("/metrics").text.splitlines() if line.startswith(metric)
        ]
        return sum(float(line.split()[-1]) for line in lines)


@dataclass
class World:
    """The servers, an empty database, and ways to query them."""

    infra: Infra
    url: str
    site: str
    folder: Path

    def persister(self, **env: str) -> Process:
        (port,) = free_ports(1)
        own = {"DATABASE_URL": self.url, "HTTP_PORT": str(port), "PYTHONPATH": str(ROOT)}
        group = {"PERSISTER_GROUP": self.site}
        given = {**self.infra.env_for("persister"), **FOREVER, **own, **group, **env}
        return Process(given, self.folder / f"persister-{port}.log")

    def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        async def work() -> list[tuple[int, int]]:
            producer = new_producer(KafkaSettings(self.infra.bootstrap))
            await producer.start()
            try:
                return await KafkaProducer(producer).send(messages)
            finally:
                await producer.stop()

        return asyncio.run(work())

    def frames(self, *seqs: int) -> list[make.At]:
        """Return the frames in Kafka."""
        made = [make.frame(self.site, seq) for seq in seqs]
        places = self.send([message for _, message in made])
        return [make.At(event, *place) for (event, _), place in zip(made, places, strict=True)]

    def ends(self) -> dict[tuple[str, int], int]:
        """Return the end offsets of all partitions that the persister reads."""

        async def work(consumer: AIOKafkaConsumer) -> dict[tuple[str, int], int]:
            await consumer.start()
            try:
                places = [
                    TopicPartition(name, n)
                    for name in HANDLERS
                    for n in range(topics.TOPICS[name].partitions)
                ]
                return {tuple(p): end for p, end in (await consumer.end_offsets(places)).items()}
            finally:
                await consumer.stop()

        async def main() -> dict[tuple[str, int], int]:
            return await work(new_consumer(KafkaSettings(self.infra.bootstrap)))

        return asyncio.run(main())

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str, where: str = "true") -> int:
        return int(self.rows(f"select count(*) as n from {table} where {where}")[0]["n"])  # noqa: S608 -- a test's own words

    def counts(self) -> dict[str, int]:
        return {table: self.count(table) for table in TABLES}

    def offsets(self) -> dict[tuple[str, int], int]:
        """Return Postgres's offsets for the latest incarnations of the topics."""
        query = "select topic, partition, next_offset from kafka_offsets order by updated_at"
        return {(r["topic"], r["partition"]): r["next_offset"] for r in self.rows(query)}

    def drained(self, limit_s: float = 60) -> None:
        """Wait until Postgres's offsets are exactly Kafka's end offsets."""
        ends = self.ends()

        def caught_up() -> bool:
            try:
                return self.offsets() == ends
            except psycopg.Error:
                return False

        wait_until(caught_up, limit_s, "Postgres's offsets to be Kafka's ends")

    def objects(self) -> S3Objects:
        s3 = self.infra.s3
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
            patch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
            return S3Objects(new_client(S3Settings(s3.bucket, s3.endpoint, s3.region)), s3.bucket)

    def check_evidence(self) -> int:
        """Check that every row's object exists and has the row's hash. Return how many rows there
        are."""
        rows = self.rows("select * from slot_changes where evidence_key is not null")

        async def read(keys: set[str]) -> dict[str, bytes]:
            objects = self.objects()
            try:
                return {key: await objects.get(key) for key in keys}
            finally:
                objects.close()

        found = asyncio.run(read({row["evidence_key"] for row in rows}))
        for row in rows:
            assert hashlib.sha256(found[row["evidence_key"]]).hexdigest() == row["evidence_sha256"]
            assert row["frame_sha256"] == row["evidence_sha256"]
        return len(rows)


def changes_of(world: World, frames: Sequence[make.At]) -> list[Outgoing]:
    changes = [make.change(world.site, n + 1, at) for n, at in enumerate(frames)]
    return [make.out(change, topics.SLOT_CHANGES) for change in changes]


def gates_of(world: World, count: int, first: int = 0) -> list[Outgoing]:
    return [
        make.out(make.gate(world.site, n), topics.GATE_EVENTS) for n in range(first, first + count)
    ]


def dead_letters(world: World) -> list[tuple[bytes | None, bytes | None]]:
    async def work() -> list[tuple[bytes | None, bytes | None]]:
        consumer = new_consumer(KafkaSettings(world.infra.bootstrap))
        await consumer.start()
        try:
            place = TopicPartition(topics.DEAD_LETTERS, 0)
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            found: list[tuple[bytes | None, bytes | None]] = []
            while await consumer.position(place) < end:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += [(m.key, m.value) for m in batch]
            return found
        finally:
            await consumer.stop()

    return asyncio.run(work())
