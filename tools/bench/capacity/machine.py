"""The machine that the figures were measured on, and how a fast one is limited."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """`cores` are those that everything measured may use. `wide` means that it has AVX-512 or
    AMX."""

    processor: str
    flags: tuple[str, ...]
    cores: int

    @property
    def wide(self) -> bool:
        """Whether it calculates much faster than a plain machine with as many cores."""
        return any(flag.startswith(("avx512", "amx")) for flag in self.flags)

    def __str__(self) -> str:
        features = ", ".join(self.flags) or "neither AVX2, AVX-512 nor AMX"
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        return f"{self.processor}, {cores}, {features}"


def parse(cpuinfo: str, cores: int) -> Machine:
    """Parse selected lines of /proc/cpuinfo."""
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    values = {name.strip(): value.strip() for name, _, value in reversed(lines)}
    flags = set(values.get("flags", "").split())
    shown = sorted(flag for flag in flags if flag == "avx2" or flag.startswith(("avx512f", "amx_")))
    return Machine(values.get("model name", "unknown processor"), tuple(shown), cores)


def settle() -> tuple[Machine, str]:
    """Pin this process and its children to one core if the cores are wide. Returns the machine and
    a note about it."""
    allowed = sorted(os.sched_getaffinity(0))
    text = _CPUINFO.read_text("utf-8") if _CPUINFO.exists() else ""
    machine = parse(text, len(allowed))
    if not machine.wide:
        return machine, "nothing is pinned"
    os.sched_setaffinity(0, allowed[:1])
    return parse(text, 1), "the processor has AVX-512 or AMX, so everything is pinned to one core"
