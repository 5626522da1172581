"""A mast in the wind: how far a picture is shifted, and when the shift is unknown."""

import cv2
import numpy as np
import pytest

from parking.vision.alignment import REACH_PX, anchor_of, shift_from
from tests.support.detector_tools import scene

GREY = np.asarray(
    cv2.cvtColor(cv2.GaussianBlur(scene(["A1"], seed=3), (0, 0), 1.2), cv2.COLOR_BGR2GRAY), np.uint8
)
RNG = np.random.default_rng(5)


def moved(right: float, down: float, gain: float = 1.0):
    matrix = np.array([[1, 0, right], [0, 1, down]], float)
    size_wh = (GREY.shape[1], GREY.shape[0])
    there = cv2.warpAffine(GREY, matrix, size_wh, borderMode=cv2.BORDER_REPLICATE)
    noise = RNG.normal(0, 1, there.shape)
    return np.clip(there * gain + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("way", [(0, 0), (0.4, -0.3), (1, 0.5), (-1.5, 1.2), (2, -2)])
@pytest.mark.parametrize("gain", [0.9, 1.0, 1.1])
def test_a_shift_is_found_to_a_tenth_of_a_pixel_in_any_light(way, gain):
    right, down = way
    assert shift_from(anchor_of(GREY), moved(right, down, gain)) == pytest.approx(way, abs=0.1)


def test_a_vehicle_that_came_does_not_move_the_picture():
    other = moved(1, 0)
    cv2.rectangle(other, (250, 60), (330, 190), (30,), -1)
    assert shift_from(anchor_of(GREY), other) == pytest.approx((1, 0), abs=0.15)


def test_an_anchors_own_shift_is_added():
    anchor = anchor_of(GREY, (0.5, -0.25))
    assert shift_from(anchor, moved(1, 1)) == pytest.approx((1.5, 0.75), abs=0.1)


def test_what_cannot_be_followed_is_not_guessed():
    anchor = anchor_of(GREY)
    assert shift_from(anchor, moved(REACH_PX + 4, 0)) is None
    strange = RNG.integers(0, 255, GREY.shape, np.uint8)
    assert shift_from(anchor, strange) is None
    assert shift_from(anchor, GREY[:, :-10].copy()) is None
    plain = np.full(GREY.shape, 90, np.uint8)
    assert shift_from(anchor_of(plain), plain) is None
