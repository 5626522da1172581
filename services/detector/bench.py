"""Compare runtimes and thread counts on this machine. Measures them alternately.

Every combination has its own process, so that its memory is measured separately. All are loaded
first and then take turns, so that other load on the machine affects all of them alike. The table
shows medians.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from services.detector.cores import threads_for, usable_cores
from services.detector.model import STRIDE
from services.detector.runtimes import FORWARDS
from services.detector.settings import DEFAULT_MODEL

BACKENDS: Final = ("onnx", "openvino")
Key = tuple[str, str, int]
"""Model, backend, threads."""

WARM_UP: Final = 2
READY_LIMIT_S: Final = 60.0
TURN_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Row:
    """One combination. `memory_mb` is the process's peak so far; sizes are measured in increasing
    order."""

    model: str
    backend: str
    threads: int
    size_px: int
    ms: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The combinations to measure."""

    models: tuple[Path, ...]
    threads: tuple[int, ...]
    sizes_px: tuple[int, ...]
    rounds: int
    precision: str = "f32"


def measure(plan: Plan) -> list[Row]:
    """Measure every combination that runs here; report the others on stderr and leave them out."""
    rows = []
    with ExitStack() as stack:
        workers = {
            (model.stem, backend, threads): stack.enter_context(
                _worker((model, backend, threads, plan.precision))
            )
            for model in plan.models
            for backend in BACKENDS
            for threads in plan.threads
        }
        able = {key: end for key, end in workers.items() if _ready(key[1], end)}
        for size_px in sorted(plan.sizes_px):
            spent: dict[Key, list[tuple[float, int]]] = {key: [] for key in able}
            for _ in range(WARM_UP + plan.rounds):
                for key, end in able.items():
                    spent[key].append(_turn(end, size_px))
            rows += [
                Row(*key, size_px, median(ms for ms, _ in some[WARM_UP:]), some[-1][1])
                for key, some in spent.items()
            ]
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown; `relative` is relative to the slowest of the same size."""
    slowest: dict[int, float] = {}
    for r in rows:
        slowest[r.size_px] = max(r.ms, slowest.get(r.size_px, 0.0))
    head = ("model", "size px", "runtime", "threads", "ms", "speed", "process MB")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in sorted(rows, key=lambda r: (r.size_px, r.backend, r.threads)):
        speed = slowest[r.size_px] / r.ms
        lines.append(
            f"| {r.model} | {r.size_px} | {r.backend} | {r.threads} "
            f"| {r.ms:.1f} | {speed:.2f}x | {r.memory_mb} |"
        )
    return "\n".join(lines)


def peak_mb() -> int:
    """Return this process's peak memory in MB, or 0 where the system does not report it. (Not
    `ru_maxrss`, because a child starts with its parent's value.)"""
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    high_water = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), "0")
    return int(high_water) // 1024


# ---------------------------------------------------------------- a process for each combination
@contextmanager
def _worker(loads: tuple[Path, str, int, str]) -> Iterator[Connection]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, *loads), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(1.0)
        if process.is_alive():
            process.kill()
            process.join()


def _work(end: Connection, model: Path, backend: str, threads: int, precision: str) -> None:
    """Run in the child: report whether the runtime works, then run one inference per message."""
    try:
        forward = FORWARDS[backend](model, threads, precision)
        forward(_blank(160))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the other runtime may work
        end.send(str(error)[:300] or repr(error))
        return
    try:
        end.send(None)
        while True:
            blob = _blank(end.recv())
            start_s = time.perf_counter()
            forward(blob)
            spent_ms = (time.perf_counter() - start_s) * 1000
            end.send((spent_ms, peak_mb()))
    except (EOFError, OSError):
        return


def _blank(size_px: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return the input of a 16:9 picture; its content does not affect the time."""
    height = -(-size_px * 9 // 16 // STRIDE) * STRIDE
    return np.full((1, 3, max(STRIDE, height), size_px), 0.45, np.float32)


def _ready(backend: str, end: Connection) -> bool:
    try:
        problem = end.recv() if end.poll(READY_LIMIT_S) else f"not ready within {READY_LIMIT_S} s"
    except EOFError:
        problem = "its process ended"
    if problem is not None:
        sys.stderr.write(f"{backend} is skipped: {problem}\n")
    return problem is None


def _turn(end: Connection, size_px: int) -> tuple[float, int]:
    end.send(size_px)
    if not end.poll(TURN_LIMIT_S):
        raise TimeoutError(f"an inference at {size_px} px took longer than {TURN_LIMIT_S} s")
    result: tuple[float, int] = end.recv()
    return result


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `parking bench-detector`."""
    parser.add_argument(
        "--model", type=Path, default=DEFAULT_MODEL, help="an ONNX file (the shipped one)"
    )
    parser.add_argument("--threads", type=int, nargs="+", help="threads to try (1 and all cores)")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[480, 640, 960, 1280],
        metavar="PX",
        help="long sides of the input (480 640 960 1280)",
    )
    parser.add_argument("--rounds", type=int, default=15, help="inferences of each (15)")
    parser.add_argument(
        "--precision", choices=("f32", "auto"), default="f32", help="DETECTOR_PRECISION (f32)"
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Measure what the options name and print the table."""
    cores = usable_cores()
    threads = chosen.threads or sorted({1, threads_for(0, 1, cores)})
    plan = Plan(
        (chosen.model,), tuple(threads), tuple(chosen.sizes), chosen.rounds, chosen.precision
    )
    rows = measure(plan)
    if not rows:
        sys.exit("no runtime can run this model")
    sys.stdout.write(
        f"{chosen.model.name}, {cores} usable core(s), {chosen.rounds} inferences each, in turns"
        f"\n\n{table(rows)}\n"
    )
