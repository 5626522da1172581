"""Export weights to the shipped ONNX file: one class, dynamic size and batch, facts in its
metadata."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from parking.core.geometry import MATCH_RULE

VEHICLES = frozenset({"car", "motorcycle", "bus", "truck"})


def export(weights: Path, out: Path, size_px: int) -> None:
    """Write `out` without suppression, because the detector does that in the same way for all
    runtimes."""
    from ultralytics import YOLO

    model: Any = YOLO(str(weights))
    exported = model.export(
        format="onnx", opset=17, dynamic=True, simplify=True, imgsz=size_px, nms=False
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(exported, out)
    vehicles = [number for number, name in model.names.items() if name in VEHICLES]
    one_class(out, vehicles)


def one_class(path: Path, classes: Sequence[int]) -> None:
    """Replace the scores of all classes, output [N, 4 + classes, A], with the best score of
    `classes`: [N, 5, A]. The kind of vehicle does not matter."""
    model = onnx.load(str(path))
    graph = model.graph
    (old,) = graph.output
    inner = "every_class"
    for node in graph.node:
        node.output[:] = [inner if name == old.name else name for name in node.output]
        node.input[:] = [inner if name == old.name else name for name in node.input]
    numbers = {"box_rows": [0, 1, 2, 3], "class_rows": [4 + number for number in classes]}
    for name, rows in numbers.items():
        graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [len(rows)], rows))
    graph.node.extend(
        [
            helper.make_node("Gather", [inner, "box_rows"], ["boxes"], axis=1),
            helper.make_node("Gather", [inner, "class_rows"], ["scores"], axis=1),
            helper.make_node("ReduceMax", ["scores"], ["score"], axes=[1], keepdims=1),
            helper.make_node("Concat", ["boxes", "score"], [old.name], axis=1),
        ]
    )
    for entry in model.metadata_props:
        if entry.key == "names":
            entry.value = "{0: 'vehicle'}"
    shape = old.type.tensor_type.shape
    shape.dim[1].Clear()
    shape.dim[1].dim_value = 5
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def annotate(path: Path, facts: Mapping[str, Any]) -> None:
    """Put `facts` into the file's metadata (strings as they are, the rest as JSON), together with
    the name of the matching rule. The exporter's own paths and dates are removed."""
    model = onnx.load(str(path))
    kept = {p.key: p.value for p in model.metadata_props if p.key in {"names", "stride"}}
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in facts.items()}
    del model.metadata_props[:]
    for key, value in sorted((kept | texts | {"match_rule": MATCH_RULE}).items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))
