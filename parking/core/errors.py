"""Three main exceptions, each with its own outcome (docs/architecture.md).

For `Invalid`, the message is sent to a dead-letter topic and its offset is committed. `Retryable`
is an outage: the work is retried with back-off and nothing is committed. Anything else ends the
process, and its supervisor restarts it. There are two more: `Fenced` means that another process
owns the work now, and a message that raises `Newer`, an Invalid without a fault, is skipped.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions that reading foreign JSON raises. The last one is for JSON nested thousands of
levels deep."""


class Invalid(Exception):
    """A message that no retry can fix. `reason` is a short, stable slug, `detail` is for people,
    and `faults` has one line per fault if there are several."""

    def __init__(self, reason: str, detail: str = "", faults: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.faults = list(faults)


class Newer(Invalid):
    """A message of a newer version that this version cannot act on. It is skipped and counted, not
    dead-lettered."""


class Refused(Invalid):
    """Kafka will never accept some records of a send, but it has stored the others. `records` maps
    the index in the send to the reason."""

    def __init__(self, records: Mapping[int, Invalid]) -> None:
        first = next(iter(records.values()))
        super().__init__(first.reason, first.detail)
        self.records = records


class Retryable(Exception):
    """An external system failed temporarily (database down, object store 503, Kafka unreachable).
    `reason` is a short, stable slug."""

    def __init__(self, detail: str = "", reason: str = "unavailable") -> None:
        super().__init__(detail)
        self.reason = reason


class Fenced(Exception):
    """Another group member owns the work now, so it must be dropped. `generations` holds the
    owner's generation, keyed by place."""

    def __init__(self, generations: Mapping[tuple[str, int], int] = MappingProxyType({})) -> None:
        text = f"{len(generations)} partitions are held by another generation: {dict(generations)}"
        super().__init__(text if generations else "another member now owns this work")
        self.generations = generations


class SettingsError(Exception):
    """The configuration cannot be used. `problems` holds every fault found, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
