"""Positions in parking.slot-changes, and what a reconnecting client needs. Pure.

An event's id is the vector of the next offsets of all partitions after a snapshot or a change,
together with the id of the cluster: `{cluster_id}~{partition}:{next},...`. It means "I have
everything below", so any instance can continue from it, either from its ring of the last changes or
by reading the topic.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from parking.core.events import SlotChanged
from services.notifier.clients import Sites, includes, sites_of

Vector = Mapping[int, int]
"""Maps each partition to its next offset."""

ID_MAX_CHARS: Final = 4096
_PLACE: Final = r"[0-9]{1,6}:[0-9]{1,18}"
_ID: Final = re.compile(rf"(?P<cluster>[A-Za-z0-9_-]{{1,64}})~(?P<places>{_PLACE}(,{_PLACE})*)")


@dataclass(frozen=True, slots=True)
class Change:
    """A record of parking.slot-changes with its position; `data` is its JSON."""

    partition: int
    offset: int
    event: SlotChanged
    data: bytes


@dataclass(frozen=True, slots=True)
class Reset:
    """The client's stream cannot be resumed, so it gets a snapshot."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """The client has seen records that this instance has not, because another instance was
    ahead."""

    vector: dict[int, int]


@dataclass(frozen=True, slots=True)
class FromRing:
    """Everything that the client missed is in the ring, in order."""

    vector: dict[int, int]
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class FromTopic:
    """Read the topic from `vector` up to `until`."""

    vector: dict[int, int]
    until: dict[int, int]


Plan = Reset | Ahead | FromRing | FromTopic


def format_id(cluster_id: str, vector: Vector) -> str:
    """Return the id of the position after `vector`."""
    places = ",".join(f"{partition}:{offset}" for partition, offset in sorted(vector.items()))
    return f"{cluster_id}~{places}"


def parse_id(text: str) -> tuple[str, dict[int, int]] | None:
    """Parse an id into cluster and vector; return None if it is not one of ours."""
    match = _ID.fullmatch(text) if len(text) <= ID_MAX_CHARS else None
    if match is None:
        return None
    pairs = [place.split(":") for place in match["places"].split(",")]
    vector = {int(partition): int(offset) for partition, offset in pairs}
    return (match["cluster"], vector) if len(vector) == len(pairs) else None


class Ring:
    """The last changes of all partitions in the order in which this instance read them, and the
    vector of next offsets. The ring has everything read from partition p from offset `floor[p]`
    on."""

    def __init__(self, cluster_id: str, starts: Vector, size: int) -> None:
        self.cluster_id = cluster_id
        self.next = dict(starts)
        self.floor = dict(starts)
        self._changes: deque[Change] = deque()
        self._size = size

    @property
    def id(self) -> str:
        """The id of everything read so far."""
        return format_id(self.cluster_id, self.next)

    def skip(self, partition: int, offset: int) -> None:
        """Note that a record was read that is not a change (it could not be decoded)."""
        self.next[partition] = offset + 1

    def push(self, change: Change) -> None:
        """Add a change that was read."""
        self.next[change.partition] = change.offset + 1
        self._changes.append(change)
        if len(self._changes) > self._size:
            oldest = self._changes.popleft()
            self.floor[oldest.partition] = oldest.offset + 1

    def latest(self, limit: int, chosen: str | Sites = None) -> list[SlotChanged]:
        """Return the last changes, newest first, each only once."""
        return list(islice(self._distinct(sites_of(chosen)), limit))

    def plan(self, last_id: str, partitions: Collection[int] | None = None) -> Plan:
        """Return how to continue after `last_id`. `partitions` are the only ones that the client
        receives."""
        parsed = parse_id(last_id)
        if parsed is None:
            return Reset("malformed")
        cluster_id, seen = parsed
        if cluster_id != self.cluster_id:
            return Reset("another-cluster")
        if seen.keys() != self.next.keys():
            return Reset("other-partitions")
        chosen = self.next.keys() if partitions is None else partitions
        # A client cannot miss what it does not receive.
        vector = {p: seen[p] if p in chosen else self.next[p] for p in self.next}
        if any(vector[p] > self.next[p] for p in vector):
            return Ahead(vector)
        if any(vector[p] < self.floor[p] for p in vector):
            return FromTopic(vector, dict(self.next))
        return FromRing(vector, [c for c in self._changes if c.offset >= vector[c.partition]])

    def _distinct(self, sites: Sites) -> Iterator[SlotChanged]:
        listed: set[str] = set()
        for change in reversed(self._changes):
            if includes(sites, change.event.site_id) and change.event.id not in listed:
                listed.add(change.event.id)
                yield change.event


def missed(vector: Vector, until: Vector) -> int:
    """Return the number of records between two positions."""
    return sum(until[partition] - offset for partition, offset in vector.items())
