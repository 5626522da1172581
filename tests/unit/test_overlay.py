import numpy as np
import pytest

from parking.core.events import Box, SlotState
from parking.vision.overlay import Mark, Picture, draw, encode
from services.detector.picture import decode

SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.9), (0.2, 0.9)]
STATES: list[SlotState] = ["free", "occupied", "unknown", "closed"]


def drawn(state: SlotState, picture: Picture | None = None) -> Picture:
    canvas = np.full((300, 400, 3), 90, np.uint8) if picture is None else picture
    return draw(canvas, [Mark(SQUARE, state)], [], "")


def test_every_state_looks_different_even_without_colour():
    greys = {}
    for state in STATES:
        inside = drawn(state)[70:140, 90:310]  # above the letter
        touched = (inside != 90).any(axis=2)
        greys[state] = touched
    assert not greys["free"].any()
    shares = [greys[state].mean() for state in STATES[1:]]
    assert min(shares) > 0.05
    for one in STATES[1:]:
        for other in STATES[1:]:
            if one != other:
                assert (greys[one] != greys[other]).mean() > 0.05


def test_the_given_picture_is_not_touched():
    canvas = np.full((300, 400, 3), 90, np.uint8)
    drawn("occupied", canvas)
    assert (canvas == 90).all()


def test_boxes_and_caption_are_drawn():
    canvas = np.zeros((300, 400, 3), np.uint8)
    box = Box(xyxy=(0.25, 0.5, 0.75, 1.0), confidence=0.9, label="vehicle")
    shown = draw(canvas, [], [box], "demo/north  3 vehicles")
    assert shown[200, 100].any()
    assert shown[:12].any()
    assert not shown[200, 200].any()


@pytest.mark.parametrize(
    "outline",
    [
        [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)],
        [(0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        [(0.999, 0.999), (1.0, 0.999), (1.0, 1.0)],
    ],
)
@pytest.mark.parametrize("size", [(300, 400), (2, 3)])
def test_outlines_at_the_edge_and_of_no_size_break_nothing(outline, size):
    for state in STATES:
        draw(np.zeros((*size, 3), np.uint8), [Mark(outline, state, "A1")], [], "x")


def test_a_caption_beyond_ascii_is_shown_as_well_as_can_be():
    draw(np.zeros((100, 200, 3), np.uint8), [], [], "Süd \u20ac")


def test_the_jpeg_can_be_read_back():
    data = encode(drawn("occupied"))
    assert decode(data, 400 * 300, (400, 300)).shape == (300, 400, 3)
