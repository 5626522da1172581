"""Fine-tune with ultralytics. Training is seeded and resumes where it was interrupted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BATCH = 8
HELD_LAYERS = 10
"""The backbone is frozen, because it was trained on far more pictures of vehicles than there are
here."""

_ENDED = -1
"""The epoch in the checkpoint of a finished training. Without it ultralytics would start a new
training on a dataset that it downloads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. `rate` is the initial learning rate, which is lower if good weights are only
    trained further."""

    epochs: int
    size_px: int
    seed: int
    rate: float


def fit(data: tuple[Path, frozenset[str]], weights: Path, runs: Path, plan: Plan) -> Path:
    """Train from `weights`, whose classes are kept. Returns the last weights. `data` is the dataset
    (images/, labels/) and its excluded sets. An interrupted run below `runs` continues after its
    last epoch."""
    from ultralytics import YOLO

    last = runs / "fit" / "weights" / "last.pt"
    if last.exists():
        model: Any = YOLO(str(last))
        if model.ckpt["epoch"] != _ENDED:
            model.train(resume=True)
        return last
    model = YOLO(str(weights))
    facts = _dataset(data, runs, model.names)
    _quick_convolutions()
    model.train(
        data=str(facts),
        project=str(runs),
        name="fit",
        exist_ok=True,
        device=_device(),
        imgsz=plan.size_px,
        epochs=plan.epochs,
        batch=BATCH,
        workers=0,
        seed=plan.seed,
        deterministic=True,
        cache="ram",
        amp=False,
        val=False,
        plots=False,
        # A short run from good weights: a small rate, most of it with mosaics (which give every
        # scale from half to twice), hard on brightness because lots are seen at noon and at dusk.
        optimizer="AdamW",
        lr0=plan.rate,
        lrf=0.1,
        cos_lr=True,
        freeze=HELD_LAYERS,
        warmup_epochs=0.3,
        close_mosaic=min(1, plan.epochs - 1),
        scale=0.6,
        degrees=2,
        hsv_h=0.02,
        hsv_s=0.6,
        hsv_v=0.5,
        erasing=0.0,
    )
    return last


def _dataset(data: tuple[Path, frozenset[str]], runs: Path, names: Mapping[int, str]) -> Path:
    """Write the description of the training: which pictures it uses, and the base's own classes."""
    dataset, unseen = data
    pictures = sorted((dataset / "images").glob("*.jpg"))
    seen = [str(path) for path in pictures if path.name.split("_", 1)[0] not in unseen]
    runs.mkdir(parents=True, exist_ok=True)
    chosen = runs / "pictures.txt"
    chosen.write_text("\n".join(seen), "utf-8")
    facts = {"path": str(dataset), "train": str(chosen), "val": str(chosen), "names": dict(names)}
    described = runs / "dataset.yaml"
    described.write_text(yaml.safe_dump(facts), "utf-8")
    return described


def _quick_convolutions() -> None:
    """Compute inner products in bfloat16 if the processor has it: twice as fast, with sums in
    float32."""
    import torch

    torch.backends.mkldnn.conv.fp32_precision = "bf16"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"


def predictor(weights: Path, size_px: int) -> Any:
    """Return a labels.Predict over a COCO model: boxes of vehicles of any kind."""
    from ultralytics import YOLO

    model: Any = YOLO(str(weights))
    vehicles = [i for i, n in model.names.items() if n in {"car", "motorcycle", "bus", "truck"}]

    def predict(path: Path) -> tuple[Any, Any]:
        boxes = model.predict(
            str(path), imgsz=size_px, conf=0.02, iou=0.6, classes=vehicles, agnostic_nms=True,
            max_det=1000, device=_device(), verbose=False,
        )[0].boxes  # fmt: skip
        return boxes.xyxy.cpu().numpy().astype(float), boxes.conf.cpu().numpy().astype(float)

    return predict


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
