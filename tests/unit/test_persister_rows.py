"""From events to rows, without any I/O."""

import msgspec
import pytest

from parking.core import events as ev
from parking.core import topics
from services.persister.captures import COLUMNS, PARTS, merge
from services.persister.handler import HANDLERS, by_kind, plan
from services.persister.rows import fold_sessions
from services.persister.statements import STATEMENTS, Statement
from tests.support import persisting as make

KINDS = {statement.kind for statement in STATEMENTS} | set(PARTS)


def rows_of(event: ev.Event, topic: str) -> dict[str, list[dict[str, object]]]:
    planned = plan(make.record(make.out(event, topic), 7, 3), make.CLAIM)
    assert planned.error is None
    found: dict[str, list[dict[str, object]]] = {}
    for kind, row in planned.rows:
        found.setdefault(kind, []).append(row)
    return found


def test_a_frame_is_one_capture_with_its_place():
    event, message = make.frame("demo", 1)
    planned = plan(make.record(message, 7, 3), make.CLAIM)
    (row,) = [row for kind, row in planned.rows if kind == "frames"]
    assert row["frame_id"] == "demo/north/1/1"
    assert (row["kafka_partition"], row["kafka_offset"]) == (3, 7)
    assert row["sha256"] == event.sha256


def test_a_detection_analyses_one_frame_and_names_the_skipped():
    frame, _ = make.frame("demo", 3)
    found = rows_of(make.detection(frame, skipped=["demo/north/1/1"]), topics.DETECTIONS)
    (analysed,) = found["detections"]
    assert (analysed["status"], analysed["box_count"]) == ("analysed", 1)
    (skipped,) = found["skips"]
    assert (skipped["frame_id"], skipped["status"]) == ("demo/north/1/1", "skipped")
    assert skipped["skipped_for"] == frame.id


def test_a_tick_is_known_and_leaves_no_row():
    tick = ev.TickElapsed(id="demo/tick/1", site_id="demo", time_ms=1)
    assert rows_of(tick, topics.DETECTIONS) == {}


def test_a_change_of_the_live_run_is_also_the_slots_state():
    found = rows_of(make.change("demo", 4), topics.SLOT_CHANGES)
    (state,) = found["slot_states"]
    assert (state["state"], state["version"]) == ("occupied", 4)
    assert state["state_log_id"] == make.CLAIM.log_id(topics.SLOT_CHANGES)


def test_a_replays_change_is_kept_but_is_not_the_state():
    found = rows_of(make.change("demo", 4, run="replay-1"), topics.SLOT_CHANGES)
    assert set(found) == {"sites", "slot_changes"}


def test_a_replays_camera_status_is_not_the_cameras():
    assert rows_of(make.camera_status("demo", 1, run="replay-1"), topics.CAMERA_STATUS) == {}


@pytest.mark.parametrize(
    ("event", "topic", "kind"),
    [
        (make.gate("demo", 1), topics.GATE_EVENTS, "gate_events"),
        (make.device("demo", 1), topics.DEVICE_EVENTS, "device_events"),
        (make.layout("demo", 1, ["A1"]), topics.LAYOUTS, "layouts"),
        (make.session("demo", 1, "opened"), topics.SESSIONS, "session_events"),
        (make.camera_status("demo", 1), topics.CAMERA_STATUS, "camera_status"),
    ],
)
def test_every_event_has_its_row_and_its_site(event: ev.Event, topic: str, kind: str):
    found = rows_of(event, topic)
    assert len(found[kind]) == 1
    assert found["sites"] == [{"site_id": "demo"}]
    assert set(found) <= KINDS
    msgspec.json.encode(found)


def test_every_topic_read_is_a_topic_that_exists():
    assert set(HANDLERS) <= set(topics.TOPICS)


def test_an_event_in_a_topic_it_does_not_belong_to_is_invalid():
    planned = plan(make.record(make.out(make.gate("demo", 1), topics.SESSIONS)), make.CLAIM)
    assert planned.error is not None
    assert planned.error.reason == "wrong-type"


def test_the_last_step_of_a_stay_tells_all_of_it():
    entry = {"entry_at_ms": 10, "entry_gate_id": "main"}
    opened = make.session("demo", 1, "opened", **entry)
    over = make.session("demo", 1, "overstay", **entry, dwell_ms=15)
    closed = make.session("demo", 1, "closed", **entry, exit_at_ms=30, dwell_ms=20)
    (stay,) = fold_sessions([opened, over, closed])
    assert (stay["status"], stay["entry_at_ms"], stay["exit_at_ms"]) == ("closed", 10, 30)
    reopened = make.session("demo", 1, "opened", **entry, reason="reopened")
    (stay,) = fold_sessions([closed, reopened])
    assert (stay["status"], stay["exit_at_ms"], stay["dwell_ms"]) == ("open", None, None)
    assert [s["status"] for s in fold_sessions([opened])] == ["open"]
    assert [s["status"] for s in fold_sessions([opened, over])] == ["overstay"]


def test_the_first_row_of_a_key_is_written_and_rows_are_in_key_order():
    statement = Statement("x", "x", "id")
    rows = [{"id": "b", "n": 1}, {"id": "a", "n": 2}, {"id": "b", "n": 3}]
    assert statement.chosen(rows) == [{"id": "a", "n": 2}, {"id": "b", "n": 1}]


def test_the_newest_row_of_a_key_is_written_where_versions_count():
    statement = Statement("x", "x", "id", newest="n")
    rows = [{"id": "b", "n": 1}, {"id": "b", "n": 3}, {"id": "b", "n": 2}]
    assert statement.chosen(rows) == [{"id": "b", "n": 3}]


def merged(*events: tuple[ev.Event, str]) -> list[dict[str, object]]:
    planned = [plan(make.record(make.out(event, topic)), make.CLAIM) for event, topic in events]
    return merge(by_kind(planned))


def test_parts_of_a_frame_make_one_row_whichever_comes_first():
    (frame, message), (other, _) = make.frame("demo", 2), make.frame("demo", 1)
    parts = [
        make.record(message, 7, 3),
        make.record(make.out(make.detection(frame, skipped=[other.id]), topics.DETECTIONS)),
        make.record(make.frame("demo", 1)[1]),
    ]
    for order in (parts, parts[::-1]):
        rows = merge(by_kind([plan(record, make.CLAIM) for record in order]))
        assert [row["frame_id"] for row in rows] == ["demo/north/1/1", "demo/north/1/2"]
        assert [row["status"] for row in rows] == ["skipped", "analysed"]
        assert [row["skipped_for"] for row in rows] == [frame.id, None]
        assert [row["time_ms"] for row in rows] == [other.time_ms, frame.time_ms]
        assert (rows[1]["sha256"], rows[1]["box_count"]) == (frame.sha256, 1)
        assert all(list(row) == list(COLUMNS) for row in rows)


def test_the_first_of_each_part_is_kept():
    frame, _ = make.frame("demo", 1)
    first, second = (msgspec.structs.replace(make.detection(frame), model_id=m) for m in "ab")
    (row,) = merged((first, topics.DETECTIONS), (second, topics.DETECTIONS))
    assert row["model_id"] == "a"


def test_a_frame_analysed_and_skipped_in_one_batch_is_analysed():
    (frame, _), (newer, _) = make.frame("demo", 1), make.frame("demo", 2)
    for order in (1, -1):
        made = [make.detection(frame), make.detection(newer, skipped=[frame.id])][::order]
        row = merged(*((event, topics.DETECTIONS) for event in made))[0]
        assert (row["frame_id"], row["status"], row["skipped_for"]) == (frame.id, "analysed", None)


def test_a_result_that_repeats_an_earlier_one_is_its_name_alone():
    frame, _ = make.frame("demo", 2)
    repeated = msgspec.structs.replace(make.detection(frame), reused_from="demo/north/1/1")
    (row,) = merged((repeated, topics.DETECTIONS))
    assert (row["status"], row["reused_from"]) == ("analysed", "demo/north/1/1")
    kept = ("boxes", "observations", "health", "timings_ms", "model_id", "box_count")
    assert {row[name] for name in kept} == {None}


def test_a_skipped_frame_of_an_older_detector_tells_no_time():
    frame, _ = make.frame("demo", 2)
    old = msgspec.structs.replace(
        make.detection(frame, skipped=["demo/north/1/1"]), skipped_times_ms=[]
    )
    (row, _) = merged((old, topics.DETECTIONS))
    assert (row["frame_id"], row["time_ms"]) == ("demo/north/1/1", None)
