"""Compare the detector's whole stage with the bare model and with ultralytics.

  python -m tools.bench.detector ../shared/data/pklot-ufpr05-day

The whole stage is decoding, health, resizing, inference, suppression and matching, as the service
runs them. The bare loop is the model alone on prepared inputs. For ultralytics it is its own
predict on the same JPEG files, including decoding. All of them alternate on the same pictures in
one run, and the medians count.
"""

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from parking.core import lots
from parking.core.errors import Invalid
from parking.vision.inputsize import input_size
from parking.wire.annotations import load as annotations_of
from services.detector.analysis import Analyser, Job, Options
from services.detector.bench import Plan, measure, peak_mb
from services.detector.bench import table as runtimes_table
from services.detector.cores import threads_for, usable_cores
from services.detector.judging import Judge
from services.detector.model import letterbox
from services.detector.picture import decode, header_size
from services.detector.runtimes import FORWARDS, load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots

WARM_UP = 1
PICTURES = 8
MEMORY_LIMIT_MB = 600
AT_LEAST = {"bare": 0.85, "ultralytics": 2.0, "int8": 1.6}


@dataclass(frozen=True, slots=True)
class Scene:
    """The pictures, their layout, and the model's input size for them."""

    jpegs: list[bytes]
    layout: Any
    size_px: int


def scene(folder: Path, count: int, size_px: int) -> Scene:
    """Load the scene of the folder's first camera. `size_px` 0 chooses the size that the layout
    needs."""
    annotations = annotations_of(folder)
    layout = lots.layouts_from_annotations(annotations, "bench", interval_ms=1000, time_ms=0)[0]
    device = layout.camera_id.split("/")[1]
    files = [f["file"] for f in annotations["frames"] if lots.slug(f["camera"]) == device]
    step = max(1, len(files) // count)
    jpegs = [(folder / file).read_bytes() for file in files[::step][:count]]
    chosen = size_px or input_size(layout, header_size(jpegs[0])).size_px
    return Scene(jpegs, layout, chosen)


Turn = Callable[[], int]
"""Processes some pictures and returns their number."""


class Stage:
    """A Turn that runs the service's own analyser on every picture, as if one poll had returned
    several cameras. With `slots` it also runs the slot network and takes closer looks at
    pictures in doubt."""

    def __init__(
        self, backend: str, model: Path, threads: int, pictures: Scene, slots: Path | None = None
    ) -> None:
        settings = ModelSettings(
            model, backend, "f32", threads, 0, pictures.size_px, 1, slots=slots
        )
        detector, facts = load_model(settings)
        judge = Judge(facts, load_slotnet(settings), detector)
        self._analyser = Analyser(judge, Options(pictures.size_px), lambda: None)
        self._jobs = [Job(jpeg, layout=pictures.layout) for jpeg in pictures.jpegs]
        self.closer_ms: list[float] = []
        """The time that the last turn's closer looks took, per picture in doubt."""

    def __call__(self) -> int:
        """See Turn."""
        self.closer_ms = []
        for found in self._analyser.analyse(self._jobs, {}):
            if isinstance(found, Invalid):
                raise found
            if "closer" in found.timings_ms:
                self.closer_ms.append(found.timings_ms["closer"])
        return len(self._jobs)


def bare(backend: str, model: Path, threads: int, pictures: Scene) -> Turn:
    """Return a Turn that runs the model alone."""
    forward = FORWARDS[backend](model, threads, "f32")
    decoded = (decode(jpeg, 10**8, None) for jpeg in pictures.jpegs)
    inputs = [letterbox(picture, pictures.size_px)[0] for picture in decoded]

    def turn() -> int:
        for blob in inputs:
            forward(blob)
        return len(inputs)

    return turn


def ultralytics(model: Path, pictures: Scene) -> Turn:
    """Return a Turn that runs ultralytics' own predict as its users call it, on the same ONNX file
    or on weights (.pt)."""
    from ultralytics import YOLO

    yolo = YOLO(str(model), task="detect")

    def turn() -> int:
        for jpeg in pictures.jpegs:
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            yolo.predict(picture, imgsz=pictures.size_px, conf=0.05, device="cpu", verbose=False)
        return len(pictures.jpegs)

    return turn


@dataclass(frozen=True, slots=True)
class Spent:
    """Medians per picture: wall-clock milliseconds, and CPU milliseconds of all threads, which
    other processes on the machine hardly change."""

    wall_ms: float
    cpu_ms: float


def in_turns(candidates: dict[str, Turn], rounds: int) -> dict[str, Spent]:
    """Run the candidates in turn, repeatedly."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for _ in track(range(WARM_UP + rounds), "in turns"):
        for name, turn in candidates.items():
            gc.collect()
            start_s, cpu_s = time.perf_counter(), time.process_time()
            count = turn()
            wall_s, used_s = time.perf_counter() - start_s, time.process_time() - cpu_s
            spent[name].append((wall_s * 1000 / count, used_s * 1000 / count))
    return {
        name: Spent(*(median(values) for values in zip(*some[WARM_UP:], strict=True)))
        for name, some in spent.items()
    }


def memory_mb(backend: str, model: Path, folder: Path, size_px: int) -> int:
    """Return the peak memory of a process that analyses as the service does."""
    command = [sys.executable, "-m", "tools.bench.detector", str(folder), "--memory", backend]
    command += ["--model", str(model), "--size", str(size_px)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300, text=True)
    return int(done.stdout.split()[-1])


def main() -> None:
    """Run the command line."""
    options = _arguments()
    threads = options.threads or threads_for(0, 1, usable_cores())
    pictures = scene(options.folder, PICTURES, options.size)
    slots = default_slots(options.model)
    if options.memory:
        import services.detector.__main__  # noqa: F401 -- all that the service holds

        turn = Stage(options.memory, options.model, threads, pictures, slots)
        for _ in range(4):
            turn()
        print(peak_mb())
        return
    candidates: dict[str, Turn] = {}
    both: dict[str, Stage] = {}
    for backend in ("onnx", "openvino"):
        candidates[f"bare loop, {backend}"] = bare(backend, options.model, threads, pictures)
        candidates[f"whole stage, {backend}"] = Stage(backend, options.model, threads, pictures)
        both[backend] = Stage(
            backend, options.model, threads, pictures, default_slots(options.model)
        )
        candidates[f"with the slot network, {backend}"] = both[backend]
    if not options.without_ultralytics:
        theirs = options.ultralytics or options.model
        candidates[f"ultralytics predict, {theirs.suffix}"] = ultralytics(theirs, pictures)
    spent = in_turns(candidates, options.rounds)
    print(f"{options.folder.name}, input {pictures.size_px} px, {threads} thread(s), ", end="")
    print(f"{options.rounds} turns of {PICTURES} pictures each\n")
    print(_table(spent), end="\n\n")
    for backend, one in both.items():
        looked, ms = len(one.closer_ms), median(one.closer_ms or [0.0])
        print(f"- closer looks with {backend}: {looked} of {PICTURES} pictures, {ms:.0f} ms each")
    for backend in ("onnx", "openvino"):
        peak = memory_mb(backend, options.model, options.folder, options.size)
        print(f"- memory of a detector with {backend}: {peak} MB (at most {MEMORY_LIMIT_MB})")
    if options.int8:
        models = (options.model, options.int8)
        rows = measure(Plan(models, (threads,), (pictures.size_px,), 3 * options.rounds))
        fastest = {m.stem: min(r.ms for r in rows if r.model == m.stem) for m in models}
        ratio = fastest[options.model.stem] / fastest[options.int8.stem]
        print(f"- INT8 against float: {ratio:.2f}x (at least {AT_LEAST['int8']})\n")
        print(runtimes_table(rows))


def _table(spent: dict[str, Spent]) -> str:
    head = ("what", "ms", "processor ms", "against the bare loop", "processor", "ultralytics")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    theirs = next((one for name, one in spent.items() if name.startswith("ultralytics")), None)
    for name, one in spent.items():
        cells = [name, f"{one.wall_ms:.1f}", f"{one.cpu_ms:.1f}", "", "", ""]
        if name.startswith("whole stage"):
            alone = spent[name.replace("whole stage", "bare loop")]
            cells[3] = f"{alone.wall_ms / one.wall_ms:.2f}x (at least {AT_LEAST['bare']})"
            cells[4] = f"{alone.cpu_ms / one.cpu_ms:.2f}x"
            if theirs:
                ratio = theirs.wall_ms / one.wall_ms
                cells[5] = f"{ratio:.2f}x (at least {AT_LEAST['ultralytics']})"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.detector",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="annotated footage")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--int8", type=Path, help="the same model in INT8 (tools.train.quantise)")
    parser.add_argument("--size", type=int, default=0, help="model input (0: as the layout needs)")
    parser.add_argument("--threads", type=int, default=0, help="(0: this machine's cores)")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each (8)")
    parser.add_argument("--ultralytics", type=Path, help="what it runs (the same ONNX file)")
    parser.add_argument("--without-ultralytics", action="store_true")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
