"""Three exceptions with three outcomes (docs/architecture.md).

`Invalid` goes to a dead-letter topic and its offset is committed. `Retryable` is an outage: the
work is retried with back-off and nothing is committed. Anything else ends the process and its
supervisor restarts it. Two more: `Fenced` means that another process owns the work now; `Newer`, an
Invalid without a fault, is skipped.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading foreign JSON raises; the last when it is nested thousands of levels deep."""


class Invalid(Exception):
    """A message that no retry can fix. `reason`: a short, stable slug; `detail`: for people;
    `faults`: one line each where there are several."""

    def __init__(self, reason: str, detail: str = "", faults: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.faults = list(faults)


class Newer(Invalid):
    """A message of a newer version that this one cannot act on: skipped and counted, not
    dead-lettered."""


class Refused(Invalid):
    """Kafka will never accept some records of a send; it has stored the others. `records`: the
    reason by index in the send."""

    def __init__(self, records: Mapping[int, Invalid]) -> None:
        first = next(iter(records.values()))
        super().__init__(first.reason, first.detail)
        self.records = records


class Retryable(Exception):
    """An outside system failed for now (database down, object store 503, Kafka unreachable).
    `reason`: a short, stable slug."""

    def __init__(self, detail: str = "", reason: str = "unavailable") -> None:
        super().__init__(detail)
        self.reason = reason


class Fenced(Exception):
    """Another group member owns the work now; drop it. `generations`: the owner's, by place."""

    def __init__(self, generations: Mapping[tuple[str, int], int] = MappingProxyType({})) -> None:
        text = f"{len(generations)} partitions are held by another generation: {dict(generations)}"
        super().__init__(text if generations else "another member now owns this work")
        self.generations = generations


class SettingsError(Exception):
    """The configuration cannot be used. `problems` holds every fault found, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
