import json
from collections import Counter

import cv2
import numpy as np
import pytest

from tools.train.labels import frames_of, label, write_yolo
from tools.train.score import Scores, accuracy, best_threshold, calibrate

SLOT = [[100, 100], [200, 100], [200, 200], [100, 200]]
BOX = [95.0, 80.0, 205.0, 205.0]


def a_set(tmp_path, *frames):
    folder = tmp_path / "lot"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), np.full((400, 800, 3), 90, np.uint8))
    told = [{"file": "a.jpg", "camera": "c", "width": 800, "height": 400, **f} for f in frames]
    (folder / "annotations.json").write_text(json.dumps({"frames": told}))
    return folder


def slot(occupied, shift=0, slot_id="1"):
    return {"id": slot_id, "polygon": [[x + shift, y] for x, y in SLOT], "occupied": occupied}


def seen(*boxes):
    found = np.array([b[:4] for b in boxes], float).reshape(-1, 4)
    return lambda _: (found, np.array([b[4] for b in boxes], float))


def labels(folder, predict):
    return [boxes.tolist() for _, boxes in label(frames_of(folder), predict)]


def test_a_box_in_an_occupied_slot_is_kept_and_one_in_a_free_slot_is_not(tmp_path):
    taken = a_set(tmp_path, {"slots": [slot(1)]}, {"slots": [slot(0)]})
    assert labels(taken, seen([*BOX, 0.9])) == [[BOX], []]


def test_a_slot_without_a_label_keeps_what_is_seen(tmp_path):
    assert labels(a_set(tmp_path, {"slots": [slot(None)]}), seen([*BOX, 0.9])) == [[BOX]]


def test_an_occupied_slot_without_a_box_gets_the_usual_one(tmp_path):
    both = {"slots": [slot(1), slot(1, shift=400, slot_id="2")]}
    (boxes,) = labels(a_set(tmp_path, both), seen([*BOX, 0.9]))
    assert boxes == [BOX, [495.0, 80.0, 605.0, 205.0]]


@pytest.mark.parametrize(("score", "kept"), [(0.9, 1), (0.1, 0)])
def test_outside_all_slots_only_confident_boxes_stay(tmp_path, score, kept):
    (boxes,) = labels(a_set(tmp_path, {"slots": [slot(0)]}), seen([600, 300, 700, 380, score]))
    assert len(boxes) == kept


def test_exact_boxes_are_taken_as_they_are(tmp_path):
    folder = a_set(tmp_path, {"slots": [slot(0)], "boxes": [[1, 2, 3, 4]]})

    def never(_):
        raise AssertionError("the base model is not asked")

    assert labels(folder, never) == [[[1, 2, 3, 4]]]


def test_label_files_are_normalised_centre_and_size(tmp_path):
    folder = a_set(tmp_path, {"slots": [slot(1)]})
    counts = write_yolo(label(frames_of(folder), seen([*BOX, 0.9])), tmp_path / "out")
    assert counts == Counter({"lot": 1})
    (file,) = (tmp_path / "out" / "labels").iterdir()
    assert file.read_text() == "0 0.18750 0.35625 0.13750 0.31250"


def made(seed, count=4000):
    """Scores whose true P(occupied) is 1 / (1 + exp(-(2 * logit + 1)))."""
    random = np.random.default_rng(seed)
    score = random.uniform(0.01, 0.99, count)
    p = 1 / (1 + np.exp(-(2 * np.log(score / (1 - score)) + 1)))
    return Scores(score, random.uniform(size=count) < p, 1.0)


def test_calibration_finds_the_curve_that_made_the_labels():
    a, b = calibrate({"x": made(1), "y": made(2)})
    assert a == pytest.approx(2, abs=0.15)
    assert b == pytest.approx(1, abs=0.15)


def test_the_threshold_is_where_accuracy_is_best():
    one = Scores(np.array([0.1, 0.2, 0.5, 0.6]), np.array([False, False, True, True]), 1.0)
    threshold = best_threshold({"x": one})
    assert 0.2 < threshold <= 0.5
    assert accuracy(one, threshold) == 1
    assert accuracy(one, 0.05) == 0.5
