"""The wait before an ended process is started again, and when to give up. Pure."""

from dataclasses import dataclass
from typing import Final

SETTINGS_FAULT: Final = 2  # a service's exit status for bad settings: a restart cannot help


@dataclass(slots=True)
class Backoff:
    """Doubling waits; a process that lived `calm_s` starts from the first wait again."""

    first_s: float = 0.5
    longest_s: float = 15.0
    tries: int = 8
    calm_s: float = 30.0
    failures: int = 0

    def after_exit(self, status: int, lived_s: float) -> float | None:
        """Seconds to wait before the next start, or None: give up."""
        if status == SETTINGS_FAULT:
            return None
        self.failures = 1 if lived_s >= self.calm_s else self.failures + 1
        if self.failures > self.tries:
            return None
        return min(self.longest_s, self.first_s * 2.0 ** (self.failures - 1))
