"""Which input size a camera needs, and when decoding at half size is enough."""

import pytest
from msgspec.structs import replace

from parking.core.events import LayoutPublished, LayoutSlot, Zone
from parking.vision.inputsize import (
    LARGEST_PX,
    SLOT_NEEDS_PX,
    SMALLEST_PX,
    STEP_PX,
    UNSEEN_PX,
    half_is_enough,
    input_size,
)

HD = (1280, 720)


def layout(*heights_px: float, size_px: int | None = None, width_px: float = 20) -> LayoutPublished:
    """Return slots of these heights in a picture of 1280 x 720."""
    slots = [
        LayoutSlot(
            slot_id=f"S{n}",
            zone_id="lot",
            polygon=[(0.1, 0.1), (0.1 + width_px / 1280, 0.1), (0.1, 0.1 + height / 720)],
        )
        for n, height in enumerate(heights_px)
    ]
    return LayoutPublished(
        id="demo/a/layout/1", site_id="demo", time_ms=1, camera_id="demo/a", version=1,
        site_name="", camera_name="", interval_ms=1000, zones=[Zone(zone_id="lot", name="")],
        slots=slots, input_size_px=size_px,
    )  # fmt: skip


@pytest.mark.parametrize("height_px", [40, 43, 52, 58, 80, 100])
def test_small_slots_get_the_pixels_they_need_and_hardly_more(height_px):
    size_px = input_size(layout(height_px), HD).size_px
    assert size_px % STEP_PX == 0
    assert height_px * size_px / 1280 >= SLOT_NEEDS_PX
    assert height_px * (size_px - STEP_PX) / 1280 < SLOT_NEEDS_PX


def test_the_size_is_bounded_both_ways_and_says_when_that_is_not_enough():
    assert input_size(layout(300), HD).size_px == SMALLEST_PX
    far = input_size(layout(12), HD)
    assert far.size_px == LARGEST_PX
    assert "larger sizes" in far.reason
    assert "larger sizes" not in input_size(layout(40), HD).reason


def test_the_same_slots_need_the_same_input_whatever_the_cameras_resolution():
    one = layout(40)
    assert input_size(one, HD).size_px == input_size(one, (640, 360)).size_px
    assert input_size(one, HD).size_px == input_size(one, (3840, 2160)).size_px


def test_one_far_slot_among_many_does_not_make_all_pay():
    assert (
        input_size(layout(*[60] * 30, 12), HD).size_px == input_size(layout(*[60] * 31), HD).size_px
    )
    assert input_size(layout(*[60] * 8, *[30] * 3), HD).size_px > input_size(layout(60), HD).size_px


def test_a_layout_that_names_a_size_keeps_it_and_the_source():
    chosen = input_size(layout(40, size_px=640), HD)
    assert (chosen.size_px, chosen.automatic) == (640, False)
    assert input_size(layout(40), HD).automatic


def test_without_slots_the_usual_size_is_taken():
    assert input_size(None, HD).size_px == UNSEEN_PX
    off = [LayoutSlot(slot_id="S", zone_id="lot", polygon=[(0, 0), (1, 0), (1, 1)], enabled=False)]
    assert input_size(replace(layout(40), slots=off), HD).size_px == UNSEEN_PX


@pytest.mark.parametrize(
    ("heights_px", "size_px", "size_wh", "expected"),
    [
        ((130, 200), 640, HD, True),
        ((130, 200), 672, HD, False),  # the input wants more pixels than half a picture has
        ((127, 200), 640, HD, False),  # a slot would keep less than 64 px
        ((70,), 960, (2560, 1440), True),
        ((60,), 960, (2560, 1440), False),
    ],
)
def test_half_a_picture_is_enough_when_input_and_slots_allow_it(
    heights_px, size_px, size_wh, expected
):
    assert half_is_enough(layout(*heights_px), size_wh, size_px) == expected


def test_a_long_side_counts_whichever_it_is():
    assert half_is_enough(layout(40, width_px=140), HD, 480)


def test_without_slots_only_the_input_counts():
    assert half_is_enough(None, HD, 640)
    assert not half_is_enough(None, HD, 672)
