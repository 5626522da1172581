"""The patches of slots: what they cover, and that they follow the wind."""

import cv2
import numpy as np
import pytest

from parking.core.events import LayoutSlot
from parking.vision.gating import PATCH_PX
from services.detector.patches import grid_of, view_of

SQUARE = [(0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5)]
CORNER = [(0.25, 0.25), (0.5, 0.25), (0.25, 0.5)]
RNG = np.random.default_rng(2)
GREY = np.asarray(cv2.GaussianBlur(RNG.integers(0, 255, (270, 480), np.uint8), (0, 0), 4), np.uint8)


def slot(polygon) -> LayoutSlot:
    return LayoutSlot(slot_id="A1", zone_id="A", polygon=polygon)


def test_a_pixel_is_the_mean_of_what_it_covers():
    (patch,) = view_of(GREY, grid_of([slot(SQUARE)], (480, 270)), 1).patches
    part = GREY[68:134, 120:240].astype(float)  # rows 67.5 to 135: the inner ones
    wide = np.add.reduceat(part, range(0, 120, 10), axis=1) / 10
    assert patch.shape == (PATCH_PX, PATCH_PX)
    assert patch[:, 0].mean() == pytest.approx(wide[:, 0].mean(), abs=1.5)
    assert patch.mean() == pytest.approx(part.mean(), abs=1)


def test_a_shifted_picture_gives_the_same_patches_where_the_shift_is_known():
    grid = grid_of([slot(SQUARE)], (480, 270))
    matrix = np.array([[1, 0, 1.3], [0, 1, -0.7]])
    there = np.asarray(cv2.warpAffine(GREY, matrix, (480, 270)), np.uint8)
    still = view_of(GREY, grid, 1).patches
    followed = np.abs(view_of(there, grid, 1, (1.3, -0.7)).patches - still).mean()
    not_followed = np.abs(view_of(there, grid, 1).patches - still).mean()
    assert followed < 0.2 * not_followed


def test_only_what_lies_in_the_outline_counts():
    (weights,) = grid_of([slot(CORNER)], (480, 270)).weights
    assert weights[0, 0] == 1
    assert weights[-1, -1] == 0
    assert 0.4 < weights.mean() < 0.75


@pytest.mark.parametrize("shift", [(0, 0), (400, -300)])
def test_a_tiny_slot_at_the_edge_and_a_great_shift_give_finite_patches(shift):
    tiny = [(0.999, 0.999), (1, 0.999), (1, 1)]
    view = view_of(GREY, grid_of([slot(tiny), slot(SQUARE)], (480, 270)), 1, shift)
    assert np.isfinite(view.patches).all()
    assert view.weights.sum(axis=(1, 2)).min() > 0


def test_no_slots_no_patches():
    assert view_of(GREY, grid_of([], (480, 270)), 1).patches.shape == (0, PATCH_PX, PATCH_PX)
