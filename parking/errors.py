"""Three exceptions, three fates (style rule 10).

`Invalid` goes to a dead-letter topic and its offset is committed; `Retryable` is an outage: the
work is tried again with back-off and nothing is committed; anything else ends the process and its
supervisor starts it again.
"""


class Invalid(Exception):
    """A message that no retry can mend. `reason`: a short, stable slug; `detail`: for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Retryable(Exception):
    """The outside world failed for now (database away, object store 503, Kafka unreachable)."""


class SettingsError(Exception):
    """The configuration cannot be used. `problems` holds every fault found, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
