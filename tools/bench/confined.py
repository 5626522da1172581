"""Limit the memory and processor time of a group of processes with Linux control groups (version 1
or 2). Needs root and a writable hierarchy."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_PERIOD_US: Final = 100_000
_END_LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a group has used. `peak_mb` is the peak memory, including the page cache, which the
    kernel frees when it needs room. `own_mb` is the current memory without it. `at_limit` counts
    how often the limit was reached, and `killed` the processes that were killed for lack of memory.
    `throttled` is the share of periods in which the processor time ran out."""

    peak_mb: float
    own_mb: float
    swap_mb: float
    at_limit: int
    killed: int
    cpu_s: float
    throttled: float


class Group:
    """`with Group(name, limit_mb, cores) as group`: processes started by `group.command(...)` share
    `limit_mb` of memory and `cores` of processor time. They are killed when the block ends."""

    def __init__(self, name: str, limit_mb: int, cores: float, root: Path = _ROOT) -> None:
        self._v2 = (root / "cgroup.controllers").exists()
        kinds = ("",) if self._v2 else ("memory", "cpu", "cpuacct")
        self.folders = {kind: root / kind / f"parking-bench-{os.getpid()}-{name}" for kind in kinds}
        limit, quota_us = limit_mb * 1_000_000, round(cores * _PERIOD_US)
        if self._v2:
            self._limits = {"/memory.max": str(limit), "/cpu.max": f"{quota_us} {_PERIOD_US}"}
        else:
            self._limits = {
                "memory/memory.limit_in_bytes": str(limit),
                "cpu/cpu.cfs_quota_us": str(quota_us),
            }

    def __enter__(self) -> "Group":
        for folder in self.folders.values():
            folder.mkdir(parents=True)
        for place, value in self._limits.items():
            kind, name = place.split("/")
            (self.folders[kind] / name).write_text(value, "utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        deadline_s = time.monotonic() + _END_LIMIT_S
        for folder in self.folders.values():
            while pids := self._file(folder, "cgroup.procs").split():
                for pid in map(int, pids):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                if time.monotonic() > deadline_s:
                    break
                time.sleep(0.05)
            folder.rmdir()

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """Return a command line that joins the group before it becomes this command."""
        places = " ".join(f'"{folder}/cgroup.procs"' for folder in self.folders.values())
        script = f'for at in {places}; do echo $$ >"$at"; done; exec "$@"'
        return ("/bin/sh", "-ec", script, "sh", *command)

    def read(self) -> Reading:
        """Return what the group has used so far."""
        return self._read_v2() if self._v2 else self._read_v1()

    def _read_v1(self) -> Reading:
        memory, cpu = self.folders["memory"], self.folders["cpu"]
        stat, periods = self._pairs(memory, "memory.stat"), self._pairs(cpu, "cpu.stat")
        return Reading(
            int(self._file(memory, "memory.max_usage_in_bytes")) / 1e6,
            stat.get("total_rss", 0) / 1e6,
            stat.get("total_swap", 0) / 1e6,
            int(self._file(memory, "memory.failcnt")),
            self._pairs(memory, "memory.oom_control").get("oom_kill", 0),
            int(self._file(self.folders["cpuacct"], "cpuacct.usage")) / 1e9,
            periods["nr_throttled"] / max(1, periods["nr_periods"]),
        )

    def _read_v2(self) -> Reading:
        [folder] = self.folders.values()
        stat, periods = self._pairs(folder, "memory.stat"), self._pairs(folder, "cpu.stat")
        events = self._pairs(folder, "memory.events")
        return Reading(
            int(self._file(folder, "memory.peak")) / 1e6,
            stat["anon"] / 1e6,
            int(self._file(folder, "memory.swap.current") or 0) / 1e6,
            events["max"],
            events["oom_kill"],
            periods["usage_usec"] / 1e6,
            periods["nr_throttled"] / max(1, periods["nr_periods"]),
        )

    def _pairs(self, folder: Path, name: str) -> Mapping[str, int]:
        lines = (line.split() for line in self._file(folder, name).splitlines())
        return {key: int(value) for key, value in lines}

    @staticmethod
    def _file(folder: Path, name: str) -> str:
        path = folder / name
        return path.read_text("utf-8").strip() if path.exists() else ""
