"""Slots proposed from generated recordings: rows of cars in perspective, for which the truth is
known."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.core import lots
from parking.core.events import LayoutPublished
from parking.vision.ground import Camera, Floats, find_camera, misfit
from parking.vision.places import find_stays, gather
from parking.vision.proposals import SINGLES, Options, Proposal, layout_of, propose
from tools.propose.score import ious, pairs

SIZE_WH = (1280, 720)
RATIO = SIZE_WH[1] / SIZE_WH[0]
CAMERA = Camera(0.8, np.radians(38), 11.0)
PITCH_M = 2.6
ROWS_Y_M = (15.0, 25.5)
COLUMNS = 7


def slot_centres(row: int) -> Floats:
    x = (np.arange(COLUMNS) - (COLUMNS - 1) / 2) * PITCH_M
    return np.column_stack([x, np.full(COLUMNS, ROWS_Y_M[row])])


def normalised(boxes: Floats) -> Floats:
    return boxes / (1, RATIO, 1, RATIO) + 0.5


def car_boxes(centres: Floats, heading: float) -> Floats:
    return normalised(CAMERA.boxes(centres, np.full(len(centres), heading)))


def truth() -> list[Floats]:
    corners = np.array([(-PITCH_M / 2, -2.5), (PITCH_M / 2, -2.5), (PITCH_M / 2, 2.5), (-1.3, 2.5)])
    centres = np.concatenate([slot_centres(row) for row in range(2)])
    return [CAMERA.outline(centre + corners) / (1, RATIO) + 0.5 for centre in centres]


def recording(
    *, seed: int = 3, frames: int = 40, never: frozenset[int] = frozenset()
) -> list[Floats]:
    """Return cars that come and go in all slots except `never`, each off the middle of its slot,
    with jittering boxes."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([slot_centres(row) for row in range(2)])
    shown: list[list[Floats]] = [[] for _ in range(frames)]
    for number, centre in enumerate(centres):
        if number in never:
            continue
        start = int(rng.integers(0, 6))
        while start < frames:
            end = min(frames, start + int(rng.integers(6, 20)))
            box = car_boxes(centre[None] + rng.normal(0, 0.12, (1, 2)), np.pi / 2)[0]
            for frame in range(start, end):
                shown[frame].append(box + rng.normal(0, 0.0006, 4))
            start = end + int(rng.integers(2, 8))
    return [np.array(boxes).reshape(-1, 4) for boxes in shown]


def outlines(found: list[Proposal]) -> list[Floats]:
    return [np.array(one.polygon) for one in found]


def empty_layout() -> LayoutPublished:
    return LayoutPublished(
        id="x/y/layout/1", site_id="x", time_ms=0, camera_id="x/y", version=1, site_name="x",
        camera_name="y", interval_ms=1000, zones=[], slots=[],
    )  # fmt: skip


@cache
def usual() -> list[Proposal]:
    return propose(recording(), SIZE_WH)


def driving(frames: int) -> list[Floats]:
    """Return cars that pass along the aisle between the rows one after the other, without
    stopping."""
    boxes = []
    for frame in range(frames):
        at = np.array([[(frame * 1.7 + lead) % 26 - 13, 20.2] for lead in (0, 9, 17)])
        boxes.append(car_boxes(at, 0.0))
    return boxes


def test_every_used_slot_is_proposed_where_it_is_and_nothing_else() -> None:
    found = usual()
    same = pairs(ious(outlines(found), truth(), SIZE_WH), 0.5)
    assert len(same) == len(truth())
    assert len(found) == len(truth())
    assert all(one.frames > 0 and one.confidence > 0.5 for one in found)


def test_slots_are_named_row_by_row_in_reading_order() -> None:
    found = usual()
    assert {one.zone_id for one in found} == {"A", "B"}
    far = [one for one in found if one.zone_id == "A"]
    near = [one for one in found if one.zone_id == "B"]
    assert [one.slot_id for one in far] == [f"A{number:02}" for number in range(1, COLUMNS + 1)]
    lefts = [float(np.mean([x for x, _ in one.polygon])) for one in far]
    assert lefts == sorted(lefts)
    assert max(y for one in far for _, y in one.polygon) < min(
        float(np.mean([y for _, y in one.polygon])) for one in near
    )


def test_a_slot_never_used_in_a_row_is_proposed_with_little_confidence() -> None:
    footage = recording(never=frozenset({4}))
    found = propose(footage, SIZE_WH)
    filled = [one for one in found if one.frames == 0]
    assert len(filled) == 1
    assert ious(outlines(filled), [truth()[4]], SIZE_WH)[0, 0] > 0.5
    assert filled[0].confidence < min(one.confidence for one in found if one.frames)
    gaps = propose(footage, SIZE_WH, Options(fill_gaps=False))
    assert [one for one in gaps if not one.frames] == []
    assert len(gaps) == len(found) - 1


def test_cars_that_only_drive_past_are_no_slots() -> None:
    assert propose(driving(120), SIZE_WH) == []


def test_a_car_that_waits_a_moment_is_not_a_slot() -> None:
    waits = [car_boxes(np.array([[3.0, 15.0]]), 0.0)] * 4
    assert propose([*driving(20), *waits, *driving(20)], SIZE_WH) == []
    assert len(propose([*driving(20), *waits * 3, *driving(20)], SIZE_WH)) == 1


def test_cars_that_drive_past_change_nothing_among_parked_ones() -> None:
    parked = recording()
    both = [np.concatenate(pair) for pair in zip(parked, driving(len(parked)), strict=True)]
    assert propose(both, SIZE_WH) == usual()


def test_nothing_seen_gives_nothing() -> None:
    assert propose([], SIZE_WH) == []
    assert propose([np.zeros((0, 4))] * 5, SIZE_WH) == []


def test_the_same_boxes_give_the_same_proposals() -> None:
    assert propose(recording(), SIZE_WH) == usual()


def test_a_region_leaves_the_rest_out() -> None:
    near = [(0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)]
    found = propose(recording(), SIZE_WH, Options(region=near))
    assert len(found) == COLUMNS
    assert all(np.mean([y for _, y in one.polygon]) > 0.4 for one in found)


def test_frames_far_apart_count_what_was_seen_twice() -> None:
    box = np.array([[0.4, 0.4, 0.5, 0.5]])
    other = np.array([[0.41, 0.4, 0.52, 0.5]])
    nothing = np.zeros((0, 4))
    frames = [box, nothing, nothing, nothing, nothing, other]
    assert propose(frames, SIZE_WH) == []
    (one,) = propose(frames, SIZE_WH, Options(apart=True))
    assert one.zone_id == "A" or one.zone_id == SINGLES
    assert one.frames == 2


def test_edges_tell_a_slanted_row_from_its_mirror_image() -> None:
    """The cars stand at 50 degrees to their row, straight in front of the camera, so their boxes
    are nearly those of cars turned the other way."""
    slant = np.radians(50)
    x = (np.arange(6) - 2.5) * PITCH_M / np.sin(slant)
    centres = np.column_stack([x, np.full(6, 18.0)])
    along = np.array([np.cos(slant), np.sin(slant)]) * 2
    ends = CAMERA.outline(centres + along) - CAMERA.outline(centres - along)
    angle = np.arctan2(ends[:, 1], ends[:, 0]) % np.pi
    sides = np.full((6, 18), 0.5 / 17)
    sides[np.arange(6), (angle / np.pi * 18).astype(int)] = 0.5
    sightings = np.hstack([car_boxes(centres, slant), sides])
    found = propose([sightings] * 6, SIZE_WH)
    assert len(found) == 6
    for one, wanted in zip(found, angle, strict=True):
        corners = np.array(one.polygon) * SIZE_WH
        steps = np.roll(corners, -1, axis=0) - corners
        turned = (np.arctan2(steps[:, 1], steps[:, 0]) - wanted + np.pi / 2) % np.pi - np.pi / 2
        assert np.abs(turned).min() < np.radians(12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 9), apart=st.booleans())
def test_whatever_stands_every_layout_can_be_used(seed: int, count: int, apart: bool) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.95, (count, 2))
    boxes = np.hstack([corner, np.minimum(corner + rng.uniform(0.001, 0.3, (count, 2)), 1)])
    found = propose([boxes] * 6, SIZE_WH, Options(apart=apart))
    if found:
        assert lots.check(layout_of(found, empty_layout())) == []
    assert all(0 <= one.confidence <= 1 for one in found)


# ---------------------------------------------------------------- stays and places
def test_two_vehicles_at_once_are_two_places() -> None:
    first, second = (0.1, 0.1, 0.3, 0.3), (0.16, 0.1, 0.36, 0.3)
    assert len(gather(find_stays([np.array([first, second])] * 4))) == 2
    frames = [np.array([first])] * 4 + [np.zeros((0, 4))] * 9 + [np.array([second])] * 4
    assert len(gather(find_stays(frames))) == 1


def test_a_stay_goes_on_when_its_vehicle_is_hidden_for_a_moment() -> None:
    box, nothing = np.array([[0.1, 0.1, 0.3, 0.3]]), np.zeros((0, 4))
    assert len(find_stays([box, box, nothing, nothing, box])) == 1
    assert len(find_stays([box, box, *[nothing] * 6, box, box])) == 2


def test_a_place_counts_passing_vehicles() -> None:
    stands = np.array([[0.1, 0.1, 0.3, 0.3]])
    passes = np.array([[0.15, 0.1, 0.35, 0.3]])
    nothing = [np.zeros((0, 4))] * 6
    (place,) = gather(find_stays([stands, stands, *nothing, passes, *nothing, passes]))
    assert (len(place.frames), place.passed) == (2, 2)


# ---------------------------------------------------------------- the ground
def test_a_point_of_the_ground_is_found_again() -> None:
    ground = np.random.default_rng(1).uniform((-15, 8), (15, 40), (50, 2))
    np.testing.assert_allclose(CAMERA.ground(CAMERA.outline(ground)), ground, atol=1e-9)


def test_boxes_of_cars_tell_their_camera() -> None:
    centres = np.concatenate([slot_centres(row) for row in range(2)])
    boxes = CAMERA.boxes(centres, np.full(len(centres), np.pi / 2))
    found = find_camera(boxes)
    assert found is not None
    assert misfit(found, boxes) < 0.1
    row = np.array([(x, ROWS_Y_M[1]) for x in (-6.0, 6.0)])
    width = np.diff(found.ground(CAMERA.outline(row))[:, 0])[0]
    assert width == pytest.approx(12, rel=0.15)


def test_few_boxes_tell_no_camera() -> None:
    assert find_camera(np.zeros((5, 4))) is None
