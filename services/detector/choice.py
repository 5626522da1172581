"""DETECTOR_BACKEND=auto: the runtime that is faster on this machine, measured once.

The measurement is a process of its own, so that this one holds only the runtime it uses in memory,
and one that cannot run here takes nothing with it. Its result is kept in DETECTOR_CACHE where that
is set; a cache that cannot be read or written is no reason not to start.
"""

import json
import logging
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from services.detector.cores import usable_cores

log = logging.getLogger(__name__)

FILE: Final = "detector-backend.json"
LIMIT_S: Final = 60.0
SIZE_PX: Final = 640
ROUNDS: Final = 7
FALLBACK: Final = "onnx"


def backend_for(
    model: Path, model_id: str, threads: int, precision: str, cache: Path | None
) -> str:
    """`onnx` or `openvino`. Never raises: `onnx` when nothing could be measured."""
    key = "|".join([model_id, _cpu(), str(usable_cores()), str(threads), precision, *_versions()])
    kept = _read(cache).get(key)
    if isinstance(kept, dict) and kept.get("pick") in ("onnx", "openvino"):
        log.info("DETECTOR_BACKEND=auto: %s, as measured before", kept["pick"])
        return str(kept["pick"])
    try:
        measured = _measure(model, threads, precision)
        chosen = str(measured["pick"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        log.warning(
            "DETECTOR_BACKEND=auto: nothing measured, so %s: %s", FALLBACK, str(error)[:300]
        )
        return FALLBACK
    told = ", ".join(f"{row['backend']} {row['ms']:.1f} ms" for row in measured["rows"])
    log.info("DETECTOR_BACKEND=auto: %s (%s; %d thread(s), %d px)", chosen, told, threads, SIZE_PX)
    _write(cache, _read(cache) | {key: measured})
    return chosen


def _measure(model: Path, threads: int, precision: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "services.detector.bench", "--json", "--model", str(model)]
    command += ["--threads", str(threads), "--sizes", str(SIZE_PX), "--rounds", str(ROUNDS)]
    done = subprocess.run(
        [*command, "--precision", precision], capture_output=True, timeout=LIMIT_S, check=True
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _read(cache: Path | None) -> dict[str, Any]:
    try:
        found = json.loads((cache / FILE).read_text("utf-8")) if cache else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(cache: Path | None, content: dict[str, Any]) -> None:
    if cache is None:
        return
    part = cache / f"{FILE}.{os.getpid()}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content, indent=1), "utf-8")
        part.replace(cache / FILE)
    except OSError as error:
        log.warning("DETECTOR_CACHE=%s cannot be written: %s", cache, error.strerror)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def _versions() -> list[str]:
    found = []
    for name in ("onnxruntime", "openvino"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return found
