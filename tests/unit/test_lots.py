import math

import msgspec
import pytest
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import LayoutAdopted, LayoutPublished, LayoutSlot, SiteSettings, Zone
from parking.core.lots import (
    adoption,
    check,
    check_new,
    checked,
    checked_new,
    layouts_from_annotations,
    same_layout,
    slug,
    successor,
)
from parking.core.sitesettings import site_settings, with_settings_kept

SQUARE = [(0.1, 0.1), (0.2, 0.1), (0.2, 0.2), (0.1, 0.2)]
BOW_TIE = [(0.1, 0.1), (0.2, 0.2), (0.2, 0.1), (0.1, 0.2)]
SLIVER = [(0.1, 0.1), (0.2, 0.1), (0.2, 0.1001)]


def slot(slot_id="A1", zone_id="A", polygon=None, **more):
    return LayoutSlot(slot_id=slot_id, zone_id=zone_id, polygon=polygon or SQUARE, **more)


def layout(*slots, **more):
    usual = LayoutPublished(
        id="demo/north/layout/1",
        site_id="demo",
        time_ms=1,
        camera_id="demo/north",
        version=1,
        site_name="Demo",
        camera_name="North",
        interval_ms=1000,
        zones=[Zone(zone_id="A", name="A")],
        slots=list(slots),
    )
    return replace(usual, **more)


def test_a_layout_without_slots_takes_its_camera_out_of_service():
    assert check(layout()) == []


def test_a_good_layout_has_no_faults():
    assert check(layout(slot(), slot("A2"))) == []


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (layout(slot("..")), "cannot be used in a URL"),
        (layout(slot(), site_name="a\x1b[31m"), "the control character U+001B"),
        (layout(slot(), interval_ms=86_400_001), "more than a day"),
        (layout(slot(plan=[(0, 0), (1e300, 0), (1, 1)])), "more than 1e+08 metres"),
        (layout(slot(polygon=BOW_TIE)), "slot A1: its outline crosses itself"),
        (layout(slot(polygon=SLIVER)), "slot A1: its polygon has almost no area"),
        (layout(slot(), slot()), "slot A1 is named twice"),
        (layout(slot(zone_id="B")), "there is no zone B"),
        (layout(slot(plan=[(0, 0), (1, 1), (1, 0), (0, 1)])), "on the plan crosses itself"),
        (layout(slot(), site_id="other"), "not belong to site other"),
        (layout(*(slot(f"s{n}") for n in range(1001))), "more than 1000"),
    ],
)
def test_each_fault_is_named(bad, says):
    assert any(says in fault for fault in check(bad)), check(bad)


FLAT = [(0.1, 0.5), (0.9, 0.5), (0.9, 0.5004), (0.1, 0.5004)]
LOW = [(x, y + 0.3) for x, y in FLAT]
FAR = [(x + 0.5, y) for x, y in SQUARE]
NEARLY = [(x + 0.004, y) for x, y in SQUARE]
BESIDE = [(x + 0.08, y) for x, y in SQUARE]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (layout(slot(), slot("A2")), "slot A2 has the same outline as slot A1"),
        (
            layout(slot(), slot("A2", polygon=NEARLY[::-1])),
            "slot A2 has the same outline as slot A1",
        ),
        (layout(slot(polygon=FLAT)), "less than 0.2% (about 2 pixels of 1280x720)"),
        (layout(slot(polygon=BOW_TIE)), "crosses itself"),
    ],
)
def test_a_new_layout_names_twins_and_what_is_too_small_to_be_seen(bad, says):
    assert any(says in fault for fault in check_new(bad)), check_new(bad)
    with pytest.raises(Invalid):
        checked_new(bad)


def test_a_new_layout_may_have_closed_rings_neighbours_and_twins_that_are_switched_off():
    closed = slot(polygon=[*SQUARE, SQUARE[0]])
    neighbour = slot("A2", polygon=BESIDE)
    assert check_new(layout(closed, neighbour, slot("A3", enabled=False))) == []


def test_a_layout_in_force_is_not_refused_for_what_only_new_ones_must_not_have():
    in_force = layout(slot(), slot("A2"), slot("A3", polygon=FLAT))
    assert checked(in_force) is in_force


def test_slots_in_force_stay_as_they_are_but_get_no_new_twin_and_no_new_line():
    in_force = layout(slot(), slot("A2"), slot("A3", polygon=FLAT), slot("A4", polygon=FAR))
    assert check_new(replace(in_force, camera_name="Other"), in_force) == []
    a_third = replace(in_force, slots=[*in_force.slots, slot("A5")])
    faults = check_new(a_third, in_force)
    assert faults
    assert all("A5" in fault for fault in faults), faults
    now_flat = replace(in_force, slots=[*in_force.slots[:3], slot("A4", polygon=LOW)])
    assert [fault[:8] for fault in check_new(now_flat, in_force)] == ["slot A4:"]
    off = layout(slot(), slot("A2", enabled=False))
    assert check_new(layout(slot(), slot("A2")), off), "a twin that is switched on is a new one"


def test_a_thousand_outlines_of_64_corners_on_one_place_are_reported_by_a_few():
    """However they are arranged, few pairs are compared. `make bench` and the docs give the
    time."""
    turn = [n / 64 * 6.2832 for n in range(64)]
    ring = [(0.5 + 0.2 * math.cos(a), 0.5 + 0.2 * math.sin(a)) for a in turn]
    faults = check_new(layout(*(slot(f"s{n}", polygon=ring) for n in range(1000))))
    assert 1 <= len(faults) <= 20


def test_all_errors_are_reported_at_once():
    bad = layout(slot(polygon=BOW_TIE, zone_id="B"), slot("A2", polygon=SLIVER))
    with pytest.raises(Invalid) as caught:
        checked(bad)
    assert caught.value.reason == "bad-layout"
    assert caught.value.detail.count(";") >= 2


def test_adoption_names_enabled_slots_and_shares_the_layouts_id():
    command = adoption(layout(slot(), slot("A2", enabled=False)), "cli")
    assert command.id == "demo/north/layout/1"
    assert isinstance(command.command, LayoutAdopted)
    assert [ref.slot_id for ref in command.command.slots] == ["A1"]


def frame(camera, polygon, file="a.jpg"):
    slots = [{"id": 1, "polygon": polygon, "occupied": 1}]
    return {"file": file, "camera": camera, "width": 100, "height": 50, "slots": slots}


def test_annotations_become_one_usable_layout_a_camera():
    pixels = [[10, 5], [20, 5], [20, 10], [-3, 60]]
    made = layouts_from_annotations(
        {"dataset": "Lot X", "frames": [frame("Cam 1", pixels), frame("cam2", pixels)]},
        "lot-x",
        interval_ms=1000,
        time_ms=5,
    )
    assert [one.camera_id for one in made] == ["lot-x/cam-1", "lot-x/cam2"]
    assert made[0].slots[0].polygon == [(0.1, 0.1), (0.2, 0.1), (0.2, 0.2), (0.0, 1.0)]
    assert made[0].site_name == "Lot X"
    assert check(made[0]) == []
    assert msgspec.json.decode(msgspec.json.encode(made[0]), type=LayoutPublished) == made[0]


def test_site_facts_give_zones_names_and_the_plan():
    plan = [[0, 0], [2.5, 0], [2.5, 5], [0, 5]]
    site = {"name": "Demo", "zones": {"A": "Zone A"}, "slots": {"1": {"zone": "A", "plan": plan}}}
    (made,) = layouts_from_annotations(
        {
            "site": site,
            "cameras": {"n": {"name": "North"}},
            "frames": [frame("n", [[0, 0], [9, 0], [9, 9]])],
        },
        "demo",
        interval_ms=1000,
        time_ms=5,
    )
    assert (made.site_name, made.camera_name, made.slots[0].zone_id) == ("Demo", "North", "A")
    assert made.slots[0].plan == [(0.0, 0.0), (2.5, 0.0), (2.5, 5.0), (0.0, 5.0)]


@pytest.mark.parametrize(
    "bad", [{}, {"frames": [{}]}, {"frames": 3}, {"frames": [{**frame("a", [[1, 2]]), "width": 0}]}]
)
def test_invalid_annotations_are_reported(bad):
    with pytest.raises(Invalid, match="bad-annotations"):
        layouts_from_annotations(bad, "demo", interval_ms=1000, time_ms=5)


@pytest.mark.parametrize(
    ("text", "part"), [("GOPR 0024", "gopr-0024"), ("ä!", "x"), ("x" * 50, "x" * 40)]
)
def test_slug(text, part):
    assert slug(text) == part


def test_a_layout_is_the_same_when_only_its_publication_differs():
    first = layout(slot())
    assert same_layout(first, replace(first, version=2, id="demo/north/layout/2", time_ms=7))
    assert not same_layout(first, replace(first, interval_ms=2000))


def test_the_newest_layout_with_settings_gives_those_of_the_site():
    first = replace(layout(slot()), site=SiteSettings(public=True))
    other = replace(first, camera_id="demo/south", time_ms=first.time_ms + 1)
    assert site_settings([]) is None
    assert site_settings([first, replace(other, site=None)]) == SiteSettings(public=True)
    assert site_settings([replace(other, site=SiteSettings()), first]) == SiteSettings()
    assert site_settings([replace(first, removed=True)]) is None


def test_publishing_a_layout_keeps_the_settings_of_its_site():
    site = [replace(layout(slot()), site=SiteSettings(time_zone="Asia/Jakarta"))]
    for given in (None, SiteSettings(public=True)):
        new = replace(layout(slot()), camera_id="demo/south", site=given)
        assert with_settings_kept(new, site).site == SiteSettings(time_zone="Asia/Jakarta")
        assert with_settings_kept(new, []).site == given


def test_a_changed_layout_gets_the_next_version_and_an_equal_one_none():
    held = replace(layout(slot()), version=7, id="demo/north/layout/7")
    changed = layout(slot(), slot("A2"))
    after = successor(changed, held)
    assert (after.version, after.id) == (8, "demo/north/layout/8")
    assert same_layout(after, changed)
    assert successor(replace(layout(slot()), time_ms=99), held) is held
    assert successor(changed, None) is changed
