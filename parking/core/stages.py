"""Define the stages that a record passes, and detect a stage that has stalled. Pure.

A stage's consumer group commits what it has finished. Only topics without transactions are watched,
because elsewhere the end marker of a transaction takes an offset that nobody commits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from parking.core.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    LAYOUTS,
    PLATES,
    SITE_COMMANDS,
    TRACKER_GROUP,
)

Place = tuple[str, int]
Bounds = Mapping[Place, tuple[int, int]]
"""Maps a place to (first offset still stored, next offset to be written)."""
WAIT_MS: Final = 4_500
"""A stage is reported when it has finished nothing for this long while records wait. A batch takes
less time than this."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A service, its consumer group and the topics by which its progress is measured."""

    name: str
    group: str
    topics: tuple[str, ...]


INGEST: Final = "ingest"
"""The first stage. No records wait for it, so only its heartbeats show that it works."""
STAGES: Final = (
    Stage("detector", "detector", (FRAMES,)),
    Stage("tracker", TRACKER_GROUP, (DETECTIONS, GATE_EVENTS, DEVICE_EVENTS, SITE_COMMANDS)),
    Stage(
        "persister",
        "parking.persister",
        (FRAMES, DETECTIONS, GATE_EVENTS, DEVICE_EVENTS, LAYOUTS, PLATES),
    ),
)


@dataclass(slots=True)
class Progress:
    """The progress of one stage, checked repeatedly."""

    _committed: Mapping[Place, int] = field(default_factory=dict)
    _waiting: set[Place] = field(default_factory=set)
    _since_ms: int | None = None

    def look(self, now_ms: int, committed: Mapping[Place, int], bounds: Bounds) -> int | None:
        """Return since when (Unix ms) the stage has finished nothing while records wait, or None
        while it works or has nothing to do. `committed` holds its next offsets and is empty if it
        never ran. Only places with waiting records count, so heartbeats that pass elsewhere do not
        hide a stall."""
        waiting = {
            place
            for place, (first, end) in bounds.items()
            if committed and end > max(first, committed.get(place, first))
        }
        counted = waiting | self._waiting
        moved = any(committed.get(place) != self._committed.get(place) for place in counted)
        self._committed, self._waiting = dict(committed), waiting
        if not waiting:
            self._since_ms = None
        elif moved or self._since_ms is None:
            self._since_ms = now_ms
        if self._since_ms is None or now_ms - self._since_ms < WAIT_MS:
            return None
        return self._since_ms

    def forget(self) -> None:
        """Restart the count at the next look, because no stage can finish anything while Kafka does
        not answer."""
        self._since_ms = None
