"""ports.Detector: every runtime finds the same vehicles with the shipped model."""

import json
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from parking.wire.ports import Boxes, Detector
from services.detector.picture import Picture
from services.detector.runtimes import load_model
from services.detector.settings import ModelSettings
from tests.conftest import shared_data
from tests.support.detector_tools import model_file, scene

pytestmark = pytest.mark.timeout(120)  # the first use of ultralytics imports torch

SIZE_PX = 640
SETS = ("pklot-ufpr05-day", "pklot-pucpr", "acpds", "cnr-ext")
SURE = 0.25


@cache
def detector(backend: str) -> Detector:
    return load_model(ModelSettings(model_file(), backend, "f32", 2, 0, SIZE_PX, 1))[0]


@pytest.fixture(params=["onnx", "openvino", "ultralytics"])
def runtime(request: pytest.FixtureRequest) -> Detector:
    if request.param == "ultralytics":
        pytest.importorskip("ultralytics", reason="ultralytics is not installed (extra [train])")
    return detector(request.param)


@cache
def pictures() -> tuple[Picture, ...]:
    found = []
    for name in SETS:
        folder = shared_data(name)
        frames = json.loads((folder / "annotations.json").read_text("utf-8"))["frames"]
        read = cv2.imread(str(folder / frames[len(frames) // 2]["file"]))
        found.append(np.asarray(read, np.uint8))
    return tuple(found)


def overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Return the intersection over union of all pairs."""
    a, b = one.xyxy[:, None].astype(float), other.xyxy[None].astype(float)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=2)
    areas = [(x[..., 2:] - x[..., :2]).prod(axis=2) for x in (a, b)]
    ratios: NDArray[np.float64] = shared / (areas[0] + areas[1] - shared)
    return ratios


def sure(boxes: Boxes, floor: float) -> Boxes:
    return Boxes(boxes.xyxy[boxes.scores >= floor], boxes.scores[boxes.scores >= floor])


def agree(one: Boxes, other: Boxes, score_within: float) -> int:
    """Check that each confident box of `one` has its match in `other`. Return the number of such
    boxes."""
    certain, like = sure(one, SURE), sure(other, SURE - score_within)
    if len(certain.scores):
        pairs = overlap(certain, like)
        assert pairs.max(axis=1).min() > 0.95
        assert np.abs(certain.scores - like.scores[pairs.argmax(axis=1)]).max() < score_within
    return len(certain.scores)


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_runtimes_agree_on_real_pictures(backend):
    reference = detector("onnx").detect(pictures(), SIZE_PX)
    found = detector(backend).detect(pictures(), SIZE_PX)
    counts = [agree(a, b, 0.01) + agree(b, a, 0.01) for a, b in zip(reference, found, strict=True)]
    assert sum(counts) > 40, "the pictures show vehicles"


def test_every_runtime_finds_about_as_many(runtime):
    """ultralytics letterboxes in its own way, so its boxes are counted and not compared."""
    reference = detector("onnx").detect(pictures(), SIZE_PX)
    found = runtime.detect(pictures(), SIZE_PX)
    for a, b in zip(reference, found, strict=True):
        ours, theirs = len(sure(a, SURE).scores), len(sure(b, SURE).scores)
        assert abs(ours - theirs) <= max(2, ours * 0.1)


def test_a_picture_alone_and_in_a_batch_says_the_same(runtime):
    batch = runtime.detect(pictures(), SIZE_PX)
    for picture, found in zip(pictures(), batch, strict=True):
        (alone,) = runtime.detect([picture], SIZE_PX)
        assert alone.scores == pytest.approx(found.scores, abs=1e-3)
        assert alone.xyxy == pytest.approx(found.xyxy, abs=1e-3)


@pytest.mark.parametrize("size_wh", [(1280, 720), (640, 480), (480, 640), (97, 61)])
def test_boxes_are_normalised_sorted_and_well_formed(runtime, size_wh):
    (boxes,) = runtime.detect([scene(size_wh=size_wh)], 320)
    assert boxes.xyxy.dtype == boxes.scores.dtype == np.float32
    assert boxes.xyxy.shape == (len(boxes.scores), 4)
    assert ((boxes.xyxy >= 0) & (boxes.xyxy <= 1)).all()
    assert (boxes.xyxy[:, 2:] >= boxes.xyxy[:, :2]).all()


def test_no_pictures_no_boxes(runtime):
    assert runtime.detect([], SIZE_PX) == []


def test_the_model_id_names_file_and_content(runtime):
    stem, digest = runtime.model_id.split("@")
    assert stem == model_file().stem
    assert len(digest) == 8
