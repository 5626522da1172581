"""Areas, crossing checks and the matching rule, against brute force and by cases."""

import numpy as np
import pytest

from parking.core.geometry import (
    Floats,
    is_simple,
    match_boxes,
    overlap_areas,
    points_in_polygon,
    polygon_area,
)

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
L_SHAPE = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 3], [0, 3]]


def random_star(rng: np.random.Generator, corners: int) -> Floats:
    """Return a simple, usually concave polygon around a random centre."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = rng.uniform(0.1, 0.5, corners)
    centre = rng.uniform(0.2, 0.8, 2)
    star: Floats = centre + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return star


def grid(side: int) -> np.ndarray:
    """Return cell centres over -0.5..1.5, where every random star lies."""
    axis = (np.arange(side) + 0.5) / side * 2 - 0.5
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def test_area_does_not_depend_on_the_turn() -> None:
    assert polygon_area(SQUARE) == polygon_area(SQUARE[::-1]) == 1.0
    assert polygon_area(L_SHAPE) == 4.0


def test_points_in_a_concave_polygon() -> None:
    points = [[0.5, 0.5], [1.5, 0.5], [0.5, 2.5], [1.5, 2.0], [-0.1, 0.5], [0.5, 3.5]]
    assert points_in_polygon(points, L_SHAPE).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("polygon", "simple"),
    [
        (SQUARE, True),
        (L_SHAPE, True),
        ([[0, 0], [1, 1], [1, 0], [0, 1]], False),  # a bow tie
        ([[0, 0], [1, 0], [1, 1], [1, 0], [0, 1]], False),  # a spike that runs back
        ([[0, 0], [2, 0], [2, 2], [1, 0], [0, 2]], False),  # a corner touches an edge
        ([[0, 0], [1, 0], [2, 0]], False),  # no area
        ([[0, 0], [0, 0], [1, 0], [1, 1]], False),  # a point twice
        ([[0, 0], [1, 1]], False),
        ([*SQUARE, SQUARE[0]], True),  # closed
        ([[0, 0], [1, 0], [0, 0]], False),  # closed, and nothing inside
        ([[0, 0], [1, 0], [1, float("nan")]], False),
        ([0, 0, 1, 1], False),
        ([[0, 0], [1, 0], [2, 0], [2, 1], [0, 1]], True),  # a straight corner is fine
    ],
)
def test_crossing_outlines_are_refused(polygon: list[list[float]], simple: bool) -> None:
    assert is_simple(polygon) is simple


def test_overlap_agrees_with_counting_cells() -> None:
    rng = np.random.default_rng(5)
    cells = grid(400)
    cell_area = (2 / 400) ** 2
    for corners in (3, 4, 5, 9):
        polygons = [random_star(rng, corners) for _ in range(6)]
        low, high = rng.uniform(0, 0.6, (5, 2)), rng.uniform(0.05, 0.6, (5, 2))
        boxes = np.hstack([low, low + high])
        areas = overlap_areas(boxes, polygons)
        for s, polygon in enumerate(polygons):
            inside = cells[points_in_polygon(cells, polygon)]
            for n, (x0, y0, x1, y1) in enumerate(boxes):
                held = (inside >= (x0, y0)).all(axis=1) & (inside <= (x1, y1)).all(axis=1)
                assert areas[n, s] == pytest.approx(held.sum() * cell_area, abs=3e-3)


def test_overlap_with_mixed_corner_counts_and_none() -> None:
    areas = overlap_areas([[0, 0, 1, 1], [5, 5, 6, 6]], [SQUARE, L_SHAPE, [[0, 0], [2, 0], [0, 2]]])
    assert areas == pytest.approx(np.array([[1, 1, 1], [0, 0, 0]]))
    assert overlap_areas(np.zeros((0, 4)), [SQUARE]).shape == (0, 1)
    assert overlap_areas([[0, 0, 1, 1]], []).shape == (1, 0)


def row_of_slots(count: int) -> list[np.ndarray]:
    return [np.array(SQUARE) * (0.1, 0.2) + (0.1 * i, 0.4) for i in range(count)]


def test_a_box_belongs_to_one_slot_only() -> None:
    slots = row_of_slots(3)
    found = match_boxes([[0.12, 0.4, 0.24, 0.58]], [0.9], slots)
    assert found.scores.tolist() == [0, 0.9, 0]
    assert found.box_index.tolist() == [-1, 0, -1]


def test_a_tall_vehicle_does_not_take_the_slot_behind_it() -> None:
    behind = np.array(SQUARE) * (0.1, 0.1) + (0.1, 0.3)
    ahead = np.array(SQUARE) * (0.1, 0.1) + (0.1, 0.4)
    found = match_boxes([[0.1, 0.3, 0.2, 0.5]], [0.8], [behind, ahead])
    assert found.scores.tolist() == [0, 0.8]


def test_the_best_of_several_boxes_counts() -> None:
    box = [0.0, 0.4, 0.1, 0.6]
    found = match_boxes([box, box, box], [0.3, 0.7, 0.5], row_of_slots(2))
    assert found.scores.tolist() == [0.7, 0]
    assert found.box_index.tolist() == [1, -1]


def two_vehicles(second: list[float]) -> list[list[float]]:
    """Return two vehicles. One stands in the middle slot of three, and the second overlaps that
    slot most, too."""
    return [[0.11, 0.36, 0.19, 0.6], second]


def test_the_worse_fitting_of_two_vehicles_in_one_slot_goes_to_the_next() -> None:
    """It stands low and leans over, so its footprint lies more in the slot before it."""
    leaning = [0.155, 0.36, 0.24, 0.6]
    alone = match_boxes([leaning], [0.9], row_of_slots(3))
    assert alone.box_index.tolist() == [-1, 0, -1]
    both = match_boxes(two_vehicles(leaning), [0.8, 0.9], row_of_slots(3))
    assert both.box_index.tolist() == [-1, 0, 1]
    assert both.scores.tolist() == [0, 0.8, 0.9]


def test_an_unsure_box_wins_no_second_slot() -> None:
    both = match_boxes(two_vehicles([0.155, 0.36, 0.24, 0.6]), [0.8, 0.1], row_of_slots(3))
    assert both.box_index.tolist() == [-1, 0, -1]


def test_one_vehicle_seen_twice_takes_one_slot() -> None:
    twice = two_vehicles([0.13, 0.36, 0.21, 0.6])
    assert match_boxes(twice, [0.8, 0.9], row_of_slots(3)).box_index.tolist() == [-1, 1, -1]


def test_a_weak_second_box_of_a_vehicle_does_not_send_it_away() -> None:
    """A cab, for example, fits the slot better than the whole vehicle does but has a low score."""
    vehicle, cab = [0.155, 0.36, 0.24, 0.6], [0.11, 0.36, 0.19, 0.6]
    alone = match_boxes([vehicle], [0.95], row_of_slots(3))
    assert alone.scores.tolist() == [0, 0.95, 0]
    both = match_boxes([vehicle, cab], [0.95, 0.16], row_of_slots(3))
    assert both.scores.tolist() == [0, 0.95, 0]


def test_a_slot_that_another_vehicle_claims_is_not_a_second_choice() -> None:
    boxes = [*two_vehicles([0.155, 0.36, 0.24, 0.6]), [0.21, 0.36, 0.29, 0.6]]
    found = match_boxes(boxes, [0.8, 0.9, 0.7], row_of_slots(3))
    assert found.scores.tolist() == [0, 0.9, 0.7]


def leaning_row(count: int, off: float) -> list[list[float]]:
    """Return a vehicle in each of the first slots of a row, all shifted to the right by a share of
    a slot."""
    return [[x + 0.1 * off, 0.4, x + 0.1 + 0.1 * off, 0.6] for x in np.arange(count) / 10]


def test_vehicles_that_all_stand_off_their_slots_one_way_are_moved_back() -> None:
    """One of them is shifted so far that it would be assigned to the next slot if it were alone."""
    far = [0.36, 0.4, 0.46, 0.6]
    alone = match_boxes([far], [0.9], row_of_slots(6))
    assert alone.box_index.tolist() == [-1, -1, -1, -1, 0, -1]
    row = match_boxes([*leaning_row(3, 0.4), far], [0.9] * 4, row_of_slots(6))
    assert row.box_index.tolist() == [0, 1, 2, 3, -1, -1]


def test_vehicles_that_are_not_sure_do_not_show_how_the_others_stand() -> None:
    far = [0.36, 0.4, 0.46, 0.6]
    row = match_boxes([*leaning_row(3, 0.4), far], [0.3] * 4, row_of_slots(6))
    assert row.box_index.tolist() == [0, 1, 2, -1, 3, -1]


def test_one_vehicle_shows_little_of_how_the_others_stand() -> None:
    far = [0.36, 0.4, 0.46, 0.6]
    row = match_boxes([*leaning_row(1, 0.4), far], [0.9, 0.9], row_of_slots(6))
    assert row.box_index.tolist() == [0, -1, -1, -1, 1, -1]


def test_a_vehicle_outside_belongs_to_no_slot() -> None:
    passing = [[0.0, 0.55, 0.2, 0.9], [0.7, 0.7, 0.9, 0.9]]
    assert match_boxes(passing, [0.9, 0.9], row_of_slots(2)).scores.tolist() == [0, 0]


def test_nothing_to_match() -> None:
    assert match_boxes(np.zeros((0, 4)), [], row_of_slots(2)).scores.tolist() == [0, 0]
    assert match_boxes([[0, 0, 1, 1]], [0.5], []).scores.shape == (0,)


def test_a_slot_behind_a_vehicle_of_another_slot_is_covered_by_so_much():
    behind = [(0.1, 0.2), (0.2, 0.2), (0.2, 0.4), (0.1, 0.4)]
    ahead = [(0.1, 0.4), (0.2, 0.4), (0.2, 0.6), (0.1, 0.6)]
    found = match_boxes([[0.1, 0.3, 0.2, 0.6]], [0.8], [behind, ahead])
    assert found.scores.tolist() == [0.0, 0.8]
    assert found.covered.tolist() == pytest.approx([0.5, 0.0])
    unsure = match_boxes([[0.1, 0.3, 0.2, 0.6]], [0.1], [behind, ahead])
    assert unsure.covered.tolist() == pytest.approx([0.1, 0.0])


def test_a_vehicle_in_no_slot_covers_the_first_slot_like_any_other():
    """It stands in front of both slots and in neither."""
    covered = [
        match_boxes([[0.1, 0.55, 0.2, 0.99]], [0.8], slots).covered
        for slots in (row_of_slots(2), row_of_slots(2)[::-1])
    ]
    assert covered[0].max() > 0
    assert covered[0].tolist() == pytest.approx(covered[1][::-1].tolist())


def test_without_boxes_nothing_is_covered():
    assert match_boxes(np.zeros((0, 4)), [], row_of_slots(2)).covered.tolist() == [0, 0]
