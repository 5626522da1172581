"""Weights to the shipped ONNX file: one class, dynamic size and batch, facts in its metadata."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from parking.geometry import MATCH_RULE


def export(weights: Path, out: Path, size_px: int) -> None:
    """Write `out`; no suppression inside, because the detector does it over all runtimes alike."""
    from ultralytics import YOLO

    model: Any = YOLO(str(weights))
    made = model.export(format="onnx", dynamic=True, simplify=True, imgsz=size_px, nms=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, out)


def annotate(path: Path, facts: Mapping[str, Any]) -> None:
    """Put `facts` into the file's metadata (strings as they are, the rest as JSON), beside what
    names the matching rule. The exporter's own paths and dates are removed."""
    model = onnx.load(str(path))
    kept = {p.key: p.value for p in model.metadata_props if p.key in {"names", "stride"}}
    told = {key: v if isinstance(v, str) else json.dumps(v) for key, v in facts.items()}
    del model.metadata_props[:]
    for key, value in sorted((kept | told | {"match_rule": MATCH_RULE}).items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))
