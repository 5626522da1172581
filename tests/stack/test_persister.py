"""The persister as a process, on real Kafka, Postgres and S3: nothing is lost and nothing is stored
twice."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parking.core import events as ev
from parking.core import topics
from parking.runtime.memory import ManualClock
from parking.wire.ports import Outgoing
from services.persister.postgres import new_pool
from services.persister.retention import Keep, Retention
from tests.support import persisting as make
from tests.support.persister_world import (
    World,
    changes_of,
    dead_letters,
    gates_of,
    new_world,
    own_servers,
)
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


def history_of(world: World, frames: list[make.At]) -> list[Outgoing]:
    """Return three changes of two slots, a report, three passages, a stay that ended and an open
    one."""
    shared = make.out(make.change(world.site, 9, frames[0], slot_id="B1"), topics.SLOT_CHANGES)
    device = make.out(make.device(world.site, 1), topics.DEVICE_EVENTS)
    steps = [
        make.session(world.site, 1, "opened", entry_at_ms=5, plate_hash="hash"),
        make.session(world.site, 1, "closed", exit_at_ms=6),
        make.session(world.site, 2, "opened", entry_at_ms=7),
    ]
    stays = [make.out(step, topics.SESSIONS) for step in steps]
    return [*changes_of(world, frames), shared, device, *gates_of(world, 3), *stays]


def test_what_is_past_its_time_goes_and_orphans_are_swept(world: World):
    frames = world.frames(1, 2)
    world.send(history_of(world, frames))
    with world.persister():
        world.drained()
    keys = sorted(make.key_of(at.frame) for at in frames)
    prefix = f"evidence/{world.site}/"
    orphan = f"{prefix}north/0/orphan.jpg"
    mine = f"site_id = '{world.site}'"
    made = {"gate_events": 3, "session_events": 3, "sessions": 2, "slot_changes": 3}

    async def work() -> list[list[str]]:
        clock, objects = ManualClock(int(time.time() * 1000)), world.objects()
        async with new_pool(world.url, 2) as pool:
            keep, short = Keep(*[36500.0] * 5), Keep(*[0.01] * 5)
            world.rows("insert into objects values (%s, %s)", orphan, clock.now_ms())
            await objects.put(orphan, b"x")
            seen: list[list[str]] = []
            for limits, later_ms in ((keep, 0), (keep, 3_601_000), (short, 400 * 86_400_000)):
                assert {table: world.count(table, mine) for table in made} == made
                clock.advance(later_ms)
                await Retention(pool, objects, clock, limits).once(asyncio.Event())
                seen.append(await objects.list(prefix, 10))
        objects.close()
        return seen

    assert asyncio.run(work()) == [sorted([orphan, *keys]), keys, []]
    for table in ("captures", "device_events", "objects", "gate_events"):
        assert world.count(table) == 0
    stays = "select session_id, status from sessions where site_id = %s"
    (stay,) = world.rows(stays, world.site)
    assert stay == {"session_id": f"{world.site}-session-2", "status": "open"}
    assert world.count("session_events", mine) == 1
    assert world.count("sessions", "status not in ('open', 'overstay')") == 0
    last = world.rows("select * from slot_changes where site_id = %s order by slot_id", world.site)
    assert [(row["slot_id"], row["version"]) for row in last] == [("A1", 2), ("B1", 9)]
    assert {row["evidence_missing"] for row in last} == {"retention"}
