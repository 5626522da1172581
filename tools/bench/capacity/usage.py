"""CPU time and memory of processes, including their children."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """One process and its children: CPU seconds since its start, and resident MB."""

    cpu_s: float
    memory_mb: float


def usage(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Return the usage by name, with zeros for a process that has ended."""
    return {name: _of_family(pid) for name, pid in pids.items()}


def alone(pid: int) -> Usage:
    """Return the usage of one process without its children."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    return Usage(times.user + times.system, process.memory_info().rss / 1e6)


def with_others(measured: Mapping[str, Usage]) -> dict[str, Usage]:
    """Return the measured processes and, as `others`, everything else that ran on the cores we may
    use."""
    cores = psutil.cpu_times(percpu=True)
    used = [cores[number] for number in os.sched_getaffinity(0) if number < len(cores)]
    busy_s = sum(sum(one) - one.idle - getattr(one, "iowait", 0.0) for one in used)
    ours_s = sum(one.cpu_s for one in measured.values())
    return {**measured, "others": Usage(busy_s - ours_s, 0.0)}


def spent(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Return the CPU seconds between two readings, by name."""
    return {
        name: max(0.0, after[name].cpu_s - before[name].cpu_s) for name in before if name in after
    }


def _of_family(pid: int) -> Usage:
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return Usage(0.0, 0.0)
    looks = [look for process in family if (look := _of(process))]
    return Usage(sum(cpu for cpu, _ in looks), sum(memory for _, memory in looks))


def _of(process: psutil.Process) -> tuple[float, float] | None:
    """CPU seconds and resident MB. A parent's times include its children that have ended."""
    try:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
    except psutil.Error:
        return None
    return sum(_numbers(times)), memory.rss / 1e6


def _numbers(times: object) -> Iterable[float]:
    names = ("user", "system", "children_user", "children_system")
    return (float(getattr(times, name, 0.0)) for name in names)
