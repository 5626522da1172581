import random
from typing import Any

import pytest
from msgspec.structs import replace

from parking.core.events import CameraStatusChanged, Cause
from services.notifier.state import (
    CLOSED_SESSIONS_KEPT,
    LAYOUTS_REMEMBERED,
    LiveState,
)
from services.notifier.views import Counts
from tests.support.notifying import NOW_MS, changed, layout, session, state, status


def test_only_a_higher_version_applies_whatever_the_order():
    changes = [changed("demo", n, "occupied" if n % 2 else "free") for n in range(1, 12)]
    for seed in range(20):
        shuffled = [*changes, *changes]
        random.Random(seed).shuffle(shuffled)  # noqa: S311 -- an order, not a secret
        live = LiveState()
        for change in shuffled:
            live.slot_change(change)
        assert live.slots["demo", "A1"].version == 11
        assert live.slots["demo", "A1"].state == "occupied"


def test_a_change_older_than_the_state_read_whole_does_nothing():
    live = LiveState()
    assert live.slot_state(state("demo", 5, "free"))
    assert not live.slot_change(changed("demo", 5, "occupied"))
    assert live.slots["demo", "A1"].state == "free"
    assert live.slot_change(changed("demo", 6, "occupied"))


def test_a_slot_names_who_closed_it_until_its_state_changes():
    live = LiveState()
    live.layout(layout("demo"))
    live.slot_change(replace(changed("demo", 1, "closed"), reason="works", issued_by="desk"))
    (view,) = [one for one in live.slot_views("demo") if one.slot_id == "A1"]
    assert (view.state, view.reason, view.issued_by) == ("closed", "works", "desk")
    live.slot_state(state("demo", 2))
    (view,) = [one for one in live.slot_views("demo") if one.slot_id == "A1"]
    assert view.issued_by is None


def test_a_replays_events_never_show():
    live = LiveState()
    assert not live.slot_change(changed("demo", 1, run="replay-1"))
    assert not live.slots
    assert live.revision == 0


def test_slots_are_those_of_the_layouts_and_unknown_until_observed():
    live = LiveState()
    live.slot_state(state("demo", 1, "free", slot="A1"))
    live.slot_state(state("demo", 1, "free", slot="gone"))
    live.layout(layout("demo", slots=("A1", "A2")))
    site = live.site_view("demo")
    assert site is not None
    assert [(s.slot_id, s.state, s.version) for s in site.slots] == [
        ("A1", "free", 1),
        ("A2", "unknown", 0),
    ]
    assert site.counts == Counts(free=1, unknown=1, total=2)
    assert [(z.zone_id, z.name, z.counts.total) for z in site.zones] == [("A", "Row A", 2)]
    assert site.name == "Lot demo"
    assert site.slots[0].camera_ids == ["demo/north"]


def test_a_site_without_layouts_shows_the_slots_that_have_a_state():
    live = LiveState()
    live.slot_change(changed("demo", 1, "closed", slot="B7"))
    assert [(s.slot_id, s.state) for s in live.slot_views("demo")] == [("B7", "closed")]
    assert live.site_view("elsewhere") is None


def test_a_camera_that_was_never_heard_of_is_offline_and_one_without_layout_is_shown():
    live = LiveState()
    live.layout(layout("demo"))
    view = live.camera_view("demo/north")
    assert view is not None
    assert (view.status, view.layout_version, len(view.slots)) == ("offline", 1, 2)
    live.camera_status(status("other"))
    other = live.camera_view("other/north")
    assert other is not None
    assert (other.status, other.layout_version) == ("online", 0)
    assert live.camera_view("demo/south") is None
    assert live.site_ids() == ["demo", "other"]


def test_older_layouts_and_statuses_are_ignored_and_removed_ones_forgotten():
    live = LiveState()
    live.layout(layout("demo", 3))
    assert not live.layout(layout("demo", 2))
    live.camera_status(status("demo", 3))
    assert not live.camera_status(status("demo", 3))
    live.forget("layouts", "demo/north")
    live.forget("statuses", "demo/north")
    live.slot_state(state("demo", 1))
    live.forget("slots", "demo/A1")
    assert live.site_ids() == []


def seen(version: int, **values: Any) -> CameraStatusChanged:
    """Return a status of the camera of layout 1, whose last frame came `version` seconds after
    NOW_MS."""
    camera_status = status("demo", version)
    at_ms = NOW_MS + 1_000 * version
    return replace(camera_status, **({"layout_version": 1, "last_frame_at_ms": at_ms} | values))


def observed(live: LiveState) -> dict[str, int | None]:
    """Return the seconds after NOW_MS, by slot."""
    times = {view.slot_id: view.observed_at_ms for view in live.slot_views("demo")}
    return {slot: t if t is None else (t - NOW_MS) // 1000 for slot, t in times.items()}


def test_a_slot_is_as_old_as_its_newest_evidence_by_any_camera():
    live = LiveState()
    live.layout(layout("demo"))
    live.slot_change(replace(changed("demo", 1), observed_at_ms=NOW_MS))
    assert observed(live) == {"A1": 0, "A2": None}
    live.camera_status(seen(5, evidence_at_ms={"A2": 0}))
    assert observed(live) == {"A1": 5, "A2": None}
    live.camera_status(seen(9, evidence_at_ms={"A1": NOW_MS + 6_000}))
    assert observed(live) == {"A1": 6, "A2": 9}
    other = replace(layout("demo"), id="x", camera_id="demo/south")
    live.layout(other)
    live.camera_status(replace(seen(8), camera_id="demo/south"))
    assert observed(live) == {"A1": 8, "A2": 9}


@pytest.mark.parametrize("values", [{"status": "degraded"}, {"layout_version": 2}])
def test_a_frame_without_evidence_renews_nothing(values):
    live = LiveState()
    live.layout(layout("demo"))
    live.slot_state(replace(state("demo", 1), observed_at_ms=NOW_MS))
    live.camera_status(seen(5, **values))
    assert observed(live) == {"A1": 0, "A2": None}


def test_a_slot_that_became_unknown_was_last_seen_when_the_change_says():
    live = LiveState()
    live.layout(layout("demo"))
    live.slot_change(changed("demo", 1))
    live.camera_status(seen(50))
    cause = Cause(kind="tick", id="t")
    silent = replace(changed("demo", 2, "unknown"), cause=cause, observed_at_ms=NOW_MS + 51_000)
    live.camera_status(seen(51, status="offline", reason="silent"))
    live.slot_change(silent)
    assert observed(live)["A1"] == 51


def test_a_camera_tells_how_often_it_is_analysed():
    live = LiveState()
    live.camera_status(seen(1, analysed_every_ms=6_000, load_level=4))
    view = live.camera_view("demo/north")
    assert view is not None
    assert (view.analysed_every_ms, view.load_level) == (6_000, 4)


@pytest.mark.parametrize(
    ("values", "grows"),
    [
        ({}, False),
        ({"analysed_every_ms": 2_000, "evidence_at_ms": {"A1": NOW_MS}}, False),
        ({"load_level": 4}, True),
        ({"status": "degraded", "reason": "dark"}, True),
    ],
)
def test_the_revision_stays_while_only_time_goes_by(values, grows):
    live = LiveState()
    live.camera_status(seen(1))
    before = live.revision
    assert live.camera_status(seen(2, **values))
    assert (live.revision > before) is grows


def test_sessions_open_and_close_once_and_the_ended_are_bounded():
    live = LiveState()
    for number in range(CLOSED_SESSIONS_KEPT + 5):
        live.session(session("demo", number, "opened"))
        if number > 1:
            live.session(session("demo", number, "closed"))
    assert not live.session(session("demo", 900, "opened"))  # read again
    assert live.open_count("demo") == 2
    assert live.open_count("other") == 0
    assert len(live.sessions("demo", is_open=True)) == 2
    assert len(live.sessions(None, is_open=False)) == CLOSED_SESSIONS_KEPT
    newest = live.sessions("demo", is_open=None)[0]
    assert newest.time_ms == NOW_MS + CLOSED_SESSIONS_KEPT + 4


def test_a_session_the_tracker_gave_up_is_open_no_more():
    live = LiveState()
    live.session(session("demo", 1, "opened"))
    live.session(replace(session("demo", 1, "opened"), kind="overstay"))
    assert live.open_count("demo") == 1
    assert live.session(replace(session("demo", 1, "opened"), kind="corrected"))
    assert live.open_count("demo") == 0
    assert [s.kind for s in live.sessions("demo", is_open=False)] == ["corrected"]


def test_a_session_that_was_closed_by_mistake_is_open_again():
    live = LiveState()
    opened = session("demo", 1, "opened")
    live.session(opened)
    live.session(replace(opened, kind="closed"))
    assert not live.session(opened), "read again"
    assert live.session(replace(opened, reason="reopened"))
    assert live.open_count("demo") == 1
    assert live.sessions("demo", is_open=False) == []


def test_an_exit_whose_entry_was_found_is_not_a_session():
    live = LiveState()
    stray = replace(session("demo", 1, "corrected"), reason="exit-without-entry")
    live.session(stray)
    assert len(live.sessions("demo", is_open=False)) == 1
    assert live.session(replace(stray, reason="entry-found"))
    assert live.sessions("demo", is_open=None) == []


def test_what_is_drawn_is_every_slot_of_the_camera_with_its_state():
    live = LiveState()
    live.layout(layout("demo"))
    live.slot_change(changed("demo", 1, "occupied", slot="A2"))
    assert [(slot, shown) for slot, _, shown in live.drawing("demo/north")] == [
        ("A1", "unknown"),
        ("A2", "occupied"),
    ]
    assert live.drawing("demo/south") == []


def test_a_layout_that_was_replaced_was_in_force_and_the_loser_of_its_version_never_was():
    live = LiveState()
    first = layout("demo", 1)
    loser = replace(first, camera_name="lost the race for version 1")
    for one in (first, loser, layout("demo", 2)):
        live.layout(one)
    assert live.layouts["demo/north"].version == 2
    assert live.was_in_force(first)
    assert not live.was_in_force(loser)


def test_only_so_many_past_layouts_are_remembered():
    live = LiveState()
    for version in range(1, LAYOUTS_REMEMBERED + 2):
        live.layout(layout("demo", version))
    assert not live.was_in_force(layout("demo", 1))
    assert live.was_in_force(layout("demo", 2))


def test_the_layout_in_force_is_known_after_any_number_of_others():
    live = LiveState()
    live.layout(layout("demo"))
    for number in range(LAYOUTS_REMEMBERED):
        live.layout(layout(f"lot-{number}"))
    assert live.was_in_force(layout("demo"))
    assert not live.was_in_force(replace(layout("demo"), camera_name="another of that version"))


def test_a_camera_tells_how_large_its_pictures_are_looked_at_and_why():
    live = LiveState()
    live.layout(layout("demo"))
    before = live.camera_view("demo/north")
    assert before is not None
    assert before.input is not None
    assert (before.input.size_px, before.input.automatic) == (None, True)
    live.picture_size("demo/north", (1280, 720))
    after = live.camera_view("demo/north")
    assert after is not None
    assert after.input is not None
    assert after.input.size_px == 480
    live.layout(replace(layout("demo", 2), input_size_px=704))
    fixed = live.camera_view("demo/north")
    assert fixed is not None
    assert fixed.input is not None
    assert (fixed.input.size_px, fixed.input.automatic) == (704, False)
    live.camera_status(status("other"))
    other = live.camera_view("other/north")
    assert other is not None
    assert other.input is None
