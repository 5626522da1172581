"""Measure how long it takes to judge one picture with 1,000 slots: a new camera's first pictures go
through the detector's own stage in this process.

  python -m tools.bench.manyslots ../shared/data/pklot-ufpr05-day

The picture is a mosaic of different frames of one camera, each with its own slots.
"""

import argparse
import time
from math import ceil, sqrt
from pathlib import Path

import cv2
import numpy as np
from msgspec.structs import replace

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, LayoutSlot
from parking.vision.gating import Limits
from parking.wire.annotations import load as annotations_of
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.judging import Judge
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots

KINDS = ("first picture", "second picture", "still picture")
_MOST_PIXELS = 20_000_000


def mosaic(folder: Path, slots: int, size_wh: tuple[int, int]) -> tuple[bytes, LayoutPublished]:
    """Return a JPEG of `size_wh` pixels with this many slots, and its layout."""
    annotations = annotations_of(folder)
    of_camera = lots.layouts_from_annotations(annotations, "bench", interval_ms=1000, time_ms=0)[0]
    device = of_camera.camera_id.split("/")[1]
    files = [f["file"] for f in annotations["frames"] if lots.slug(f["camera"]) == device]
    across = ceil(sqrt(slots / len(of_camera.slots)))
    tile_wh = (size_wh[0] // across, size_wh[1] // across)
    step = max(1, len(files) // across**2)
    tiles = [
        cv2.resize(_read(folder / files[index * step % len(files)]), tile_wh, None, 0, 0, 3)
        for index in range(across**2)
    ]
    rows = [np.hstack(tiles[y * across : (y + 1) * across]) for y in range(across)]
    named = [
        LayoutSlot(
            slot_id=f"{x}-{y}-{slot.slot_id}",
            zone_id=slot.zone_id,
            polygon=[((x + px) / across, (y + py) / across) for px, py in slot.polygon],
        )
        for y in range(across)
        for x in range(across)
        for slot in of_camera.slots
    ]
    jpeg = cv2.imencode(".jpg", np.vstack(rows))[1].tobytes()
    return jpeg, replace(of_camera, slots=named[:slots])


def _read(file: Path) -> np.ndarray:
    picture = cv2.imread(str(file))
    if picture is None:
        raise SystemExit(f"{file} is not a picture: give a folder with annotations.json")
    return np.asarray(picture, np.uint8)


def take(judge: Judge, jpeg: bytes, layout: LayoutPublished) -> list[tuple[float, float, Finding]]:
    """Return wall and CPU milliseconds and the finding for a new camera's pictures, one of each
    kind."""
    analyser = Analyser(judge, Options(max_pixels=_MOST_PIXELS, gate=Limits()), turned=lambda: None)
    last_views: dict[str, LastView] = {}
    rows = []
    for number in range(len(KINDS)):
        job = Job(
            jpeg,
            camera_id=layout.camera_id,
            layout=layout,
            frame_id=f"{number}",
            time_ms=1000 * number,
        )
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        (found,) = analyser.analyse([job], {}, last_views)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        if isinstance(found, Invalid):
            raise found
        rows.append((1000 * wall_s, 1000 * cpu_s, found))
    return rows


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.manyslots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo"), help="footage (demo)")
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("W", "H"))
    parser.add_argument("--backend", choices=("onnx", "openvino"), default="onnx")
    parser.add_argument("--threads", type=int, default=0, help="(0: this machine's cores)")
    parser.add_argument("--rounds", type=int, default=3, help="best of this many runs (3)")
    options = parser.parse_args()
    jpeg, layout = mosaic(options.folder, options.slots, tuple(options.size))
    slots = default_slots(DEFAULT_MODEL)
    settings = ModelSettings(
        DEFAULT_MODEL, options.backend, "f32", options.threads, 0, 0, 1, slots=slots
    )
    detector, facts = load_model(settings)
    judge = Judge(facts, load_slotnet(settings), detector)
    rounds = [take(judge, jpeg, layout) for _ in range(options.rounds)]
    print(f"{len(layout.slots)} slots, {options.size[0]}x{options.size[1]}\n")
    print("| | wall ms | CPU ms | slots judged | the longest stages, ms |\n|---|---|---|---|---|")
    for number, kind in enumerate(KINDS):
        wall_ms = min(one[number][0] for one in rounds)
        cpu_ms = min(one[number][1] for one in rounds)
        found = rounds[-1][number][2]
        stages = sorted(found.timings_ms.items(), key=lambda stage: -stage[1])[:4]
        words = ", ".join(f"{name} {ms:.0f}" for name, ms in stages)
        print(f"| {kind} | {wall_ms:.0f} | {cpu_ms:.0f} | {found.effort.judged} | {words} |")
        if found.health.status != "ok":
            print(f"\nThe picture is {found.health.status}: {found.health.reason}. Choose others.")


if __name__ == "__main__":
    main()
