"""How many threads an inference may use, so that several processes do not compete."""

import os
from pathlib import Path
from typing import Final

_MOST_THREADS: Final = 4
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Return the cores this process may use: its affinity, or a container's quota if that is
    lower."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not available on every system
        cores = os.cpu_count() or 1
    try:
        limit_us, period_us = quota.read_text("utf-8").split()
        cores = min(cores, max(1, int(limit_us) // int(period_us)))
    except (OSError, ValueError):  # no cgroup, or `max`, which means no quota
        pass
    return max(1, cores)


def threads_for(wanted: int, processes: int, cores: int) -> int:
    """Return `wanted`, or for 0 this process's share of the cores. More than `_MOST_THREADS`
    threads gain little with a model this small."""
    return wanted or max(1, min(_MOST_THREADS, cores // max(1, processes)))
