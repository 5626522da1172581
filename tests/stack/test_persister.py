"""The persister as a process, on real Kafka, Postgres and S3: nothing lost, nothing twice."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from parking import events as ev
from parking import topics
from parking.memory import ManualClock
from parking.ports import Outgoing
from parking.stack.infra import Infra
from services.persister.postgres import new_pool
from services.persister.retention import Keep, Retention
from tests import persisting as make
from tests.persister_world import World, changes_of, dead_letters, gates_of, new_world, own_servers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    with own_servers(tmp_path_factory.mktemp("persister")) as running:
        yield running


@pytest.fixture
def world(own: Infra, unique: Callable[[str], str], tmp_path: Path) -> Iterator[World]:
    with new_world(own, unique("site"), tmp_path) as made:
        yield made


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


@pytest.mark.parametrize("point", ["after-object", "after-dead-letters", "after-rows"])
def test_a_kill_between_two_steps_loses_and_doubles_nothing(world: World, point: str):
    frames = world.frames(*range(60))
    world.send(changes_of(world, frames) + gates_of(world, 140))
    with world.persister(FAULT=f"persister.{point}:kill", PERSISTER_BATCH="50") as killed:
        assert killed.process.wait(60) == -signal.SIGKILL
    proven = world.count("slot_changes", "evidence_key is not null")
    written = sum(world.counts().values())
    if point == "after-object":
        assert world.count("objects") > 0
        assert proven == 0
    else:
        assert (written > 0) == (point == "after-rows"), "the point lies where it says"
    with world.persister():
        world.drained()
        # After the first two points everything is given again; the third had moved on already.
        assert world.count("slot_changes", f"site_id = '{world.site}'") == 60
        assert world.count("gate_events", f"site_id = '{world.site}'") == 140
        assert world.count("captures", f"site_id = '{world.site}'") == 60
    assert world.check_evidence() >= 60


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
