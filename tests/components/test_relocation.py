"""The proposal for a moved camera, and the slots that it restores."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished
from parking.core.lots import check, layouts_from_annotations
from parking.vision.gating import Limits
from parking.vision.imagehealth import Look
from parking.vision.reference import decoded, make_reference, with_references
from parking.vision.relocation import propose
from parking.wire.annotations import read_from
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.judging import Judge
from services.detector.model import Facts
from services.detector.picture import Picture
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_SLOT_MODEL, ModelSettings
from tests.components.test_placement import frame, shaken
from tests.support.detector_tools import WhiteDetector, jpeg, model_file, scene
from tools.bench.pace import hold

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="module")
def layout() -> LayoutPublished:
    annotations = json.loads((DEMO / "annotations.json").read_text("utf-8"))
    made = layouts_from_annotations(annotations, "demo", interval_ms=1000, time_ms=1)
    north = [one for one in made if one.camera_id == "demo/north"]
    return next(iter(with_references(north, annotations, read_from(DEMO))))


def middles(layout: LayoutPublished) -> dict[str, np.ndarray]:
    return {s.slot_id: np.mean(s.polygon, axis=0) for s in layout.slots if s.enabled}


def test_the_outlines_go_where_the_picture_went(layout):
    made = propose(layout, shaken(frame(20), 0.04))
    before, after = middles(layout), middles(made.layout)
    inside = [name for name in after if before[name][0] < 0.85]
    assert len(inside) > 5
    for name in inside:
        assert after[name] - before[name] == pytest.approx((0.04, 0), abs=0.004)
    assert "right" in made.words
    assert check(made.layout) == []


def test_slots_that_left_the_picture_are_left_out(layout):
    made = propose(layout, shaken(frame(20), 0.25))
    assert made.left_out
    assert set(made.left_out) == set(middles(layout)) - set(middles(made.layout))
    assert check(made.layout) == []


def test_the_proposal_fits_the_picture_it_was_made_of(layout):
    accepted = propose(layout, shaken(frame(20), 0.04)).layout
    with pytest.raises(Invalid, match="same view as"):
        propose(accepted, shaken(frame(21), 0.04))


@pytest.mark.parametrize(
    ("change", "picture", "words"),
    [
        ({}, frame(20), "same view as"),
        ({"reference": None}, frame(20), "no reference"),
        ({}, (frame(20) * 0.02).astype(np.uint8), "dark"),
        ({}, scene(["A1", "A3"], size_wh=(960, 640)), "too little"),
    ],
)
def test_why_nothing_is_proposed(layout, change, picture, words):
    with pytest.raises(Invalid, match=words) as caught:
        propose(replace(layout, **change), picture)
    assert caught.value.reason == "no-proposal"


def cut(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, 80:880])


def with_bars(picture: Picture) -> Picture:
    made = cv2.copyMakeBorder(picture, 100, 100, 0, 0, cv2.BORDER_CONSTANT)
    return np.asarray(made, np.uint8)


# A way to change a picture, where the point (0.5, 0.4) of the whole one lies then, and the words.
SHAPES = [
    (cut, (0.5, 0.4), "smaller|larger|left|shape"),
    (with_bars, (0.5, (0.4 * 640 + 100) / 840), "."),
    (lambda p: np.ascontiguousarray(p[::-1, ::-1]), (0.5, 0.6), "upside down|turned"),
    (lambda p: np.ascontiguousarray(np.rot90(p, 3)), (0.6, 0.5), "turned"),
    (lambda p: np.ascontiguousarray(np.rot90(p, 1)), (0.4, 0.5), "turned"),
    (lambda p: np.ascontiguousarray(p[:, ::-1]), (0.5, 0.4), "mirrored"),
]


@pytest.mark.parametrize(("change", "there", "words"), SHAPES)
def test_a_picture_of_another_shape_is_reported_and_the_outlines_follow_it(
    layout, change, there, words
):
    square = [(0.48, 0.38), (0.52, 0.38), (0.52, 0.42), (0.48, 0.42)]
    one = replace(layout, slots=[replace(layout.slots[0], polygon=square)])
    picture = change(frame(20))
    made = propose(one, picture)
    assert np.mean(made.layout.slots[0].polygon, axis=0) == pytest.approx(there, abs=0.012)
    assert re.search(words, made.words)
    assert status(layout, picture) == "moved"


def test_a_squeezed_picture_goes_on(layout):
    squeezed = np.asarray(cv2.resize(frame(20), (720, 640)), np.uint8)
    assert status(layout, squeezed) == "ok"
    with pytest.raises(Invalid, match="same view as"):
        propose(layout, squeezed)


def test_another_shape_that_cannot_be_compared_is_not_believed(layout):
    """At night the camera's view cannot be registered, but a picture of the same shape is
    accepted."""
    dusk = (frame(20) * 0.22).astype(np.uint8)
    blank = replace(layout, reference=make_reference(scene(["A1"], size_wh=(960, 640))))
    assert status(blank, np.ascontiguousarray(dusk)) == "ok"
    assert status(blank, cut(dusk)) == "moved"


def status(layout: LayoutPublished, picture: Picture) -> str:
    """Return the status that a camera's first picture leads to."""
    judge = Judge(Facts(), None, WhiteDetector())
    analyser = Analyser(judge, Options(gate=Limits()), lambda: None)
    job = Job(jpeg(picture, 95), "demo/north", layout, frame_id="1")
    (found,) = analyser.analyse([job], {}, {})
    assert isinstance(found, Finding)
    return found.health.status


def test_a_moved_cameras_slots_are_unknown_until_the_proposal_is_accepted(layout):
    shipped = ModelSettings(model_file(), "onnx", "f32", 1, 0, 0, 1, slots=DEFAULT_SLOT_MODEL)
    detector, facts = load_model(shipped)
    analyser = Analyser(Judge(facts, load_slotnet(shipped), detector), Options(), lambda: None)

    def seen(picture: Picture, by: LayoutPublished) -> tuple[str, dict[str, str]]:
        (found,) = analyser.analyse([Job(jpeg(picture, 95), "demo/north", by)], {})
        assert not isinstance(found, Invalid)
        return found.health.status, {o.slot_id: o.state for o in found.observations}

    healthy, before = seen(frame(20), layout)
    assert healthy == "ok"
    assert {"free", "occupied"} <= set(before.values())
    moved = shaken(frame(20), 0.04)
    status, states = seen(moved, layout)
    assert (status, set(states.values())) == ("moved", {"unknown"})
    blind, naive = seen(moved, replace(layout, reference=None))
    assert blind == "ok"
    assert set(naive.values()) != {"unknown"}, "without a reference nobody would notice"
    mended, after = seen(moved, propose(layout, moved).layout)
    assert mended == "ok"
    same = sum(after.get(name) == state for name, state in before.items())
    assert same >= 0.9 * len(before), {n: (s, after.get(n)) for n, s in before.items()}


def test_pictures_decode_as_the_detector_decodes_them():
    with pytest.raises(Invalid):
        decoded(b"no picture")


@pytest.mark.parametrize("reference", [20, 36])
def test_a_camera_that_is_followed_is_noticed_at_once_when_it_is_knocked(layout, reference):
    """This also holds if the reference was taken in another light, so that no picture looks quite
    like it."""
    known = replace(layout, reference=make_reference(frame(reference)))
    judge = Judge(Facts(), None, WhiteDetector())
    analyser = Analyser(judge, Options(gate=Limits()), lambda: None)
    looks: dict[str, Look] = {}
    last_views: dict[str, LastView] = {}

    def statuses(picture: Picture, count: int, seed: int) -> list[str]:
        seen_so_far: list[str] = []
        for number, one in enumerate(hold(jpeg(picture, 95), count, seed)):
            job = Job(one, "demo/north", known, frame_id=f"{seed}-{number}")
            (found,) = analyser.analyse([job], looks, last_views)
            assert isinstance(found, Finding)
            seen_so_far.append(found.health.status)
        return seen_so_far

    assert set(statuses(frame(20), 15, 1)) == {"ok"}
    assert set(statuses(shaken(frame(20), 0.04), 4, 2)) == {"moved"}
    assert statuses(frame(20), 3, 3)[-1] == "ok"
