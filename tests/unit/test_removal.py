"""A site's state when parts are removed, and when they come back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from parking.core import occupancy, removal
from parking.core.errors import Invalid
from parking.core.events import (
    CameraStatusChanged,
    Removed,
    SiteSettings,
    SlotChanged,
    SlotStateUpdated,
)
from parking.core.lots import check
from parking.core.occupancy import step
from parking.core.topics import CAMERA_STATUS, SLOT_CHANGES, SLOT_STATE, TOPICS
from services.tracker import handler
from tests.support.notifying import layout
from tests.support.tracking import Teller, fold
from tools.cli import public


def two_cameras(t: Teller):
    """Return cameras a (A1, A2) and b (A2, B1) with all slots seen free and an open stay."""
    records = [t.adopt("a", "A1", "A2"), t.adopt("b", "A2", "B1"), t.gate("entry", 1)]
    for _ in range(3):
        records += [t.see("a", {"A1": "f", "A2": "f"}), t.see("b", {"A2": "f", "B1": "f"})]
    return fold(records)[0]


def test_a_camera_leaves_with_the_slots_that_no_other_one_names():
    t = Teller()
    site, made = step(two_cameras(t), t.command(Removed(camera_ids=["lot/a"])))
    assert (sorted(site.cameras), sorted(site.slots)) == (["lot/b"], ["A2", "B1"])
    (status,) = [e for e in made if isinstance(e, CameraStatusChanged)]
    assert (status.camera_id, status.status, status.reason) == ("lot/a", "offline", "removed")
    (change,) = [e for e in made if isinstance(e, SlotChanged)]
    assert (change.slot_id, change.to_state, change.reason) == ("A1", "unknown", "removed")
    assert site.slots["A2"].state == "free"  # b has seen it
    assert len(site.sessions) == 1


def test_a_slot_that_is_named_still_is_not_removed():
    t = Teller()
    site, made = step(two_cameras(t), t.command(Removed(slot_ids=["B1", "none"])))
    assert "B1" in site.slots
    assert made == []


def test_nothing_is_left_of_a_site_but_where_its_time_and_versions_have_come_to():
    t = Teller()
    before = two_cameras(t)
    site, made = step(before, t.command(Removed(whole_site=True)))
    assert (site.cameras, site.slots, site.sessions, site.devices) == ({}, {}, [], {})
    assert {e.reason for e in made if isinstance(e, SlotStateUpdated)} == {"removed"}
    assert len([e for e in made if isinstance(e, SlotStateUpdated)]) == 3
    assert site.tick_ms == before.tick_ms


def test_what_comes_back_counts_its_versions_on():
    """Readers apply only a higher version, and Postgres keeps what it has."""
    t = Teller()
    site, made = step(two_cameras(t), t.command(Removed(whole_site=True)))
    slots = {e.slot_id: e.version for e in made if isinstance(e, SlotStateUpdated)}
    cameras = {e.camera_id: e.version for e in made if isinstance(e, CameraStatusChanged)}
    site, again = step(site, t.adopt("a", "A1", version=3))
    (state,) = [e for e in again if isinstance(e, SlotStateUpdated)]
    (status,) = [e for e in again if isinstance(e, CameraStatusChanged)]
    assert state.version > slots["A1"]
    assert status.version > cameras["lot/a"]
    assert (state.reason, state.state) == ("adopted", "unknown")
    site, _ = step(site, t.see("a", {"A1": "o"}, layout_version=3))
    assert site.slots["A1"].sights["lot/a"].state == "occupied"


def test_a_removal_reported_twice_is_done_once():
    t = Teller()
    order = t.command(Removed(whole_site=True))
    site, _ = step(two_cameras(t), order)
    site, _ = step(site, t.adopt("a", "A1", version=3))
    assert step(site, order) == (site, [])


def test_a_camera_without_slots_is_out_of_service():
    t = Teller()
    _, made = step(two_cameras(t), t.adopt("a", version=2))
    (status,) = [e for e in made if isinstance(e, CameraStatusChanged)]
    assert (status.status, status.reason) == ("no-layout", "out-of-service")
    assert check(layout("lot", slots=())) == []


def test_what_is_removed_leaves_the_compacted_topics():
    t = Teller()
    _, made = step(two_cameras(t), t.command(Removed(camera_ids=["lot/a"])))
    records = [record for event in made for record in handler.outgoing(event)]
    gone = [(r.topic, r.key) for r in records if r.value is None]
    assert gone == [(CAMERA_STATUS, b"lot/a"), (SLOT_STATE, b"lot/A1")]
    assert all(TOPICS[topic].compacted for topic, _ in gone)
    rest = [(r.topic, r.key) for r in records if r.value is not None]
    assert (SLOT_CHANGES, b"lot") in rest
    for place in gone:  # its last record first, then its end
        assert rest.index(place) >= 0
        assert [r.value is None for r in records if (r.topic, r.key) == place] == [False, True]


def test_other_outputs_leave_nothing():
    """This is the negative control."""
    t = Teller()
    _, made = step(two_cameras(t), t.adopt("a", "A1", version=2))
    assert all(r.value is not None for event in made for r in handler.outgoing(event))


def test_the_settings_of_a_site_are_set_in_each_of_its_layouts_and_those_not_named_stay():
    before = SiteSettings(time_zone="Asia/Jakarta")
    site = [
        replace(layout("lot"), site=before),
        replace(layout("lot"), camera_id="lot/south", id="lot/south/layout/1"),
    ]
    change = public.changed(site, {"public": True})
    assert [one.site for one in change.layouts] == [
        SiteSettings(public=True, time_zone="Asia/Jakarta")
    ] * 2
    assert change.removed is None
    assert public.changed(change.layouts, {"public": True}).layouts == []
    with pytest.raises(Invalid, match="no layout"):
        public.changed([], {"public": True})


def late_pictures(t: Teller, *names: str):
    """Return pictures of these cameras, taken before what follows."""
    return [t.see(name, {"A1": "f"}) for name in names for _ in range(2)]


@pytest.mark.parametrize("order", [Removed(camera_ids=["lot/a"]), Removed(whole_site=True)])
def test_a_picture_under_way_does_not_bring_its_camera_back(order):
    t = Teller()
    site = two_cameras(t)
    late = late_pictures(t, "a")
    site, _ = step(site, t.command(order))
    late.append(t.see("a", {"A1": "f"}))  # polled while the removal was on its way
    for record in late:
        site, made = step(site, record)
        assert made == []
    assert "lot/a" not in site.cameras


def test_a_camera_removed_before_its_first_picture_was_analysed_stays_away():
    t = Teller()
    early = late_pictures(t, "new")
    for order in (Removed(camera_ids=["lot/new"]), Removed(whole_site=True)):
        site, _ = step(two_cameras(t), t.command(order))
        for record in early:
            site, made = step(site, record)
            assert made == []
        assert "lot/new" not in site.cameras


def test_negative_control_without_that_memory_it_comes_back(monkeypatch):
    monkeypatch.setattr(occupancy, "was_removed", lambda *_: False)
    t = Teller()
    site = two_cameras(t)
    (late, _) = late_pictures(t, "a")
    site, _ = step(site, t.command(Removed(camera_ids=["lot/a"])))
    site, made = step(site, late)
    (status,) = [e for e in made if isinstance(e, CameraStatusChanged)]
    assert status.camera_id == "lot/a"
    assert "lot/a" in site.cameras


def test_a_layout_or_a_later_picture_brings_it_back_at_once():
    t = Teller()
    gone, _ = step(two_cameras(t), t.command(Removed(camera_ids=["lot/a"])))
    site, _ = step(gone, t.adopt("a", "A1", version=3))
    site, _ = step(site, t.see("a", {"A1": "f"}, layout_version=3))
    assert site.cameras["lot/a"].last_frame_at_ms == t.now_ms
    assert site.removed_at_ms == {}
    t.pass_ms(removal.UNDER_WAY_MS)
    site, made = step(gone, t.see("a", {}))  # it still sends: its operator must see that
    (status,) = [e for e in made if isinstance(e, CameraStatusChanged)]
    assert (status.camera_id, status.reason) == ("lot/a", "no-layout")
    assert site.removed_at_ms == {}


def test_a_picture_uploaded_right_after_the_removal_brings_it_back():
    t = Teller()
    site, _ = step(two_cameras(t), t.command(Removed(camera_ids=["lot/a"])))
    t.pass_ms(1)
    seen = t.see("a", {})
    assert "lot/a" not in step(site, seen)[0].cameras
    assert "lot/a" in step(site, replace(seen, id="lot/a/upload/1-0"))[0].cameras


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_in_any_order_no_removed_camera_is_left(data):
    """Pictures from before the removal are delivered at any time after it and among other
    records."""
    t = Teller()
    site = two_cameras(t)
    late = late_pictures(t, "a", "b")
    gone = data.draw(st.sampled_from([["lot/a"], ["lot/b"], ["lot/a", "lot/b"]]))
    removed = t.command(Removed(camera_ids=gone))
    others = [t.tick(after_ms=60_000), t.gate("exit", 2), t.tick(after_ms=3_600_000)]
    site, _ = step(site, removed)
    for record in data.draw(st.permutations([*late, *others])):
        site, made = step(site, record)
        named = {e.camera_id for e in made if isinstance(e, CameraStatusChanged)}
        assert named.isdisjoint(gone)
    assert sorted(site.cameras) == sorted({"lot/a", "lot/b"} - set(gone))


def test_only_the_last_removed_cameras_are_remembered():
    t = Teller()
    many = [f"lot/c{n}" for n in range(removal.REMOVED_MEMORY)]
    site, _ = step(two_cameras(t), t.command(Removed(camera_ids=["lot/a"])))
    site, _ = step(site, t.command(Removed(camera_ids=many)))
    assert list(site.removed_at_ms) == many
