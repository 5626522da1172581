"""A recording as values: the events of some sites in a window of time, in the order of the log.

Pure. Other modules read it (from an archive, a folder or S3) and use it (in a replay).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from parking.core.events import (
    DetectionMade,
    DeviceReported,
    Event,
    FrameReceived,
    GateEventReceived,
    LayoutPublished,
    SiteCommanded,
    SlotChanged,
    TickElapsed,
)
from parking.core.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    LAYOUTS,
    SITE_COMMANDS,
    SLOT_CHANGES,
)

KINDS: Final[dict[str, tuple[type[Event], ...]]] = {
    LAYOUTS: (LayoutPublished,),
    SITE_COMMANDS: (SiteCommanded,),
    DEVICE_EVENTS: (DeviceReported,),
    GATE_EVENTS: (GateEventReceived,),
    FRAMES: (FrameReceived,),
    DETECTIONS: (DetectionMade, TickElapsed),
    SLOT_CHANGES: (SlotChanged,),
}
"""What a recording may hold for each topic. The order also applies to records of the same
millisecond: a layout precedes its adoption, and both precede a picture."""

_RANK: Final = {topic: rank for rank, topic in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Kept:
    """One record. `at_ms` is the broker's time, which orders the log. `file` is that of a
    picture."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    event: Event
    file: str | None = None

    @property
    def order(self) -> tuple[int, int, int, int]:
        """The key that sorts records of several topics in order of arrival."""
        return (self.at_ms, _RANK[self.topic], self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Recording:
    """`before` is the state when the window began (layouts, commands, connections, the last change
    of each slot). `records` is the window, in order. `picture` returns a frame's bytes for its
    `file`."""

    name: str
    sites: tuple[str, ...]
    records: list[Kept]
    picture: Callable[[str], bytes]
    before: list[Kept] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def of(self, *topics: str) -> Iterable[Kept]:
        """Return the window's records of these topics."""
        return (kept for kept in self.records if kept.topic in topics)

    def span_ms(self) -> tuple[int, int]:
        """Return the first and last `time_ms` of observations in the window, or (0, 0) if there are
        none."""
        times = [kept.event.time_ms for kept in self.of(FRAMES, DETECTIONS)]
        times = times or [kept.event.time_ms for kept in self.records]
        return (min(times), max(times)) if times else (0, 0)


def in_order(records: Iterable[Kept]) -> list[Kept]:
    """Return the records in order of arrival."""
    return sorted(records, key=lambda kept: kept.order)
