"""Show what is running: the supervisor's status file, and a table of it for people."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tools.stack.pids import Lock, PidFile
from tools.stack.settings import Paths
from tools.stack.supervisor import Supervisor


def forget(paths: Paths) -> None:
    """Delete the status file of the previous run when a new run starts."""
    _file(paths).unlink(missing_ok=True)


def write(paths: Paths, supervisor: Supervisor) -> None:
    """Replace the status file. It is called at every change. On a full disk the old file stays
    until the next change, because a write error must not fail the callers, which wait for
    processes."""
    path = _file(paths)
    parts = {
        name: {"state": unit.state, "starts": unit.starts, "port": unit.part.port}
        for name, unit in supervisor.units.items()
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(parts), "utf-8")
        new.replace(path)


def table(paths: Paths) -> Iterator[str]:
    """Yield the lines of `make status`. Raises nothing if nothing runs."""
    holder = Lock(paths.state).holder()
    if holder is None:
        yield "nothing is running here; `make run` starts it"
        return
    try:
        parts: dict[str, Any] = json.loads(_file(paths).read_text("utf-8"))
    except FileNotFoundError:
        yield f"starting (pid {holder}): still preparing, nothing runs yet"
        return
    yield f"{'part':<10} {'state':<11} {'pid':>7} {'port':>6} {'starts':>6} {'memory':>8}  since"
    total_mb = 0.0
    for name, part in parts.items():
        process = PidFile(paths.run, name).process()
        memory_mb = sum(map(_rss_mb, _family(process))) if process else 0.0
        total_mb += memory_mb
        since = time.strftime("%H:%M:%S", time.localtime(process.create_time())) if process else "-"
        yield (
            f"{name:<10} {part['state']:<11} {process.pid if process else '-':>7} "
            f"{part['port'] or '-':>6} {part['starts']:>6} {memory_mb:>5.0f} MB  {since}"
        )
    supervisor_mb = _rss_mb_of(holder)
    yield f"{'supervisor':<10} {'':<11} {holder:>7} {'':>6} {'':>6} {supervisor_mb:>5.0f} MB"
    yield f"{'together':<41} {'':>2} {total_mb + supervisor_mb:>5.0f} MB"


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _file(paths: Paths) -> Path:
    return paths.run / "status.json"


def _rss_mb_of(pid: int) -> float:
    try:
        return _rss_mb(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return 0.0


def _rss_mb(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / 1e6
    except psutil.Error:
        return 0.0
