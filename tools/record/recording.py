"""A recording as values: the events of some sites in a window of time, in the order of the log.

Pure: other modules read it (from an archive, a folder, S3) and use it (in a replay).
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
"""What a recording may hold of each topic. Also the order of records of one millisecond: a layout
goes before its adoption, and both go before a picture."""

_RANK: Final = {topic: rank for rank, topic in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Kept:
    """One record. `at_ms`: the broker's time, which orders the log; `file`: a picture's."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    event: Event
    file: str | None = None

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Sorts records of several topics in order of arrival."""
        return (self.at_ms, _RANK[self.topic], self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Recording:
    """`before`: the state when the window began (layouts, commands, connections, the last change of
    each slot); `records`: the window, in order; `picture`: a frame's bytes, by `file`."""

    name: str
    sites: tuple[str, ...]
    records: list[Kept]
    picture: Callable[[str], bytes]
    before: list[Kept] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def of(self, *topics: str) -> Iterable[Kept]:
        """The window's records of these topics."""
        return (kept for kept in self.records if kept.topic in topics)

    def span_ms(self) -> tuple[int, int]:
        """First and last `time_ms` of observations in the window; (0, 0) if there are none."""
        times = [kept.event.time_ms for kept in self.of(FRAMES, DETECTIONS)]
        times = times or [kept.event.time_ms for kept in self.records]
        return (min(times), max(times)) if times else (0, 0)


def in_order(records: Iterable[Kept]) -> list[Kept]:
    """Return the records in order of arrival."""
    return sorted(records, key=lambda kept: kept.order)
