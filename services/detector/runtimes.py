"""The three runtimes that can run a model. Each is imported only when it is used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from parking.core.errors import SettingsError
from parking.wire.ports import Boxes, Detector
from services.detector.cores import threads_for, usable_cores
from services.detector.model import (
    NMS_IOU,
    SCORE_FLOOR,
    STRIDE,
    Facts,
    Floats,
    Forward,
    Picture,
    YoloDetector,
    model_id,
    read_facts,
)
from services.detector.settings import ModelSettings
from services.detector.slotnet import SlotNet, blank, read_fusion

_PIXELS_KEPT: Final = 4_000_000
"""A compiled shape takes some 70 MB per million pixels of its input. The shapes used most recently
are kept, up to this many pixels in all. All canvases (services/detector/regions.py) fit."""
_VEHICLES: Final = frozenset({"car", "motorcycle", "bus", "truck", "vehicle"})


class UltralyticsDetector:
    """A ports.Detector over ultralytics. It is slow and large, but it runs .pt files directly."""

    def __init__(self, model_id: str, path: Path) -> None:
        try:
            from ultralytics import YOLO
        except ImportError as error:
            problem = "DETECTOR_BACKEND=ultralytics needs the extra: pip install -e .[train]"
            raise SettingsError([f"{problem} ({error})"]) from error
        self.model_id = model_id
        self._model = YOLO(str(path), task="detect")

    def detect(self, images_bgr: Sequence[Picture], size_px: int) -> list[Boxes]:
        """See ports.Detector."""
        size = -(-size_px // STRIDE) * STRIDE
        found = []
        for image in images_bgr:
            height, width = image.shape[:2]
            result: Any = self._model.predict(
                image, imgsz=size, conf=SCORE_FLOOR, iou=NMS_IOU, agnostic_nms=True,
                rect=True, device="cpu", verbose=False,
            )[0]  # fmt: skip
            names: Mapping[int, str] = result.names
            classes = result.boxes.cls.numpy().astype(int)
            wanted = np.array([names[c] in _VEHICLES or len(names) == 1 for c in classes], bool)
            xyxy = result.boxes.xyxy.numpy()[wanted] / (width, height, width, height)
            scores = result.boxes.conf.numpy()[wanted]
            found.append(Boxes(np.clip(xyxy, 0, 1).astype(np.float32), scores.astype(np.float32)))
        return found


def onnx_forward(path: Path, threads: int, precision: str) -> Forward:
    """Run a file in ONNX Runtime on the CPU, always in float32."""
    del precision
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Several processes share the cores, so a waiting thread must not spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda blob: np.asarray(session.run(None, {name: blob})[0], np.float32)


def openvino_forward(path: Path, threads: int, precision: str) -> Forward:
    """Run a file in OpenVINO on the CPU. OpenVINO compiles each input shape (0.3 s, but then a
    third faster than one dynamic model); the shapes used most recently are kept."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # Several processes share the cores, and a thread pinned to a busy core makes all others
        # wait.
        "ENABLE_CPU_PINNING": False,
    }
    if precision == "f32":
        options["INFERENCE_PRECISION_HINT"] = "f32"
    compiled: dict[tuple[int, ...], Any] = {}

    def forward(blob: Floats) -> Floats:
        request = compiled.pop(blob.shape, None)
        if request is None:
            while compiled and sum(map(_pixels, (*compiled, blob.shape))) > _PIXELS_KEPT:
                del compiled[next(iter(compiled))]
            model.reshape(blob.shape)
            request = core.compile_model(model, "CPU", options).create_infer_request()
        compiled[blob.shape] = request  # the most recently used one is last
        return np.array(request.infer({0: blob})[0], np.float32)

    return forward


def _pixels(shape: tuple[int, ...]) -> int:
    """Return the number of pixels in the whole batch."""
    return shape[0] * shape[-2] * shape[-1]


FORWARDS: Final = {"onnx": onnx_forward, "openvino": openvino_forward}


def load_model(settings: ModelSettings) -> tuple[Detector, Facts]:
    """Return the detector, tried once on a blank picture, and the file's metadata. Raises
    SettingsError when the file is not such a model."""
    facts = read_facts(settings.file)
    if settings.threshold:
        facts = replace(facts, threshold=settings.threshold)
    return _detector(settings), facts


def load_slotnet(settings: ModelSettings) -> SlotNet | None:
    """Return the slot network, tried once; None if it is switched off. Raises SettingsError.

    It always runs in ONNX Runtime, because its batches may have any size and OpenVINO would compile
    each of them.
    """
    path = settings.slots
    if path is None:
        return None
    settings = replace(settings, backend="onnx")
    fusion = read_fusion(path, model_id(settings.file))
    forward = _forward("SLOT_MODEL_FILE", path, settings, blank(), lambda s: s[0] == len(blank()))
    return SlotNet(model_id(path), fusion, forward)


def _detector(settings: ModelSettings) -> Detector:
    path, identity = settings.file, model_id(settings.file)
    if settings.backend == "ultralytics":
        return UltralyticsDetector(identity, path)
    trial = np.zeros((1, 3, 96, 160), np.float32)
    return YoloDetector(
        identity, _forward("MODEL_FILE", path, settings, trial, lambda s: s[:2] == (1, 5))
    )


def _forward(
    name: str,
    path: Path,
    settings: ModelSettings,
    trial: Floats,
    fits: Callable[[tuple[int, ...]], bool],
) -> Forward:
    """Load the file in the configured runtime and try it once. `name` is the name of the setting,
    for errors."""
    threads = threads_for(settings.threads, settings.processes, usable_cores())
    cv2.setNumThreads(threads)
    backend = settings.backend
    if backend == "ultralytics":
        backend = "onnx"  # the backend runs vehicle detectors only
    try:
        forward = FORWARDS[backend](path, threads, settings.precision)
        shape = forward(trial).shape
    except Exception as error:
        problem = f"{name}={str(path)!r}: {backend} cannot run it"
        raise SettingsError([f"{problem}: {str(error)[:300]}"]) from error
    if not fits(shape):
        raise SettingsError([f"{name}={str(path)!r} returns {shape}: it is not a suitable model"])
    return forward
