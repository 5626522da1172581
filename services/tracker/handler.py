"""One record applied to one site's entry in the table: decisions only, no I/O.

The entry holds the next offset of every source topic, so a record that Kafka delivers again is
recognised whatever it holds; and the outputs of the last record applied, because they are written
only after the entry is durable: who finds the entry after a crash writes them (again).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka.partitioner import murmur2
from msgspec import Raw, Struct
from msgspec.structs import replace

from parking import codec
from parking.errors import Invalid
from parking.events import (
    CameraStatusChanged,
    Event,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
    TickElapsed,
)
from parking.occupancy import step
from parking.ports import Outgoing, Record
from parking.site import Site
from parking.topics import (
    CAMERA_STATUS,
    DETECTIONS,
    SESSIONS,
    SITE_MAX_BYTES,
    SITE_PARTITIONS,
    SLOT_CHANGES,
    SLOT_STATE,
)

SERVICE: Final = "tracker"
# A kill loses as much of the time that ticks told: no more than a dead tracker stands still anyway
# before Kafka gives its sites to another (TRACKER_SESSION_S), when nobody tells them any.
UNWRITTEN_MS: Final = 10_000


class Unsent(Struct, frozen=True):
    """An output as it is kept in the entry."""

    type: str
    event: Raw


class Entry(Struct, frozen=True, kw_only=True):
    """A site's entry in the table. `positions`: next offset by source topic, in the partition of
    the site's key."""

    positions: dict[str, int]
    site: Site
    outputs: list[Unsent] = []


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """The entry as the table's value. Raises Invalid for a record that would let it outgrow what
    Kafka takes: refused alone it stops nothing, refused by Kafka it would come back for ever."""
    value = _ENCODER.encode(entry)
    if len(value) > SITE_MAX_BYTES:
        detail = f"the site's state would be {len(value)} bytes, of {SITE_MAX_BYTES} at most"
        raise Invalid("site-too-large", detail)
    return value


def decode(value: bytes) -> Entry:
    """The table's value as an entry. An unreadable one is a fault of ours: it ends the process."""
    return _DECODER.decode(value)


def apply(record: Record, entry: Entry | None, run: str) -> Entry | None:
    """The entry after one record; the very same one when the record changes nothing (delivered
    again, doubled, late). Raises Invalid."""
    event = codec.decode(record)
    if not isinstance(event, Event):
        raise Invalid("not-for-tracker", f"the tracker has no use for a {event.TYPE}")
    _check_place(record, event.site_id)
    if entry is None:
        site = Site(site_id=event.site_id, run=run)
        positions: dict[str, int] = {}
    else:
        site, positions = entry.site, entry.positions
    if record.offset < positions.get(record.topic, 0):
        return entry
    after, made = step(site, event)
    if after is site:
        return entry
    return next_entry(record, positions, after, made)


def next_entry(
    record: Record, positions: Mapping[str, int], after: Site, made: Sequence[Event]
) -> Entry:
    """The entry that holds what the record made of the site. Raises Invalid."""
    return Entry(
        positions={**positions, record.topic: record.offset + 1},
        site=after,
        outputs=[_unsent(output) for output in made],
    )


def _unsent(output: Event) -> Unsent:
    """Raises Invalid for one that is against its schema: once in the entry it would come back for
    ever, for whoever finds it must read and write it before anything else."""
    value = codec.to_json(output)
    codec.from_json(value, type(output))
    return Unsent(output.TYPE, Raw(value))


def only_later(written: Entry, after: Entry) -> bool:
    """Whether ticks have told the time since the entry in the changelog, not much of it, and
    nothing else came of them. The next tick tells it again, so `after` can be kept in memory alone
    (docs/decisions/0020)."""
    passed_ms = after.site.tick_ms - written.site.tick_ms
    if after.outputs or not 0 < passed_ms < UNWRITTEN_MS:
        return False
    return replace(after.site, tick_ms=written.site.tick_ms) == written.site


def restarts(entry: Entry | None) -> int:
    """How often boot counters of the site's devices have begun anew."""
    return sum(device.restarts for device in entry.site.devices.values()) if entry else 0


def outputs(entry: Entry) -> list[Event]:
    """What the last applied record made."""
    return [codec.from_json(bytes(kept.event), _OUTPUTS[kept.type].cls) for kept in entry.outputs]


def outgoing(event: Event) -> Outgoing:
    """An output as a record."""
    to = _OUTPUTS[event.TYPE]
    return codec.outgoing(event, to.topic, to.key(event), SERVICE)


def tick(key: bytes, now_ms: int) -> Outgoing:
    """Time passed for the site of this key, as a record beside its others."""
    site_id = key.decode()
    event = TickElapsed(id=f"{site_id}/tick/{now_ms}", site_id=site_id, time_ms=now_ms)
    message = codec.outgoing(event, DETECTIONS, site_id, SERVICE)
    return dataclasses.replace(message, partition=partition_of(key))


def partition_of(key: bytes) -> int:
    """Where every record with this key lies, in each topic of the tracker."""
    return int(murmur2(key) & 0x7FFFFFFF) % SITE_PARTITIONS


def _check_place(record: Record, site_id: str) -> None:
    """A site lives in the partition of its key, or two workers would track it."""
    if record.key != site_id.encode():
        raise Invalid("wrong-key", f"a record of site {site_id} has key {record.key!r:.100}")
    expected = partition_of(record.key)
    if record.partition != expected:
        raise Invalid(
            "wrong-partition",
            f"site {site_id} belongs in partition {expected}, not {record.partition}: "
            "its producer must partition by murmur2 of the key",
        )


def _by_site(event: Any) -> str:
    return str(event.site_id)


def _by_slot(event: Any) -> str:
    return f"{event.site_id}/{event.slot_id}"


def _by_camera(event: Any) -> str:
    return str(event.camera_id)


class _Output(NamedTuple):
    cls: type[Event]
    topic: str
    key: Callable[[Any], str]


_OUTPUTS: Final[dict[str, _Output]] = {
    SlotChanged.TYPE: _Output(SlotChanged, SLOT_CHANGES, _by_site),
    SlotStateUpdated.TYPE: _Output(SlotStateUpdated, SLOT_STATE, _by_slot),
    CameraStatusChanged.TYPE: _Output(CameraStatusChanged, CAMERA_STATUS, _by_camera),
    SessionChanged.TYPE: _Output(SessionChanged, SESSIONS, _by_site),
}
