"""How long to wait before restarting a process that ended, and when to give up. Pure."""

from dataclasses import dataclass
from typing import Final

SETTINGS_FAULT: Final = 2  # a service's exit status for bad settings, which a restart cannot fix


@dataclass(slots=True)
class Backoff:
    """Waits that double. After a process lived for `calm_s`, they start from the first wait
    again."""

    first_s: float = 0.5
    longest_s: float = 15.0
    tries: int = 8
    calm_s: float = 30.0
    failures: int = 0

    def after_exit(self, status: int, lived_s: float) -> float | None:
        """Return the seconds to wait before the next start, or None to give up."""
        if status == SETTINGS_FAULT:
            return None
        self.failures = 1 if lived_s >= self.calm_s else self.failures + 1
        if self.failures > self.tries:
            return None
        return min(self.longest_s, self.first_s * 2.0 ** (self.failures - 1))
