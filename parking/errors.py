"""Three exceptions, three fates (style rule 10).

`Invalid` goes to a dead-letter topic and its offset is committed; `Retryable` is an outage: the
work is tried again with back-off and nothing is committed; anything else ends the process and its
supervisor starts it again. `Fenced` is none of them: the work is not ours any more. `Newer`, an
Invalid that is no fault, is passed over.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises that somebody else wrote; the last when it is nested thousands deep."""


class Invalid(Exception):
    """A message that no retry can mend. `reason`: a short, stable slug; `detail`: for people;
    `faults`: one line each where there are several."""

    def __init__(self, reason: str, detail: str = "", faults: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.faults = list(faults)


class Newer(Invalid):
    """A message of a newer version that this one cannot act on: passed over and counted, no dead
    letter."""


class Refused(Invalid):
    """Kafka will never take some of the records of a send; it has all the others. `records`: why,
    by index in what was to be sent."""

    def __init__(self, records: Mapping[int, Invalid]) -> None:
        first = next(iter(records.values()))
        super().__init__(first.reason, first.detail)
        self.records = records


class Retryable(Exception):
    """The outside world failed for now (database away, object store 503, Kafka unreachable).
    `reason`: a short, stable slug."""

    def __init__(self, detail: str = "", reason: str = "unavailable") -> None:
        super().__init__(detail)
        self.reason = reason


class Fenced(Exception):
    """The work belongs to another group member by now; drop it. `held`: generation by place."""

    def __init__(self, held: Mapping[tuple[str, int], int] = MappingProxyType({})) -> None:
        text = f"{len(held)} partitions are held by another generation: {dict(held)}"
        super().__init__(text if held else "another member has this work now")
        self.held = held


class SettingsError(Exception):
    """The configuration cannot be used. `problems` holds every fault found, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
