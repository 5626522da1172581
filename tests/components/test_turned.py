"""Turned cameras, tested with the demo's pictures. Set up correctly, they are as good as upright
ones. Otherwise the camera's health says how they are turned."""

import json
from pathlib import Path

import numpy as np
import pytest

from parking.core.events import ImageHealth, LayoutPublished
from parking.core.lots import layouts_from_annotations
from parking.core.orientation import Orientation
from parking.vision.reference import with_references
from parking.vision.turning import as_shown, as_stored
from parking.wire.annotations import read_from
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.judging import Judge
from services.detector.model import Facts
from services.detector.picture import Picture
from services.ingest.jpeg import inspect
from tests.components.test_placement import frame, shaken
from tests.support.detector_tools import WhiteDetector, jpeg, scene

DEMO = Path(__file__).parents[2] / "demo"
WORDS = {  # of a picture that this would turn back
    Orientation(0, True): "mirrored left to right",
    Orientation(90): "turned by 90 degrees counter-clockwise",
    Orientation(180): "turned by 180 degrees",
    Orientation(180, True): "mirrored top to bottom",
    Orientation(270, True): "mirrored and turned by 90 degrees",
}


@pytest.fixture(scope="module")
def layout() -> LayoutPublished:
    annotations = json.loads((DEMO / "annotations.json").read_text("utf-8"))
    made = layouts_from_annotations(annotations, "demo", interval_ms=1000, time_ms=1)
    north = [one for one in made if one.camera_id == "demo/north"]
    return next(iter(with_references(north, annotations, read_from(DEMO))))


def found(layout: LayoutPublished, *pictures: Picture, turn: Orientation) -> list[Finding]:
    """Return the detector's findings after ingest has applied the camera's setting."""
    analyser = Analyser(Judge(Facts(), None, WhiteDetector()), Options(), lambda: None)
    jobs = []
    for number, picture in enumerate(pictures):
        taken = inspect(jpeg(picture, 95), 10**7, 10**7, turn)
        wh = (taken.width, taken.height)
        jobs.append(Job(taken.data, "demo/north", layout, wh, str(number), number * 5000))
    results = analyser.analyse(jobs, {}, {})
    assert all(isinstance(one, Finding) for one in results), results
    return [one for one in results if isinstance(one, Finding)]


def health(layout: LayoutPublished, picture: Picture, turn: Orientation) -> ImageHealth:
    return found(layout, picture, turn=turn)[0].health


@pytest.mark.parametrize("turn", [Orientation(90), Orientation(180), Orientation(270, True)])
def test_a_camera_with_the_right_setting_is_as_good_as_an_upright_one(layout, turn):
    upright = found(layout, frame(20), turn=Orientation())[0]
    turned = found(layout, as_stored(frame(20), turn), turn=turn)[0]
    assert (turned.health.status, turned.health.reason) == ("ok", None)
    assert [one.slot_id for one in turned.observations] == [
        one.slot_id for one in upright.observations
    ]
    assert (turned.width, turned.height) == (upright.width, upright.height)


@pytest.mark.parametrize("turn", WORDS)
def test_a_turned_camera_without_the_setting_is_reported_in_words(layout, turn):
    one = health(layout, as_stored(frame(20), turn), Orientation())
    assert one.status == "moved"
    assert one.reason is not None
    assert one.reason.startswith(f"{WORDS[turn]}: set the camera up again")


def test_a_camera_turned_by_hand_is_not_in_place_exactly(layout):
    picture = as_shown(shaken(frame(33), 0.06, 5), Orientation(90))
    reason = health(layout, picture, Orientation()).reason
    assert reason is not None
    assert reason.startswith("turned by 90 degrees clockwise")


def test_a_camera_that_moved_but_was_not_turned_keeps_its_reason(layout):
    one = health(layout, shaken(frame(20), 0.08, 12), Orientation())
    assert one.status == "moved"
    assert "set the camera up again" not in str(one.reason)


def test_another_scene_is_not_called_turned(layout):
    one = health(layout, scene(["A1"], size_wh=(960, 640)), Orientation())
    assert one.status == "moved"
    assert "turned by" not in str(one.reason)


def test_a_portrait_picture_that_cannot_be_compared_is_still_reported(layout):
    """At night, for example, the aspect ratio alone shows it."""
    dusk = np.ascontiguousarray(as_shown((frame(20) * 0.22).astype(np.uint8), Orientation(90)))
    one = health(layout, dusk, Orientation())
    assert one.status == "moved"
    assert "turned by 90 degrees" in str(one.reason)


def test_a_camera_turned_back_is_healthy_again(layout):
    turned, good = as_shown(frame(20), Orientation(180)), frame(21)
    findings = found(layout, turned, turned, good, good, turn=Orientation())
    assert [one.health.status for one in findings] == ["moved", "moved", "ok", "ok"]
