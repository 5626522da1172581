"""Where vehicles are searched for: what the model is shown, and where its boxes then lie."""

from collections.abc import Sequence

import numpy as np
import pytest

from parking.wire.ports import Boxes
from services.detector.regions import (
    CANVASES_WH,
    Region,
    pack,
    regions_about,
    whole,
)
from services.detector.searching import NO_BOXES, draw, search, update
from tests.support.detector_tools import WhiteDetector

HD = (1280, 720)


def outline(x: float, y: float, w: float = 60, h: float = 40):
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def pixels(regions: Sequence[Region]) -> int:
    return sum(canvas.size_wh[0] * canvas.size_wh[1] for canvas in pack(regions))


def test_one_slot_costs_a_small_canvas_and_a_lot_a_large_one():
    assert [c.size_wh for c in pack(regions_about([outline(600, 300)], [1.0], HD))] == [(192, 192)]
    lot = [outline(x, y) for x in range(0, 1200, 70) for y in (100, 400)]
    assert pixels(regions_about(lot, [1.0] * len(lot), HD)) > 10 * 192 * 192


def test_neighbours_share_a_region_and_far_ones_do_not():
    near = regions_about([outline(600, 300), outline(665, 300)], [1, 1], HD)
    far = regions_about([outline(100, 300), outline(1100, 300)], [1, 1], HD)
    assert (len(near), len(far)) == (1, 2)


def test_a_region_holds_its_slot_with_room_about_it_and_stays_in_the_picture():
    (region,) = regions_about([outline(600, 300)], [1], HD)
    assert region.x0 < 600 < 660 < region.x1
    assert region.y0 < 300 - 20
    (corner,) = regions_about([outline(1250, 700)], [1], HD)
    assert (corner.x1, corner.y1) == HD


@pytest.mark.parametrize("size_wh", [(640, 480), HD, (720, 1280), (4000, 3000), (300, 4000)])
@pytest.mark.parametrize("scale", [0.3, 1.0, 1.6])
def test_every_part_of_a_picture_lies_on_a_canvas_of_a_known_size(size_wh, scale):
    regions = whole(size_wh, scale)
    canvases = pack(regions)
    assert {canvas.size_wh for canvas in canvases} <= set(CANVASES_WH)
    placed = [one.region for canvas in canvases for one in canvas.placed]
    assert sorted(placed) == sorted(regions)
    seen = np.zeros((size_wh[1] // 10, size_wh[0] // 10), np.bool_)
    for region in regions:
        seen[region.y0 // 10 : -(-region.y1 // 10), region.x0 // 10 : -(-region.x1 // 10)] = True
    assert seen.all()


def test_what_is_placed_neither_overlaps_nor_leaves_its_canvas():
    rng = np.random.default_rng(1)
    lots = [
        outline(*rng.uniform(0, 1100, 2) * (1, 0.5), *rng.uniform(20, 120, 2)) for _ in "a" * 20
    ]
    for canvas in pack(regions_about(lots, rng.uniform(0.4, 1.2, 20).tolist(), HD)):
        taken = np.zeros(canvas.size_wh[::-1], np.int32)
        for region, x, y in canvas.placed:
            w, h = region.shown_wh
            assert x + w <= canvas.size_wh[0]
            assert y + h <= canvas.size_wh[1]
            taken[y : y + h, x : x + w] += 1
        assert taken.max() == 1


def test_a_thousand_slots_are_one_region():
    many = [outline(x, y, 10, 8) for x in range(0, 1250, 12) for y in range(0, 700, 80)]
    assert len(regions_about(many, [1.0] * len(many), HD)) <= 2


def eight_by_eight(across: int):
    """Return 64 slots, so many pixels apart, and the size of the picture that they fill."""
    slots = [outline(x * across, y * across, 20, 16) for x in range(8) for y in range(8)]
    return slots, (8 * across, 8 * across)


def test_many_slots_close_together_are_one_region():
    slots, size_wh = eight_by_eight(40)
    assert len(regions_about(slots, [1.0] * len(slots), size_wh)) == 1


def test_many_slots_far_apart_do_not_show_the_model_the_whole_picture():
    """This is how the slots in doubt of a lot of 1,000 lie."""
    slots, size_wh = eight_by_eight(160)
    shown = pixels(regions_about(slots, [1.0] * len(slots), size_wh))
    assert shown < 0.5 * size_wh[0] * size_wh[1]


# ---------------------------------------------------------------- searching
def street(*corners: tuple[int, int]) -> np.ndarray:
    picture = np.full((720, 1280, 3), 90, np.uint8)
    for x, y in corners:
        picture[y : y + 40, x : x + 60] = 255
    return picture


def test_boxes_of_a_region_lie_where_the_vehicles_are_in_the_picture():
    picture = street((600, 300), (100, 500))
    regions = regions_about([outline(600, 300), outline(100, 500)], [1.0, 1.5], HD)
    found = search(picture, regions, WhiteDetector())
    corners = sorted((found.xyxy * (1280, 720, 1280, 720)).round().tolist())
    for box, (x, y) in zip(corners, [(100, 500), (600, 300)], strict=True):
        assert box == pytest.approx([x, y, x + 60, y + 40], abs=3)


def test_unsearched_slots_keep_their_vehicles_and_departed_ones_are_removed():
    known = search(street((600, 300), (100, 500)), whole(HD, 1), WhiteDetector())
    regions = regions_about([outline(600, 300)], [1.0], HD)
    found = search(street((100, 500)), regions, WhiteDetector())
    left = update(known, found, regions, HD)
    assert len(known.scores) == 2
    assert (left.xyxy * (1280, 720, 1280, 720)).round().tolist() == [
        pytest.approx([100, 500, 160, 540], abs=3)
    ]


def test_a_vehicle_that_a_regions_edge_cuts_is_not_reported():
    (region,) = regions_about([outline(600, 300)], [1.0], HD)
    picture = street((600, 300))
    picture[300:340, region.x1 - 15 : region.x1 + 45] = 255
    found = search(picture, [region], WhiteDetector())
    assert len(found.scores) == 1
    at_the_pictures_own_edge = street((1250, 300))
    (edge,) = regions_about([outline(1190, 300)], [1.0], HD)
    assert len(search(at_the_pictures_own_edge, [edge], WhiteDetector()).scores) == 1


def test_a_vehicle_in_two_parts_of_a_picture_is_one():
    regions = [Region(0, 0, 700, 720, 1.0), Region(500, 0, 1280, 720, 1.0)]
    assert len(search(street((580, 300)), regions, WhiteDetector()).scores) == 1


def test_nothing_to_search_finds_nothing():
    class Never(WhiteDetector):
        def detect(self, images_bgr, size_px):
            raise AssertionError("searched")

    assert len(search(street(), [], Never()).scores) == 0
    some = Boxes(np.zeros((1, 4), np.float32), np.ones(1, np.float32))
    assert update(NO_BOXES, some, [], HD) is some


def test_between_regions_a_canvas_is_grey():
    (canvas,) = pack(regions_about([outline(600, 300)], [0.5], HD))
    image = draw(np.full((720, 1280, 3), 200, np.uint8), canvas)
    assert set(np.unique(image)) == {114, 200}
