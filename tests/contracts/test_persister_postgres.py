"""The rows in Postgres: captures merged from their parts, current states by version."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from msgspec import structs

from parking.core import events as ev
from parking.core import topics
from parking.wire.ports import Outgoing
from tests.support import persisting as make
from tests.support.databases import Database, new_store
from tools.stack.infra import Infra

pytestmark = pytest.mark.stack


@pytest.fixture
async def database(infra: Infra):
    async with new_store(infra) as made:
        yield made


FRAME, FRAME_MESSAGE = make.frame("demo", 2)
DETECTION = make.out(make.detection(FRAME, skipped=["demo/north/1/1"]), topics.DETECTIONS)


@pytest.mark.parametrize(
    "order", [[FRAME_MESSAGE, DETECTION], [DETECTION, FRAME_MESSAGE]], ids=["frame", "detection"]
)
@pytest.mark.parametrize("together", [True, False])
async def test_a_capture_is_whole_whichever_part_comes_first(
    database: Database, order: Sequence[Outgoing], together: bool
):
    for batch in [order] if together else [[part] for part in order]:
        await database.takes(*batch)
    row = database.one("select * from captures where frame_id = 'demo/north/1/2'")
    assert (row["status"], row["box_count"], row["model_id"]) == ("analysed", 1, "test")
    assert (row["sha256"], row["width"]) == (FRAME.sha256, 640)
    seen = {"slot_id": "A1", "state": "occupied", "confidence": 0.9, "since_ms": None}
    assert row["observations"] == [seen]
    assert row["timings_ms"] == {"detect": 12.5}
    skipped = database.one("select * from captures where frame_id = 'demo/north/1/1'")
    assert (skipped["status"], skipped["skipped_for"]) == ("skipped", "demo/north/1/2")


async def test_a_frame_once_skipped_and_analysed_the_second_time_is_analysed(database: Database):
    _, first = make.frame("demo", 1)
    await database.takes(first, FRAME_MESSAGE, DETECTION)
    again, _ = make.frame("demo", 1)
    await database.takes(make.out(make.detection(again), topics.DETECTIONS))
    row = database.one("select * from captures where frame_id = 'demo/north/1/1'")
    assert (row["status"], row["box_count"]) == ("analysed", 1)
    other = make.out(make.detection(FRAME, skipped=["demo/north/1/1"]), topics.DETECTIONS)
    await database.takes(other)
    row = database.one("select * from captures where frame_id = 'demo/north/1/1'")
    assert row["status"] == "analysed"


async def test_only_a_higher_version_is_what_a_slot_is_now(database: Database):
    def change(version: int, state: str) -> Outgoing:
        event = make.change("demo", version, to_state=state)
        return make.out(event, topics.SLOT_CHANGES)

    await database.takes(change(1, "free"), change(3, "occupied"), change(2, "unknown"))
    assert database.one("select state, version from slots") == {"state": "occupied", "version": 3}
    await database.takes(change(2, "free"))
    assert database.one("select state, version from slots") == {"state": "occupied", "version": 3}
    assert database.one("select count(*) as n from slot_changes") == {"n": 3}


async def test_versions_of_a_topic_made_again_count_from_one(database: Database):
    def messages(version: int, state: str, name: str) -> list[Outgoing]:
        return [
            make.out(
                make.change("demo", version, to_state=state, id=f"{name}-{version}"),
                topics.SLOT_CHANGES,
            ),
            make.out(make.camera_status("demo", version, reason=name), topics.CAMERA_STATUS),
            make.out(make.layout("demo", version, [name]), topics.LAYOUTS),
        ]

    await database.takes(*messages(57, "occupied", "old"))
    database.claim = replace(make.CLAIM, cluster_id="cluster-2")
    await database.takes(*messages(1, "free", "new"))
    slot = database.one("select state, version from slots where slot_id = 'A1'")
    assert slot == {"state": "free", "version": 1}
    camera = database.one("select status_reason, layout_version from cameras")
    assert camera == {"status_reason": "new", "layout_version": 1}
    assert database.one("select slot_id from slots where enabled and slot_id <> 'A1'") == {
        "slot_id": "new"
    }


async def test_layouts_make_sites_zones_cameras_and_slots(database: Database):
    plan_m = [(0.0, 0.0), (5.0, 0.0), (5.0, 2.5)]
    first = make.layout("demo", 1, ["A1", "A2"])
    wide = ev.LayoutSlot(
        slot_id="A2", zone_id="A", polygon=[(0, 0), (1, 0), (1, 1)], plan=plan_m, kind="ev"
    )
    second = make.layout("demo", 1, [], camera="south", slots=[wide])
    await database.takes(make.out(first, topics.LAYOUTS), make.out(second, topics.LAYOUTS))
    assert database.one("select * from sites") == {"site_id": "demo", "name": "Old Harbour"}
    assert database.one("select * from zones")["name"] == "Zone A"
    cameras = database.rows("select camera_id, name, interval_ms from cameras order by 1")
    assert [(c["camera_id"], c["name"]) for c in cameras] == [
        ("demo/north", "North"),
        ("demo/south", "South"),
    ]
    slots = database.rows("select slot_id, plan, enabled, state from slots order by 1")
    assert [(s["slot_id"], s["enabled"], s["state"]) for s in slots] == [
        ("A1", True, "unknown"),
        ("A2", True, "unknown"),
    ]
    assert slots[1]["plan"] == [list(point) for point in plan_m]


async def test_a_newer_layout_counts_and_slots_that_none_names_are_disabled(database: Database):
    def layout(version: int, slots: list[str], camera: str = "north") -> Outgoing:
        return make.out(make.layout("demo", version, slots, camera), topics.LAYOUTS)

    await database.takes(layout(1, ["A1", "A2", "A3"]), layout(1, ["A3"], "south"))
    await database.takes(layout(3, ["A2"]), layout(2, ["A1", "A9"]))
    enabled = database.rows("select slot_id from slots where enabled order by 1")
    assert [row["slot_id"] for row in enabled] == ["A2", "A3"]
    await database.takes(layout(2, ["A1"]))
    assert database.one("select layout_version from cameras where camera_id = 'demo/north'") == {
        "layout_version": 3
    }
    assert database.one("select count(*) as n from layouts") == {"n": 4}


async def test_a_stay_is_what_its_steps_leave_and_old_steps_change_nothing(database: Database):
    entry = {"entry_at_ms": 10, "entry_gate_id": "main"}
    steps = [
        make.session("demo", 1, "opened", **entry),
        make.session("demo", 1, "overstay", **entry, dwell_ms=15),
        make.session("demo", 1, "closed", **entry, exit_at_ms=30, dwell_ms=20),
    ]
    messages = [make.out(step, topics.SESSIONS) for step in steps]
    await database.takes(*messages[:2])
    assert database.one("select status from sessions") == {"status": "overstay"}
    await database.takes(messages[2])
    stay = database.one("select * from sessions")
    assert (stay["status"], stay["entry_at_ms"], stay["exit_at_ms"]) == ("closed", 10, 30)
    await database.takes(*messages)
    assert database.one("select * from sessions") == stay
    assert database.one("select count(*) as n from session_events") == {"n": 3}
    again = make.session("demo", 2, "opened", **entry, reason="reopened")
    reopened = structs.replace(again, session_id=steps[0].session_id)
    await database.takes(make.out(reopened, topics.SESSIONS))
    stay = database.one("select * from sessions")
    assert (stay["status"], stay["entry_at_ms"], stay["exit_at_ms"]) == ("open", 10, None)


async def test_only_a_higher_version_is_a_cameras_status(database: Database):
    newest = make.camera_status("demo", 5, status="offline", reason="silent")
    await database.takes(make.out(newest, topics.CAMERA_STATUS))
    await database.takes(make.out(make.camera_status("demo", 4), topics.CAMERA_STATUS))
    row = database.one("select status, status_version from cameras")
    assert row == {"status": "offline", "status_version": 5}


async def test_people_can_read_times(database: Database):
    await database.takes(make.out(make.gate("demo", 1, time_ms=0), topics.GATE_EVENTS))
    row = database.one("select at(time_ms) = '1970-01-01T00:00:00Z' as epoch from gate_events")
    assert row == {"epoch": True}
