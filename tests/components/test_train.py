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
    entries = [{"file": "a.jpg", "camera": "c", "width": 800, "height": 400, **f} for f in frames]
    (folder / "annotations.json").write_text(json.dumps({"frames": entries}))
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
    assert file.read_text() == "2 0.18750 0.35625 0.13750 0.31250"


def made(seed, count=4000):
    """Return scores whose true P(occupied) is 1 / (1 + exp(-(2 * logit + 1)))."""
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


# ---------------------------------------------------------------- INT8
def small_model(onnx, path):
    """Return three convolutions, the last of which is a head, with facts in the metadata."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    rng = np.random.default_rng(1)
    names = ["/model.0/conv/Conv", "/model.1/conv/Conv", "/model.23/cv2.0/cv2.0.2/Conv"]
    nodes, weights, last = [], [], "images"
    for number, (name, channels) in enumerate(zip(names, (3, 8, 8), strict=True)):
        kernel = rng.normal(0, 0.2, (8, channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{number}"))
        out = f"c{number}"
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [out], name, pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [out], [f"r{number}"], f"{name}/relu"))
        last = f"r{number}"
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("images", kind, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(last, kind, ["n", 8, "h", "w"])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"threshold": "0.31", "names": "{0: 'vehicle'}"})
    onnx.save(model, str(path))
    return names


def test_int8_keeps_facts_the_first_and_the_last_layers_and_nearly_the_values(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra [train])")
    runtime = pytest.importorskip("onnxruntime")
    from services.detector.model import letterbox
    from tools.train.quantise import kept_in_float, quantise

    names = small_model(onnx, tmp_path / "model.onnx")
    frames = frames_of(a_set(tmp_path, {"slots": [slot(1)]}))
    noise = np.random.default_rng(2).integers(0, 255, (400, 800, 3), np.uint8)
    cv2.imwrite(str(frames[0].path), noise)
    quantise(tmp_path / "model.onnx", tmp_path / "runs" / "int8.onnx", frames * 2, (160,))
    made = onnx.load(str(tmp_path / "runs" / "int8.onnx"))
    assert {p.key: p.value for p in made.metadata_props} == {
        "threshold": "0.31",
        "names": "{0: 'vehicle'}",
    }
    kept = set(kept_in_float(onnx.load(str(tmp_path / "model.onnx")).graph))
    assert kept & set(names) == {names[0], names[2]}
    integers = [node for node in made.graph.node if node.op_type == "DequantizeLinear"]
    assert integers, "the middle convolution is in integers"
    blob = letterbox(np.asarray(cv2.imread(str(frames[0].path)), np.uint8), 160)[0]
    before, after = (
        runtime.InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"]).run(
            None, {"images": blob}
        )[0]
        for name in ("model.onnx", "runs/int8.onnx")
    )
    assert 0 < np.abs(before - after).max() < 0.05 * np.abs(before).max()


def test_the_exported_model_gives_the_best_vehicle_class_and_no_other(tmp_path):
    onnx = pytest.importorskip("onnx", reason="extra [train]")
    from onnx import TensorProto, helper
    from onnxruntime import InferenceSession

    from tools.train.export import one_class

    shape = ["n", 4 + 5, "anchors"]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["output0"])],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
    )
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    one_class(path, [1, 3])
    rows = np.arange(9, dtype=np.float32)[None, :, None] * np.ones((1, 1, 2), np.float32)
    rows[0, 4] = 99  # a person, as sure as can be
    (found,) = InferenceSession(str(path)).run(None, {"images": rows})
    assert found[0, :, 0].tolist() == [0, 1, 2, 3, 7]
