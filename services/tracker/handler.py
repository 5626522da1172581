"""Apply records to sites and collect the outputs: decisions only, no I/O."""

import dataclasses
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from parking.core.errors import Invalid
from parking.core.events import (
    CameraStatusChanged,
    Event,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
    TickElapsed,
)
from parking.core.occupancy import step
from parking.core.site import REMOVED, Site
from parking.core.topics import (
    CAMERA_STATUS,
    DETECTIONS,
    DEVICE_EVENTS,
    GATE_EVENTS,
    SESSIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    SLOT_STATE,
    TOPICS,
)
from parking.wire import codec
from parking.wire.partitioning import check_place, partition_of
from parking.wire.ports import Outgoing, Record
from parking.wire.reading import check_written

SERVICE: Final = "tracker"
SOURCES: Final = (SITE_COMMANDS, DEVICE_EVENTS, GATE_EVENTS, DETECTIONS)
"""The order within one millisecond: a layout comes before the observations based on it."""


def read(record: Record) -> Event:
    """The event in a record, if the record is where its site belongs. Raises Invalid."""
    event = codec.decode(record)
    if not isinstance(event, Event):
        raise Invalid("not-for-tracker", f"the tracker does not process {event.TYPE}")
    check_place(record, event.site_id)
    return event


def apply_event(event: Event, site: Site | None, run: str) -> tuple[Site | None, list[Event]]:
    """Return the site after one event, and the outputs. It is the same site object if nothing
    changes (a duplicate or late event). Raises Invalid."""
    before = site or Site(site_id=event.site_id, run=run)
    after, outputs = step(before, event)
    return (site, []) if after is before else (after, outputs)


def in_order(records: Iterable[Record]) -> list[Record]:
    """The records of one batch in the order in which they are applied: by the broker's timestamp,
    keeping each topic's own order. So every reader folds a batch in the same way."""
    topics = _by_topic(records)
    logs = [sorted(topics[t], key=lambda record: record.offset) for t in sorted(topics, key=_rank)]
    return list(heapq.merge(*logs, key=lambda record: record.timestamp_ms))


def batches(records: Iterable[Record], ends: Iterable[Mapping[str, int]]) -> Iterator[list[Record]]:
    """The records of one partition in the order applied, split into batches by the offsets that
    each reached."""
    left = {
        topic: deque(sorted(some, key=lambda record: record.offset))
        for topic, some in _by_topic(records).items()
    }
    for end in ends:
        batch = []
        for topic, log in left.items():
            while log and log[0].offset < end.get(topic, 0):
                batch.append(log.popleft())
        yield in_order(batch)


def next_offsets(records: Sequence[Record], before: Mapping[str, int]) -> dict[str, int]:
    """The offset after these records of one partition, keyed by topic."""
    return {**before, **{r.topic: r.offset + 1 for r in sorted(records, key=lambda r: r.offset)}}


def has_restarted(before: Site | None, after: Site) -> bool:
    """Whether the boot counter of one of the site's devices restarted."""
    if before is None:
        return _restarts(after) > 0
    return before.devices is not after.devices and _restarts(after) > _restarts(before)


def outgoing(event: Event) -> list[Outgoing]:
    """Return an output as a record. In a compacted topic, the last record of something removed is
    followed by a tombstone. Raises Invalid if the output violates its own schema."""
    value, to = codec.to_json(event), _OUTPUTS[event.TYPE]
    check_written(value, type(event))
    key = to.key(event).encode()
    records = [Outgoing(to.topic, key, value, codec.cloud_headers(event, SERVICE))]
    if TOPICS[to.topic].compacted and getattr(event, "reason", None) == REMOVED:
        records.append(Outgoing(to.topic, key, None))
    return records


def tick(site_id: str, now_ms: int) -> Outgoing:
    """A tick for the site, as a record in the same partition as its others."""
    event = TickElapsed(id=f"{site_id}/tick/{now_ms}", site_id=site_id, time_ms=now_ms)
    message = codec.outgoing(event, DETECTIONS, site_id, SERVICE)
    return dataclasses.replace(message, partition=partition_of(site_id))


def _restarts(site: Site) -> int:
    return sum(device.restarts for device in site.devices.values())


def _rank(topic: str) -> int:
    """The rank of a topic, live or in a replay."""
    return next(rank for rank, source in enumerate(SOURCES) if topic.endswith(source))


def _by_topic(records: Iterable[Record]) -> dict[str, list[Record]]:
    topics: dict[str, list[Record]] = {}
    for record in records:
        topics.setdefault(record.topic, []).append(record)
    return topics


def _by_site(event: Any) -> str:
    return str(event.site_id)


def _by_slot(event: Any) -> str:
    return f"{event.site_id}/{event.slot_id}"


def _by_camera(event: Any) -> str:
    return str(event.camera_id)


class _Output(NamedTuple):
    topic: str
    key: Callable[[Any], str]


_OUTPUTS: Final[dict[str, _Output]] = {
    SlotChanged.TYPE: _Output(SLOT_CHANGES, _by_site),
    SlotStateUpdated.TYPE: _Output(SLOT_STATE, _by_slot),
    CameraStatusChanged.TYPE: _Output(CAMERA_STATUS, _by_camera),
    SessionChanged.TYPE: _Output(SESSIONS, _by_site),
}
