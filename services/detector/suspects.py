"""The frames that a detector was processing when it ended. Pure.

They outlive the process as a `Note` in the metadata of the group's committed offsets. The note
decides which frames are delivered alone, to find the one that crashes detectors (attempts.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from parking.core.errors import UNREADABLE
from parking.wire.ports import Place, Record


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """The metadata of a committed offset. `in_hand` says that the partition's owner is processing
    frames from this offset on. `alone` counts how often a frame was delivered alone, keyed by its
    offset."""

    in_hand: bool = False
    alone: dict[int, int] = msgspec.field(default_factory=dict)

    def text(self) -> str:
        """Return the note as metadata; empty when there is nothing to note."""
        return msgspec.json.encode(self).decode() if self.in_hand or self.alone else ""

    @classmethod
    def read(cls, text: str) -> "Note":
        """Parse metadata. Text from another program counts as empty."""
        try:
            return msgspec.json.decode(text, type=cls)
        except UNREADABLE:
            return cls()


class Committed(NamedTuple):
    """A group's next offset in a partition, and its metadata."""

    offset: int
    metadata: str = ""


@dataclass(slots=True)
class Partition:
    """The state of a partition since it was assigned. Every frame before `position` is done. `end`
    is the offset after the last polled record. Frames below `careful_until` are delivered alone.
    `said` means that Kafka has a note that frames are in progress."""

    position: int
    careful_until: int = 0
    alone: dict[int, int] = field(default_factory=dict)
    end: int = 0
    said: bool = False
    _waiting: set[int] = field(default_factory=set)

    @classmethod
    def after(cls, note: Note, first: int, end: int, most: int) -> "Partition":
        """Return the state that the last owner left. `first` is the offset to continue from, `end`
        the partition's end, and `most` the number of frames that a detector takes at once. Later
        records were not in progress."""
        alone = {offset: count for offset, count in note.alone.items() if offset >= first}
        if not note.in_hand and not alone:
            return cls(first)
        return cls(first, max(min(first + most, end), *(o + 1 for o in alone), 0), alone)

    def polled(self, offset: int) -> None:
        """Note that this frame is waiting for delivery."""
        self._waiting.add(offset)
        self.end = offset + 1

    def done(self, offsets: set[int]) -> None:
        """Move the position up to the first frame that is not done. May be repeated safely."""
        self._waiting -= offsets
        self.position = min(self._waiting, default=self.end)
        self.alone = {
            offset: count
            for offset, count in self.alone.items()
            if offset >= self.position and offset not in offsets
        }

    def committed(self, *, in_hand: bool = True) -> Committed:
        """Return the offset to commit, with its metadata."""
        return Committed(self.position, Note(in_hand, self.alone).text())


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that are delivered together. `suspect` is the one that is analysed, alone; the others
    are older ones of its camera. If it is `condemned`, it is dead-lettered instead."""

    records: list[Record]
    suspect: Record | None = None
    condemned: bool = False


def place_of(record: Record) -> Place:
    """Return the record's topic and partition."""
    return record.topic, record.partition


def split(
    records: Sequence[Record], partitions: Mapping[Place, Partition], skip: bool, limit: int
) -> list[Batch]:
    """Yield suspected frames one at a time, then all others at once. With `skip` only the newest
    frame of a camera counts; it is delivered together with those that it replaces. A frame that is
    due for its `limit`-th delivery alone is condemned."""
    groups: dict[object, list[Record]] = {}
    others = []
    for record in records:
        if record.offset < partitions[place_of(record)].careful_until:
            name = (place_of(record), record.key) if skip else (place_of(record), record.offset)
            groups.setdefault(name, []).append(record)
        else:
            others.append(record)
    batches = []
    for group in groups.values():
        alone = partitions[place_of(group[0])].alone
        while group and alone.get(group[-1].offset, 0) + 1 >= limit:
            last = group.pop()
            batches.append(Batch([last], last, condemned=True))
        if group:
            batches.append(Batch(group, group[-1]))
    return [*batches, Batch(others)] if others else batches
