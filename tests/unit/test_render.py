import json

import numpy as np
import pytest

from parking.core.lots import check, layouts_from_annotations
from tools.render import truth
from tools.render.site import demo_site, random_site
from tools.render.story import COVERED, HOLD, DemoStory, random_moment

SIZE_WH = (960, 640)
STORY = DemoStory(demo_site(), 48, 4)


def test_the_same_seed_tells_the_same_story():
    assert DemoStory(demo_site(), 48, 4).moments == STORY.moments
    assert DemoStory(demo_site(), 48, 5).moments != STORY.moments


def taken(moment):
    return {car.slot_id for car in moment.cars if car.slot_id}


def test_cars_come_and_go_within_the_first_minute_and_slots_rest_between_changes():
    arrivals = departures = 0
    changed: dict[str, int] = {}
    for index in range(1, len(STORY.moments)):
        before, now = taken(STORY.moments[index - 1]), taken(STORY.moments[index])
        arrivals, departures = arrivals + len(now - before), departures + len(before - now)
        for slot in before ^ now:
            assert index - changed.get(slot, -HOLD) >= HOLD - 1, slot
            changed[slot] = index
    assert arrivals >= 10
    assert departures >= 8


def test_one_slot_holds_one_car():
    for moment in STORY.moments:
        standing = [car.slot_id for car in moment.cars if car.slot_id]
        assert len(standing) == len(set(standing))


def test_gate_events_balance_what_parks():
    entries = sum(event.direction == "entry" for event in STORY.gate)
    exits = sum(event.direction == "exit" for event in STORY.gate)
    grown = len(taken(STORY.moments[-1])) - len(taken(STORY.moments[0]))
    # The last to come may still be driving.
    assert entries - exits - grown in {0, 1}


def test_one_camera_is_covered_for_a_while():
    covered = [i for i, moment in enumerate(STORY.moments) if "south" in moment.covered]
    assert covered == list(COVERED)


def test_the_cameras_see_every_slot_and_overlap():
    site = demo_site()
    seen = [
        {s["id"] for s in truth.slots(site, camera, STORY.moments[0], SIZE_WH)}
        for camera in site.cameras
    ]
    assert seen[0] | seen[1] == {slot.slot_id for slot in site.slots}
    assert len(seen[0] & seen[1]) >= 6


def test_the_truth_makes_usable_layouts():
    site = demo_site()
    frames = [
        {
            "file": f"{camera.name}.jpg",
            "camera": camera.name,
            "width": 960,
            "height": 640,
            "slots": truth.slots(site, camera, STORY.moments[0], SIZE_WH),
        }
        for camera in site.cameras
    ]
    whole = json.loads(json.dumps(truth.annotations(site, frames, STORY.gate)))
    for layout in layouts_from_annotations(whole, "demo", interval_ms=1000, time_ms=1):
        assert check(layout) == []
        assert all(slot.plan for slot in layout.slots)
    assert {event["direction"] for event in whole["gate"]} == {"entry", "exit"}


def test_boxes_and_people_are_what_is_visible():
    owner = np.full((20, 30), -1, np.int32)
    owner[5:15, 10:20] = 0
    owner[0:2, 0:2] = 1  # too small to count
    owner[10:20, 22:28] = 2
    names = ("car-1", "car-2", "person-0")
    assert truth.boxes(owner, names) == [[10, 5, 20, 15]]
    assert truth.people(owner, names) == 1


@pytest.mark.parametrize("seed", range(5))
def test_random_lots_differ_and_are_whole(seed):
    site = random_site(seed)
    moment = random_moment(site, seed)
    assert len({slot.slot_id for slot in site.slots}) == len(site.slots)
    assert taken(moment) <= {slot.slot_id for slot in site.slots}
