"""Moved cameras, tested with pictures of the demo: they are found when moved, and never because of
light or cars."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from parking.vision.placement import Placement, step
from parking.vision.reference import decoded, make_reference, read_reference, small_grey
from parking.vision.registration import Move, Reference, edges, register
from services.detector.picture import Picture

DEMO = Path(__file__).parents[2] / "demo" / "north"


@cache
def frame(number: int) -> Picture:
    return decoded((DEMO / f"{number:03}.jpg").read_bytes())


@cache
def reference() -> Reference:
    made = read_reference(make_reference(frame(0)))
    assert made is not None
    return made


def shaken(picture: Picture, right: float = 0, turn_deg: float = 0, zoom: float = 1) -> Picture:
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, zoom)
    matrix[0, 2] += right * width
    made = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(made, np.uint8)


def place(*pictures: Picture) -> Placement:
    found: Placement | None = None
    for picture in pictures:
        found = step(reference(), "layout", small_grey(picture), found)
    assert found is not None
    return found


@pytest.mark.parametrize("number", [20, 47])
@pytest.mark.parametrize(
    ("right", "turn_deg", "zoom"),
    [(0.012, 0, 1), (-0.1, 0, 1), (0, 1.2, 1), (0, -5, 1), (0, 0, 1.025), (0.05, 3, 0.93)],
)
def test_a_moved_camera_is_found_at_its_first_picture(number, right, turn_deg, zoom):
    found = place(shaken(frame(number), right, turn_deg, zoom))
    assert found.move is not None
    assert found.move.shift[0] == pytest.approx(right, abs=0.003)
    assert found.move.turn_deg == pytest.approx(-turn_deg, abs=0.3)  # OpenCV turns the other way
    assert found.move.zoom == pytest.approx(zoom, abs=0.006)


@pytest.mark.parametrize("number", range(3, 48, 4))
def test_cars_that_come_and_go_and_the_afternoon_move_no_camera(number):
    assert not place(frame(number)).moved


@pytest.mark.parametrize("gain", [0.35, 0.6, 1.5])
@pytest.mark.parametrize("gamma", [0.6, 1.0, 1.8])
def test_light_moves_no_camera(gain, gamma):
    light = np.clip((frame(24) / 255.0) ** gamma * 255 * gain, 0, 255).astype(np.uint8)
    assert not place(*[light] * 5).moved


def test_a_camera_put_back_is_in_place_after_two_pictures():
    assert not place(shaken(frame(20), 0.05), frame(21), frame(22)).moved


def test_a_moved_camera_stays_moved_while_it_is_dark():
    dusk = (shaken(frame(20), 0.05) * 0.05).astype(np.uint8)
    assert place(shaken(frame(20), 0.05), *[dusk] * 4).moved


def test_another_scene_is_lost_at_once_and_found_again():
    across = np.rot90(frame(20))  # a scene whose edges all run the other way
    other = np.asarray(cv2.resize(across, frame(20).shape[1::-1]), np.uint8)
    found = place(other)
    assert found.lost
    assert "nothing" in found.words(1280)
    assert place(*[other] * 20).lost
    assert not place(other, frame(20), frame(21)).moved


def test_after_a_long_calm_one_picture_of_another_scene_is_soon_forgotten(monkeypatch):
    """A camera in another season agrees little with its reference and cannot be registered, so the
    check runs seldom."""
    agreements = iter([*[0.14] * 200, *[0.08] * 64, *[0.15] * 3])
    monkeypatch.setattr(Reference, "agreement", lambda *_: next(agreements))
    monkeypatch.setattr("parking.vision.placement.register", lambda *_: None)
    picture = small_grey(frame(20))
    found: list[Placement] = []
    for _ in range(267):
        found.append(step(reference(), "layout", picture, found[-1] if found else None))
    assert any(place.lost for place in found[200:264])
    assert not found[266].lost


def test_the_words_tell_where_to():
    move = register(
        reference(), small_grey(shaken(frame(20), 0.05)), edges(small_grey(shaken(frame(20), 0.05)))
    )
    assert isinstance(move, Move)
    assert move.words(1000) == "50 px right"
    # The outlines' matrix says the same in shares of the picture.
    assert move.normalised()[0, 2] == pytest.approx(0.05, abs=0.003)


def test_most_pictures_cost_no_registration(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "parking.vision.placement.register",
        lambda *_: asked.append(1),  # says: it cannot be said
    )
    night = (frame(24) * 0.02).astype(np.uint8)
    place(*[night] * 200)
    assert 1 <= len(asked) < 12
