"""A stage that makes no progress while records wait is named within ten seconds, and since when."""

from collections.abc import Mapping

from parking.core.errors import Retryable
from parking.core.stages import STAGES, WAIT_MS, Place, Progress
from parking.core.topics import TOPICS
from parking.runtime.memory import ManualClock
from parking.runtime.metrics import STILL_SECONDS
from parking.runtime.ops import Health
from services.notifier.log import Bounds
from services.notifier.stages import EVERY_S, StageWatch
from tests.support.scripted_mqtt import count

A, B = ("t", 0), ("t", 1)


def test_a_record_that_waits_for_long_is_named_since_the_last_one_was_finished():
    progress = Progress()
    assert progress.look(0, {A: 5}, {A: (0, 5)}) is None
    assert progress.look(1000, {A: 6}, {A: (0, 7)}) is None
    assert progress.look(1000 + WAIT_MS - 1, {A: 6}, {A: (0, 9)}) is None
    assert progress.look(1000 + WAIT_MS, {A: 6}, {A: (0, 9)}) == 1000
    assert progress.look(60_000, {A: 6}, {A: (0, 99)}) == 1000
    assert progress.look(61_000, {A: 7}, {A: (0, 99)}) is None


def test_slow_progress_is_progress():
    progress = Progress()
    for step in range(50):
        assert progress.look(step * (WAIT_MS - 1), {A: step}, {A: (0, 1000)}) is None


def test_one_partition_that_moves_is_progress_of_the_stage():
    progress = Progress()
    for step in range(10):
        committed = {A: 3, B: step}
        assert progress.look(step * WAIT_MS, committed, {A: (0, 9), B: (0, 1000)}) is None


def test_heartbeats_that_pass_in_another_partition_are_no_progress():
    progress = Progress()
    for beat in range(4):
        bounds = {A: (0, 4), B: (0, beat)}
        since_ms = progress.look(beat * 1_500, {A: 3, B: beat}, bounds)
    assert since_ms == 0


def test_nothing_waits_for_an_idle_stage_for_one_that_never_ran_or_behind_deleted_records():
    for committed, bounds in (
        ({A: 5}, {A: (0, 5)}),
        ({}, {A: (0, 5)}),
        ({A: 5}, {A: (9, 9)}),
        ({A: 5}, {A: (0, 5), B: (7, 7)}),
    ):
        progress = Progress()
        for now_ms in (0, WAIT_MS, 10 * WAIT_MS):
            assert progress.look(now_ms, committed, bounds) is None


def test_records_of_a_partition_without_a_commit_wait_too():
    progress = Progress()
    bounds = {A: (0, 5), B: (0, 1)}
    progress.look(0, {A: 5}, bounds)
    assert progress.look(WAIT_MS, {A: 5}, bounds) == 0


def test_time_without_kafka_does_not_count():
    progress = Progress()
    progress.look(0, {A: 1}, {A: (0, 2)})
    progress.forget()
    assert progress.look(WAIT_MS, {A: 1}, {A: (0, 2)}) is None
    assert progress.look(2 * WAIT_MS, {A: 1}, {A: (0, 2)}) == WAIT_MS


class World:
    """Each stage has finished everything, except those in `frozen`, for which one record waits."""

    def __init__(self) -> None:
        self.frozen: set[str] = set()
        self.away = False
        self.end = 8

    async def bounds(self, *topics: str) -> Bounds:
        if self.away:
            raise Retryable("no answer")
        return {(t, p): (0, self.end) for t in topics for p in range(TOPICS[t].partitions)}

    async def committed(self, group: str) -> Mapping[Place, int]:
        (stage,) = [one for one in STAGES if one.group == group]
        offset = self.end - (stage.name in self.frozen)
        return {(t, p): offset for t in stage.topics for p in range(TOPICS[t].partitions)}


def watched() -> tuple[World, Health, ManualClock, list[Mapping[str, int]], StageWatch]:
    world, health, clock, changes = World(), Health(), ManualClock(), list[Mapping[str, int]]()
    return world, health, clock, changes, StageWatch(world, health, clock, changes.append)


async def test_each_stage_is_named_alone_and_the_service_stays_ready():
    for stage in STAGES:
        world, health, clock, changes, watch = watched()
        await watch.look()
        world.frozen = {stage.name}
        frozen_ms = clock.now_ms()
        for _ in range(6):
            await clock.sleep(EVERY_S)
            await watch.look()
        assert set(health.still) == {stage.name}
        assert "has made no progress since" in health.still[stage.name]
        assert [set(one) for one in changes] == [{stage.name}]
        assert frozen_ms < changes[0][stage.name] <= frozen_ms + EVERY_S * 1000
        assert count(STILL_SECONDS, stage.name) == 7.5
        assert (health.waiting, health.failing) == ({}, {})
        world.frozen = set()
        await clock.sleep(EVERY_S)
        await watch.look()
        assert (health.still, changes[1:], count(STILL_SECONDS, stage.name)) == ({}, [{}], 0)


async def test_ingest_is_named_when_it_writes_not_even_a_heartbeat():
    world, health, clock, changes, watch = watched()
    for _ in range(9):  # nobody writes heartbeats: a quiet night
        await watch.look()
        await clock.sleep(EVERY_S)
    assert changes == []
    watch.has_heartbeats = lambda: True
    for _ in range(9):
        world.end += 1
        await watch.look()
        await clock.sleep(EVERY_S)
    assert changes == []
    since_ms = clock.now_ms() - EVERY_S * 1000
    for _ in range(5):
        await watch.look()
        await clock.sleep(EVERY_S)
    assert changes == [{"ingest": since_ms}]
    assert "ingest has written nothing since" in health.still["ingest"]
    assert count(STILL_SECONDS, "ingest") > 0
    assert (health.waiting, health.failing) == ({}, {})
    world.end += 1
    await watch.look()
    assert (health.still, changes[1:], count(STILL_SECONDS, "ingest")) == ({}, [{}], 0)


async def test_what_others_say_of_heartbeats_stays():
    world, health, clock, _, watch = watched()
    health.still["heartbeat"] = "none"
    world.frozen = {"detector"}
    for _ in range(6):
        await watch.look()
        await clock.sleep(EVERY_S)
    assert set(health.still) == {"heartbeat", "detector"}


async def test_without_kafka_no_stage_is_blamed():
    world, health, clock, changes, watch = watched()
    world.frozen = {"detector"}
    for away in (False, False, True, False, False):
        world.away = away
        await watch.look()
        await clock.sleep(WAIT_MS / 1000 - 0.5)
    assert (health.still, changes) == ({}, [])


def test_it_is_named_within_ten_seconds():
    assert 2 * EVERY_S + WAIT_MS / 1000 < 10
