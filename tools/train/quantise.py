"""Quantise any of the project's model files to INT8 and measure the effect.

  python -m tools.train.quantise models/parking-yolo11n.onnx --data ../shared/data --out runs

Convolutions are calibrated on labelled frames and written as ONNX with QuantizeLinear and
DequantizeLinear (QDQ) nodes, which ONNX Runtime and OpenVINO both turn into integer arithmetic. The
detection head's last layers stay in float, because a box's edge needs more than 256 steps. The file
keeps its metadata. Afterwards both files judge the same frames at the same sizes, and the table
shows the accuracy and speed of the new one. Needs the extra [train].
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.progress import track

from services.detector.bench import Plan, Row, measure, table
from services.detector.cores import threads_for, usable_cores
from services.detector.model import letterbox, read_facts
from services.detector.runtimes import load_model
from services.detector.settings import ModelSettings
from tools.train.labels import Frame, frames_of
from tools.train.score import accuracy, scores

SIZES_PX: Final = (640, 960)
CALIBRATION_FRAMES: Final = 64
OPERATORS: Final = ("Conv", "MatMul")


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Frames as the detector feeds them, cycling through the sizes."""

    def __init__(self, name: str, frames: Sequence[Frame], sizes_px: Sequence[int]) -> None:
        self._inputs = self._read(name, frames, sizes_px)

    def get_next(self) -> Mapping[str, NDArray[np.float32]] | None:
        """Return the next input, or None at the end."""
        return next(self._inputs, None)

    @staticmethod
    def _read(
        name: str, frames: Sequence[Frame], sizes_px: Sequence[int]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        for number, frame in enumerate(track(frames, "calibration")):
            picture = cv2.imread(str(frame.path))
            if picture is None:
                raise FileNotFoundError(frame.path)
            size_px = sizes_px[number % len(sizes_px)]
            yield {name: letterbox(np.asarray(picture, np.uint8), size_px)[0]}


def quantise(model: Path, out: Path, frames: Sequence[Frame], sizes_px: Sequence[int]) -> None:
    """Write `out`, calibrated on the frames."""
    facts = {entry.key: entry.value for entry in onnx.load(str(model)).metadata_props}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        quantize_static(
            str(prepared),
            str(out),
            Calibration(graph.input[0].name, frames, sizes_px),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,  # OpenVINO is slower than float with QInt8
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(OPERATORS),
            nodes_to_exclude=kept_in_float(graph),
        )
    written_model = onnx.load(str(out))
    onnx.helper.set_model_props(written_model, facts)
    onnx.save(written_model, str(out))


def kept_in_float(graph: Any) -> list[str]:
    """Return the names of nodes to leave alone. One is the first convolution, because its three
    channels are too few for integer arithmetic to pay off. The others are the last ones of each
    branch of the head, from which no other convolution reads, because a box's edge and a score need
    more than 256 steps."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    leads_on: dict[str, bool] = {}
    for node in reversed(graph.node):  # in topological order, so readers were seen before
        after = [reader for name in node.output for reader in readers.get(name, [])]
        leads_on[node.name] = any(
            (reader.op_type == "Conv" and _learned(reader)) or leads_on[reader.name]
            for reader in after
        )
    last = [node.name for node in graph.node if not leads_on[node.name]]
    return [convolutions[0].name, *last]


def _learned(convolution: Any) -> bool:
    """Return False for the convolution that only sums up a distribution over a box's edge
    (`dfl`)."""
    return "/dfl/" not in convolution.name


# ---------------------------------------------------------------- accuracy and speed
def compare(models: Sequence[Path], frames: Sequence[Frame], sizes_px: Sequence[int]) -> str:
    """Return accuracy by set, every size counting the same, and the loss in points (Markdown)."""
    accuracies: list[dict[str, float]] = []
    for model in models:
        threshold = read_facts(model).threshold
        detector, _ = load_model(ModelSettings(model, "openvino", "f32", 0, 0, 0, 1))
        found = [scores(detector, frames, size) for size in track(sizes_px, model.stem)]
        accuracies.append(
            {
                name: float(np.mean([accuracy(some[name], threshold) for some in found]))
                for name in found[0]
            }
        )
    before, after = accuracies
    lines = ["| set | float | INT8 | loss, points |", "|---|---|---|---|"]
    lines += [_line(name, before[name], after[name]) for name in before]
    means = [float(np.mean(list(one.values()))) for one in accuracies]
    return "\n".join([*lines, _line("macro", *means)])


def _line(name: str, before: float, after: float) -> str:
    return f"| {name} | {before:.4f} | {after:.4f} | {(before - after) * 100:+.2f} |"


def speed(models: Sequence[Path], sizes_px: Sequence[int], rounds: int) -> str:
    """Time both files in both runtimes, in turns. Returns a table (Markdown) and the ratio of the
    fastest times."""
    threads = threads_for(0, 1, usable_cores())
    rows = measure(Plan(tuple(models), (threads,), tuple(sizes_px), rounds))
    best = {model.stem: [_best(rows, model.stem, size) for size in sizes_px] for model in models}
    ratios = [a / b for a, b in zip(*best.values(), strict=True)]
    summary = ", ".join(f"{r:.2f}x at {s} px" for r, s in zip(ratios, sizes_px, strict=True))
    return f"{table(rows)}\n\nINT8 against float, each in its faster runtime: {summary}"


def _best(rows: Sequence[Row], model: str, size_px: int) -> float:
    return min(row.ms for row in rows if (row.model, row.size_px) == (model, size_px))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.train.quantise",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="an ONNX file of this project")
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated sets")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder (runs)")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES_PX), metavar="PX")
    parser.add_argument("--every", type=int, default=1, help="score every n-th frame (1)")
    parser.add_argument("--rounds", type=int, default=15, help="inferences per timing (15)")
    options = parser.parse_args()
    sets = sorted(path.parent for path in options.data.glob("*/annotations.json"))
    frames = {folder: frames_of(folder) for folder in sets}
    share = max(1, CALIBRATION_FRAMES // max(1, len(sets)))
    chosen = [f for some in frames.values() for f in some[:: max(1, len(some) // share)][:share]]
    out = options.out / f"{options.model.stem}-int8.onnx"
    quantise(options.model, out, chosen, options.sizes)
    print(
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, was {options.model.stat().st_size / 1e6:.1f}\n"
    )
    judged = [frame for some in frames.values() for frame in some[:: options.every]]
    print(compare((options.model, out), judged, options.sizes), end="\n\n")
    print(speed((options.model, out), options.sizes, options.rounds))


if __name__ == "__main__":
    main()
