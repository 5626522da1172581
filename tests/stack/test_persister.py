"""The persister as a process, on real Kafka, Postgres and S3: nothing lost, nothing twice."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from psycopg.rows import dict_row

from parking import admin, topics
from parking import events as ev
from parking.kafka import KafkaProducer, KafkaSettings, new_consumer, new_producer
from parking.memory import ManualClock
from parking.ports import Outgoing
from parking.stack.checks import free_ports
from parking.stack.infra import Infra
from parking.stack.settings import ROOT, Paths
from services.persister.handler import HANDLERS
from services.persister.objects import S3Objects, S3Settings, new_client
from services.persister.postgres import new_pool
from services.persister.retention import Keep, Retention
from tests import persisting as make
from tests.databases import new_database
from tests.playing import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

TABLES = (
    *("captures", "slot_changes", "session_events", "sessions", "gate_events", "device_events"),
    *("sites", "zones", "cameras", "layouts", "slots"),
)
FOREVER = {f"KEEP_{what}_DAYS": "36500" for what in ("CAPTURES", "EVIDENCE", "DEVICE_EVENTS")}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Servers of our own: here they are killed and wiped."""
    paths = Paths(tmp_path_factory.mktemp("persister") / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka", "postgres", "s3")) as running:
        yield running


@dataclass
class Process:
    """One persister."""

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
        """/readyz refuses, for this reason."""
        answer = self.asked("/readyz")
        return answer.status_code == 503 and words in json.dumps(answer.json()["reasons"])

    def held(self) -> bool:
        """It took partitions."""
        return "partitions held" in self.log.read_text("utf-8")

    def counted(self, metric: str) -> float:
        lines = [
            line for line in self.asked("/metrics").text.splitlines() if line.startswith(metric)
        ]
        return sum(float(line.split()[-1]) for line in lines)


@dataclass
class World:
    """The servers, an empty database, and what to ask them."""

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
        """Frames in Kafka."""
        made = [make.frame(self.site, seq) for seq in seqs]
        places = self.send([message for _, message in made])
        return [make.At(event, *place) for (event, _), place in zip(made, places, strict=True)]

    def ends(self) -> dict[tuple[str, int], int]:
        """End offsets of all that the persister reads."""

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
        """Postgres's offsets of the topics' latest incarnations."""
        query = "select topic, partition, next_offset from kafka_offsets order by updated_at"
        return {(r["topic"], r["partition"]): r["next_offset"] for r in self.rows(query)}

    def drained(self, limit_s: float = 60) -> None:
        """Wait until Postgres's offsets are Kafka's ends, exactly."""
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
        """Every row's object exists and has the row's hash; returns how many rows."""
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


@pytest.fixture
def world(own: Infra, unique: Callable[[str], str], tmp_path: Path) -> Iterator[World]:
    with new_database(own) as url:
        yield World(own, url, unique("site"), tmp_path)


def changes_of(world: World, frames: Sequence[make.At]) -> list[Outgoing]:
    changes = [make.change(world.site, n + 1, at) for n, at in enumerate(frames)]
    return [make.out(change, topics.SLOT_CHANGES) for change in changes]


def gates_of(world: World, count: int, first: int = 0) -> list[Outgoing]:
    return [
        make.out(make.gate(world.site, n), topics.GATE_EVENTS) for n in range(first, first + count)
    ]


def test_every_event_becomes_its_row_and_a_second_reading_adds_none(world: World):
    site, frames = world.site, world.frames(1, 2, 3)
    last = frames[2]
    detection = make.detection(last.frame, (last.partition, last.offset), [frames[0].frame.id])
    expired, _ = make.frame(site, 99)
    world.send(
        [
            make.out(make.layout(site, 1, ["A1", "A2"]), topics.LAYOUTS),
            make.out(detection, topics.DETECTIONS),
            make.out(
                ev.TickElapsed(id=f"{site}/tick/1", site_id=site, time_ms=1), topics.DETECTIONS
            ),
            *changes_of(world, frames[2:]),
            make.out(make.change(site, 2), topics.SLOT_CHANGES),
            make.out(make.change(site, 3, make.At(expired, 0, 10**9)), topics.SLOT_CHANGES),
            make.out(make.session(site, 1, "opened", entry_at_ms=5), topics.SESSIONS),
            *gates_of(world, 2),
            make.out(make.device(site, 1), topics.DEVICE_EVENTS),
            make.out(make.camera_status(site, 1), topics.CAMERA_STATUS),
        ]
    )
    mine = {
        "captures": 3,
        "slot_changes": 3,
        "gate_events": 2,
        "device_events": 1,
        "sessions": 1,
        "cameras": 1,
        "slots": 2,
        "zones": 1,
    }
    with world.persister() as running:
        world.drained()
        assert {table: world.count(table, f"site_id = '{site}'") for table in mine} == mine
        assert running.asked("/readyz").status_code == 200
        assert running.asked("/healthz").status_code == 200
        before = world.counts()
    statuses = world.rows("select status from captures where site_id = %s order by frame_id", site)
    assert [row["status"] for row in statuses] == ["skipped", "received", "analysed"]
    missing = world.rows(
        "select evidence_missing as m from slot_changes where site_id = %s order by version", site
    )
    assert [row["m"] for row in missing] == [None, None, "beyond-the-end"]
    assert world.check_evidence() == 1
    (slot,) = world.rows("select * from slots where site_id = %s and slot_id = 'A1'", site)
    assert (slot["state"], slot["version"], slot["enabled"]) == ("occupied", 3, True)

    world.rows("update kafka_offsets set next_offset = 0")
    with world.persister():
        world.drained()
        assert world.counts() == before


def test_a_poison_record_is_set_aside_and_blocks_nothing(world: World):
    good = gates_of(world, 20)
    poison = [Outgoing(topics.GATE_EVENTS, world.site.encode(), bad) for bad in (b"{", b"", None)]
    nul = make.out(make.gate(world.site, 99, plate_hash="a\0b"), topics.GATE_EVENTS)
    world.send([*good[:10], *poison, nul, *good[10:]])
    with world.persister() as running:
        world.drained()
        assert running.counted("parking_dead_letters_total{") >= 4
    assert world.count("gate_events", f"site_id = '{world.site}'") == 20
    letters = [r for r in dead_letters(world) if r[0] == world.site.encode()]
    assert sorted(r[1] or b"" for r in letters) == sorted([b"{", b"", b"", nul.value or b""])


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


@pytest.mark.parametrize("point", ["after-object", "after-dead-letters", "after-rows"])
def test_a_kill_between_two_steps_loses_and_doubles_nothing(world: World, point: str):
    frames = world.frames(*range(60))
    world.send(changes_of(world, frames) + gates_of(world, 140))
    with world.persister(FAULT=f"persister.{point}:kill", PERSISTER_BATCH="50") as killed:
        assert killed.process.wait(60) == -signal.SIGKILL
    written = sum(world.counts().values())
    assert (written > 0) == (point == "after-rows"), "the point lies where it says"
    if point == "after-object":
        assert world.count("objects") > 0
    with world.persister():
        world.drained()
        # After the first two points everything is given again; the third had moved on already.
        assert world.count("slot_changes", f"site_id = '{world.site}'") == 60
        assert world.count("gate_events", f"site_id = '{world.site}'") == 140
        assert world.count("captures", f"site_id = '{world.site}'") == 60
    assert world.check_evidence() >= 60


def test_a_member_that_was_away_cannot_write_into_its_successors_partitions(world: World):
    world.send(gates_of(world, 200))
    with world.persister() as first:
        world.drained()
        # The first one hangs in its transaction, is frozen there, and loses its partitions.
        with psycopg.connect(world.url) as blocker:
            blocker.execute("lock table gate_events in access exclusive mode")
            world.send(gates_of(world, 200, 200))
            waiting = (
                "select 1 from pg_stat_activity "
                "where wait_event_type = 'Lock' and datname = current_database()"
            )
            wait_until(lambda: bool(world.rows(waiting)), 30, "a transaction at the lock")
            first.process.send_signal(signal.SIGSTOP)
            blocker.rollback()
        with world.persister() as second:
            wait_until(lambda: generation(world) >= 2, 60, "the second one's claim")
            world.drained()
            assert second.process.poll() is None
            first.process.send_signal(signal.SIGCONT)
            world.send(gates_of(world, 200, 400))
            wait_until(lambda: first.counted("parking_fenced_writes_total") >= 1, 60, "the fence")
            world.drained()
            assert first.process.poll() is None
    assert world.count("gate_events", f"site_id = '{world.site}'") == 600


def generation(world: World) -> int:
    (row,) = world.rows("select max(generation) as g from kafka_offsets")
    return int(row["g"] or 0)


def test_members_come_and_go_under_load(world: World):
    with world.persister(PERSISTER_BATCH="20"):
        for number in range(3):
            with world.persister(PERSISTER_BATCH="20") as other:
                world.send(gates_of(world, 300, 300 * number))
                wait_until(lambda: other.process.poll() is None and other.held(), 60, "its share")
                if number == 1:
                    other.process.kill()
        world.drained(90)
    assert world.count("gate_events", f"site_id = '{world.site}'") == 900


def test_a_wiped_kafka_begins_at_the_beginning(world: World):
    world.send(gates_of(world, 300))
    with world.persister():
        world.drained()
        old = dict(world.offsets())
    asyncio.run(make_topics_again(world))
    world.send(gates_of(world, 20, 1000))
    assert all(end <= 20 for end in world.ends().values())
    assert max(old.values()) >= 300
    with world.persister():
        wait_until(
            lambda: world.count("gate_events", f"site_id = '{world.site}'") == 320,
            60,
            "the rows of the new topic",
        )


async def make_topics_again(world: World) -> None:
    settings = KafkaSettings(world.infra.bootstrap)
    client = AIOKafkaAdminClient(**settings.client())
    await client.start()
    try:
        await client.delete_topics(list(HANDLERS))
        deadline = time.monotonic() + 30
        while set(HANDLERS) & set(await client.list_topics()):
            assert time.monotonic() < deadline, "the topics did not go"
            await asyncio.sleep(0.1)
    finally:
        await client.close()
    await admin.apply_topics(settings)


@pytest.mark.parametrize("part", ["postgres", "s3"])
def test_an_outage_is_waited_out_and_told(world: World, part: str):
    with world.persister(S3_TIMEOUT_S="2") as running:
        world.drained()
        world.infra.stop(part)
        try:
            frames = world.frames(*range(5))
            world.send(changes_of(world, frames) + gates_of(world, 5))
            words = {"postgres": "Postgres", "s3": "S3"}[part]
            wait_until(lambda: running.says(words), 60, "/readyz to tell the outage")
            assert running.asked("/healthz").status_code == 200
        finally:
            world.infra.start(part)
        world.drained(90)
        wait_until(lambda: running.asked("/readyz").status_code == 200, 30, "/readyz")
    assert world.count("slot_changes", f"site_id = '{world.site}'") == 5
    assert world.check_evidence() >= 5


def test_postgres_killed_under_load_loses_nothing(world: World):
    with world.persister(PERSISTER_BATCH="10") as running:
        for number in range(3):
            world.send(gates_of(world, 200, 200 * number))
            starts = world.infra.starts("postgres")
            world.infra.kill("postgres")
            world.infra.wait_restarted("postgres", starts + 1)
        world.drained(90)
        assert running.process.poll() is None
    assert world.count("gate_events", f"site_id = '{world.site}'") == 600


def test_what_is_past_its_time_goes_and_orphans_are_swept(world: World):
    frames = world.frames(1, 2)
    shared = make.out(make.change(world.site, 9, frames[0], slot_id="B1"), topics.SLOT_CHANGES)
    device = make.out(make.device(world.site, 1), topics.DEVICE_EVENTS)
    world.send([*changes_of(world, frames), shared, device])
    with world.persister():
        world.drained()
    keys = sorted(make.key_of(at.frame) for at in frames)
    clock = ManualClock(int(time.time() * 1000))
    prefix = f"evidence/{world.site}/"

    async def work() -> list[Mapping[str, Any]]:
        objects = world.objects()
        orphan = f"{prefix}north/0/orphan.jpg"
        async with new_pool(world.url, 2) as pool:
            keep = Keep(captures_days=36500, evidence_days=36500, device_events_days=36500)
            stop = asyncio.Event()
            world.rows("insert into objects values (%s, %s)", orphan, clock.now_ms())
            await objects.put(orphan, b"x")
            seen: list[Mapping[str, Any]] = []
            await Retention(pool, objects, clock, keep).once(stop)
            seen.append({"at once": await objects.list(prefix, 10)})
            clock.advance(3_601_000)
            await Retention(pool, objects, clock, keep).once(stop)
            seen.append({"after an hour": await objects.list(prefix, 10)})
            short = Keep(captures_days=0.01, evidence_days=0.01, device_events_days=0.01)
            clock.advance(400 * 86_400_000)
            await Retention(pool, objects, clock, short).once(stop)
            seen.append({"after its time": await objects.list(prefix, 10)})
        objects.close()
        return seen

    orphan = f"{prefix}north/0/orphan.jpg"
    assert asyncio.run(work()) == [
        {"at once": sorted([orphan, *keys])},
        {"after an hour": keys},
        {"after its time": []},
    ]
    assert world.count("captures") == world.count("device_events") == world.count("objects") == 0
    assert world.count("slot_changes", f"site_id = '{world.site}'") == 3
    assert world.count("slot_changes", "evidence_key is not null") == 0
    assert world.count("slot_changes", "evidence_missing = 'retention'") >= 3
