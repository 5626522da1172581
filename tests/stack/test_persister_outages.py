"""Ownership of partitions, and outages of servers and group members."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from parking.core.topics import GATE_EVENTS
from parking.runtime.kafka import KafkaSettings, new_consumer
from parking.runtime.runner import next_offsets
from parking.wire.ports import Record
from services.persister.adapters import PlaceKeeper
from services.persister.handler import HANDLERS
from services.persister.memory import MemoryEvents
from services.persister.postgres import PostgresEvents, new_pool, prepare
from tests.support.persister_world import World, changes_of, gates_of, new_world, own_servers
from tests.support.waiting import nightly, wait_until
from tools.cli import admin
from tools.stack.infra import Infra

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    with own_servers(tmp_path_factory.mktemp("persister")) as running:
        yield running


@pytest.fixture
def world(own: Infra, unique: Callable[[str], str], tmp_path: Path) -> Iterator[World]:
    with new_world(own, unique("site"), tmp_path) as made:
        yield made


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


def test_it_knows_whether_records_are_waiting(world: World):
    """Test `behind` on a real Kafka: before its partitions are claimed, with records, and
    without."""

    async def work() -> list[bool]:
        consumer = new_consumer(KafkaSettings(world.infra.bootstrap), group=world.site)
        keeper = PlaceKeeper(consumer, [GATE_EVENTS], MemoryEvents())
        await consumer.start()
        try:
            keeper.subscribe()
            found = [await keeper.behind()]
            records: list[Record] = []
            async with asyncio.timeout(60):
                while not records:
                    records = await keeper.getmany(500, 1000)
            found.append(await keeper.behind())
            async with asyncio.timeout(60):
                while records:
                    await keeper.commit(next_offsets(records))
                    records = await keeper.getmany(500, 1000)
            return [*found, await keeper.behind()]
        finally:
            await consumer.stop()

    world.send(gates_of(world, 5))
    assert asyncio.run(work()) == [True, True, False]


@pytest.mark.parametrize("part", [nightly("kafka"), nightly("postgres")])
def test_an_outage_longer_than_the_limit_of_standing_still_does_not_fail_it(
    world: World, part: str
):
    with world.persister(PERSISTER_STALL_S="5", PERSISTER_BATCH="20") as running:
        world.send(gates_of(world, 20))
        world.drained()
        world.infra.stop(part)
        try:
            until = time.monotonic() + 15
            while time.monotonic() < until:
                assert running.asked("/healthz").status_code == 200
        finally:
            world.infra.start(part)
        world.send(gates_of(world, 20, 100))
        world.drained()


def test_a_write_that_never_ends_fails_it(world: World):
    """The database takes the rows and does not answer, as with a firewall in between or a hung
    server."""
    with world.persister(PERSISTER_STALL_S="5") as running:
        world.drained()
        others = "datname = current_database() and pid <> pg_backend_pid()"
        rows = world.rows(f"select pid from pg_stat_activity where {others}")  # noqa: S608
        backends = [row["pid"] for row in rows]
        assert backends
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        try:
            world.send(gates_of(world, 20))
            wait_until(lambda: running.asked("/healthz").status_code == 503, 60, "a failing health")
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("part", ["postgres", "s3"])
def test_an_outage_is_waited_out_and_reported(world: World, part: str):
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


def test_a_group_that_kafka_forgot_goes_on(world: World):
    world.send(gates_of(world, 10))
    with world.persister():
        world.drained()
    # As when the group lay empty for a week: Kafka's generations begin at 1 again, ours do not.
    world.rows("update kafka_offsets set generation = generation + 1000")
    world.send(gates_of(world, 10, 10))
    with world.persister() as running:
        world.drained()
        assert "counts its generations from 1 again" in running.log.read_text("utf-8")
    assert world.count("gate_events", f"site_id = '{world.site}'") == 20


async def test_a_member_that_waited_out_a_long_outage_joins_again(world: World):
    kafka = KafkaSettings(world.infra.bootstrap)
    await prepare(world.url)
    consumer = new_consumer(kafka, group=world.site, max_poll_interval_ms=1000)
    async with new_pool(world.url, 2) as pool:
        await consumer.start()
        try:
            keeper = PlaceKeeper(consumer, list(HANDLERS), PostgresEvents(pool))
            keeper.subscribe()
            first = await generation_read(keeper)
            await asyncio.sleep(5)  # handling that takes longer than Kafka waits for a poll
            await asyncio.to_thread(world.send, gates_of(world, 3))
            assert await generation_read(keeper, first) > first
        finally:
            await consumer.stop()


async def generation_read(keeper: PlaceKeeper, after: int = 0) -> int:
    """Poll until records have been read under a generation higher than `after`."""
    async with asyncio.timeout(30):
        while True:
            if await keeper.getmany(500, 10) and keeper.claim.generation > after:
                return keeper.claim.generation
