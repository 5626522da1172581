"""One vehicle over two slots: found by geometry, counted by the tracker, shown by the notifier."""

import numpy as np
import pytest
from msgspec.structs import replace

from parking.core.events import DetectionMade, Event, SlotChanged, SlotStateUpdated
from parking.core.geometry import Matches, match_boxes
from parking.core.straddling import Astride, astride
from services.detector.astride import Pair, between, elsewhere, partners, raised, with_partners
from services.detector.observing import observation
from services.notifier.state import LiveState
from tests.support.tracking import Teller, fold
from tools.evaluate.astride import Donor, composed, side_by_side
from tools.evaluate.straddling import outcome, reported

WIDE, TALL = 100.0, 160.0
BAND = (0.3, 0.7)


def slot(left: float, top: float, wide: float = WIDE, tall: float = TALL) -> list[list[float]]:
    return [[left, top], [left + wide, top], [left + wide, top + tall], [left, top + tall]]


ROW = [slot(WIDE * number, 0) for number in range(6)]
BEHIND = [slot(0, 0, 100, 70), slot(0, 70, 100, 70)]


def car(left: float, bottom: float = TALL - 5) -> tuple[float, float, float, float]:
    return (left, bottom - 150, left + 80, bottom)


def found(boxes, slots=ROW, scores=None) -> list[tuple[int, int]]:
    said = [0.9] * len(boxes) if scores is None else scores
    match = match_boxes(boxes, said, slots)
    pairs = astride(boxes, said, slots, match)
    return sorted({(min(one.own, one.other), max(one.own, one.other)) for one in pairs})


# ---------------------------------------------------------------- geometry
PARKED = [car(10), car(510)]


def test_a_car_on_the_line_stands_over_both_slots():
    assert found([*PARKED, car(160), car(360)]) == [(1, 2), (3, 4)]


@pytest.mark.parametrize("left", [110, 120, 102])
def test_a_car_in_its_slot_stands_over_no_other(left):
    assert found([*PARKED, car(left)]) == []


def test_a_lorry_stands_over_both_slots_that_it_fills():
    assert found([*PARKED, (115.0, -60.0, 285.0, TALL)]) == [(1, 2)]


def test_a_tall_vehicle_does_not_stand_over_the_slot_that_it_hides():
    """Its lower edge is that of its own slot. Half a slot higher, it would stand over both."""
    tall = (10.0, 15.0, 90.0, 138.0)
    assert found([tall], BEHIND) == []
    assert found([(10.0, 15.0, 90.0, 103.0)], BEHIND) == [(0, 1)]


def test_outlines_that_all_vehicles_miss_by_as_much_are_badly_drawn():
    every = [car(10 + 38 + WIDE * number) for number in range(5)]
    assert found(every) == []
    assert found(every[:1]) == [(0, 1)]  # of one alone nobody can tell


def test_a_neighbour_with_a_vehicle_of_its_own_is_not_under_this_one():
    line = car(155)
    assert found([*PARKED, line]) == [(1, 2)]
    match = Matches(
        np.array([0.9, 0.9, 0.9, 0, 0, 0.9]), np.array([0, 2, 3, -1, -1, 1]), np.zeros(6)
    )
    boxes = [*PARKED, line, car(215)]
    assert not {(one.own, one.other) for one in astride(boxes, [0.9] * 4, ROW, match)} & {(1, 2)}


def test_what_is_hardly_a_vehicle_or_has_no_neighbour_gives_no_pair():
    assert found([*PARKED, car(160)], scores=[0.9, 0.9, 0.05]) == []
    assert found([]) == []
    assert found([car(60)], ROW[:1]) == []
    apart = [slot(0, 0), slot(400, 0)]
    assert found([(150.0, 10.0, 350.0, TALL)], apart) == []


# ---------------------------------------------------------------- pairs
def test_the_place_between_has_the_shape_of_the_first_and_lies_half_way():
    moved = between(np.array(ROW[1]), np.array(ROW[2]))
    assert moved.tolist() == slot(150, 0)


def test_both_slots_are_at_least_as_surely_occupied_as_the_place_between():
    pairs = (Pair((0, 1), 0.9), Pair((1, 2), 0.8))
    assert raised(np.array([0.95, 0.1, np.nan, 0.1]), pairs).tolist() == [0.95, 0.9, 0.8, 0.1]
    assert partners(1, pairs) == [0, 2]
    assert partners(3, pairs) == []


def test_both_slots_are_judged_together():
    pairs = (Pair((0, 1), 0.9),)
    first, third = np.array([True, False, False]), np.array([False, False, True])
    assert with_partners(first, pairs).tolist() == [True, True, False]
    assert with_partners(third, pairs).tolist() == [False, False, True]
    assert elsewhere(pairs, first) == ()
    assert elsewhere(pairs, third) == pairs


@pytest.mark.parametrize(
    ("occupied", "others", "state"),
    [
        (0.9, ["A2"], "occupied"),
        (0.5, ["A2"], "unknown"),
        (0.1, ["A2"], "unknown"),
        (0.9, [], "occupied"),
        (0.5, [], "unknown"),
        (0.1, [], "free"),
    ],
)
def test_a_straddled_slot_is_never_free(occupied, others, state):
    seen = observation("A1", occupied, BAND, others)
    assert (seen.state, seen.straddling) == (state, others)


# ---------------------------------------------------------------- tracker and notifier
def straddled(record: DetectionMade, others: dict[str, list[str]]) -> DetectionMade:
    seen = [replace(one, straddling=others[one.slot_id]) for one in record.observations]
    return replace(record, observations=seen)


def arrival() -> list[Event]:
    """Return a lorry over slots 1 and 2, beside a car in 3."""
    t = Teller()
    others = {"1": ["2"], "2": ["1"], "3": []}
    seen = [t.see("a", {"1": "o", "2": "o", "3": "o"}) for _ in range(2)]
    left = [t.see("a", {"1": "f", "2": "f", "3": "o"}) for _ in range(2)]
    _, outputs = fold([t.adopt("a", "1", "2", "3"), *(straddled(s, others) for s in seen), *left])
    return outputs


def test_the_change_and_the_state_say_which_slots_the_vehicle_stands_over():
    outputs = arrival()
    for kind in (SlotChanged, SlotStateUpdated):
        said = [
            (
                one.slot_id,
                getattr(one, "to_state", None) or getattr(one, "state", None),
                one.straddling,
            )
            for one in outputs
            if isinstance(one, kind)
        ]
        assert [one for one in said if one[1] == "occupied"] == [
            ("1", "occupied", ["2"]),
            ("2", "occupied", ["1"]),
            ("3", "occupied", []),
        ]
        assert [one[2] for one in said if one[1] != "occupied"] == [[]] * 5


def test_the_view_of_a_slot_says_it_until_the_vehicle_has_left():
    state, said = LiveState(), []
    for event in arrival():
        if isinstance(event, SlotChanged):
            state.slot_change(event)
            said.append({view.slot_id: view.straddling for view in state.slot_views("lot")})
    assert {"1": ["2"], "2": ["1"], "3": []} in said
    assert said[-1] == {"1": [], "2": [], "3": []}


def test_a_pair_names_the_box_and_both_slots():
    (one,) = astride([car(165)], [0.9], ROW, match_boxes([car(165)], [0.9], ROW))
    assert one == Astride(0, 2, 1)


# ---------------------------------------------------------------- measuring
def test_pairs_are_nearest_free_neighbours():
    outlines = [np.array(one) for one in ROW]
    assert side_by_side(outlines, [0, 1, 4]) == [(0, 1)]
    assert side_by_side([np.array(slot(0, 0)), np.array(slot(400, 0))], [0, 1]) == []


def test_a_copy_stands_as_far_from_its_place_as_the_donor_from_its_slot():
    picture = np.zeros((300, 600, 3), np.uint8)
    picture[60:140, 20:80] = 255
    donor = Donor(np.array([20.0, 60.0, 80.0, 140.0]), np.array(ROW[0]))
    pair = (np.array(ROW[3]), np.array(ROW[4]))
    copied = composed(picture, donor, pair, 0.5)
    assert copied is not None
    middle = (copied[1][:2] + copied[1][2:]) / 2
    assert middle == pytest.approx([400, 100], abs=2)
    assert copied[0][100, 400].tolist() == [255, 255, 255]
    assert picture[100, 400].tolist() == [0, 0, 0]
    assert composed(picture, donor, pair, 5.0) is None  # outside the picture


def test_outcomes_and_reports_are_counted_by_both_slots():
    both = observation("A1", 0.9, BAND, ["A2"]), observation("A2", 0.9, BAND, ["A1"])
    assert outcome(both) == ["pictures", "not free", "reported"]
    assert outcome((both[0], observation("A2", 0.1, BAND))) == ["pictures"]
    counts = reported([*both, observation("A3", 0.1, BAND)], [1, 0, None])
    assert dict(counts) == {"slots": 2, "straddled": 2, "free": 1}
