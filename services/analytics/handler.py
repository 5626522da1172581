"""Apply one record to the state of one site: decisions only, no I/O.

State, by key: for each site its two folds (minutes.py) with the offsets they have reached, and for
each slot its last change. Those offsets identify records that Kafka delivers again.

A minute is published when a later change (for gates, a later passage) closes it, or when the site's
clock has passed its end by GRACE_MS. The clock is a topic. Whatever shows that a minute of a site
has begun is written there, because camera-status is keyed by camera and is in other partitions. A
change that arrives after the clock has passed (because one topic was read further than another)
alters published minutes, so they are due again and are published with a higher version. So the last
record of each id depends only on the inputs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from parking.core.events import (
    CameraStatusChanged,
    Event,
    SessionChanged,
    SlotChanged,
    SlotKind,
    TickElapsed,
)
from parking.core.topics import ANALYTICS_CLOCK, OCCUPANCY, slot_key
from parking.wire import codec
from parking.wire.partitioning import check_place
from parking.wire.ports import Outgoing, Record
from services.analytics import minutes
from services.analytics.minutes import AHEAD_MS, MINUTE_MS, Gates, Lot, Slot, minute_of

SERVICE: Final = "analytics"
# How long a minute stays open for late records, in whole minutes.
GRACE_MS: Final = MINUTE_MS
# A timestamp further before Kafka's own timestamp of the record is not trusted, because it could
# open a minute years ago and all minutes since then.
_BELIEVED_MS: Final = 7 * 24 * 3_600_000


class Site(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a site. `clock_ms`: its clock; `lot_due_ms`, `gates_due_ms`: the start of the
    first minute that is not yet published in its present form."""

    clock_ms: int = 0
    lot: Lot | None = None
    lot_due_ms: int = 0
    gates: Gates | None = None
    gates_due_ms: int = 0


class State(Protocol):
    """The table, for reading."""

    def read(self, key: bytes) -> bytes | None:
        """The value, or None."""

    def entries(self) -> list[tuple[bytes, bytes]]:
        """All keys and values."""


class KindOf(Protocol):
    """Looks up the kind of a slot."""

    def of(self, site_id: str, slot_id: str) -> SlotKind:
        """`standard` if no layout names the slot."""


Writes = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """The effects of one record, in this order: `outputs`, then `writes`, one after the other.
    `seen`: a site, and a time that it has reached, for its clock; `ignored`: the record was applied
    before, or has nothing to count."""

    outputs: Iterable[Outgoing] = ()
    writes: Writes = ()
    seen: tuple[str, int] | None = None
    ignored: bool = False


_ENCODER: Final = msgspec.json.Encoder()
_SITES: Final = msgspec.json.Decoder(Site)
_SLOTS: Final = msgspec.json.Decoder(Slot)


def apply(record: Record, state: State, kinds: KindOf, *, behind: bool = False) -> Step:
    """Apply the record to the state. `behind`: the partition is catching up, so due minutes wait
    for a later tick of the clock. Raises Invalid."""
    if record.value is None:  # a tombstone: the removal was already reported
        return Step(ignored=True)
    event = codec.decode(record)
    if isinstance(event, TickElapsed):
        return _clock(record, event, state, publish=not behind)
    handle = HANDLERS.get(type(event))
    if handle is None:
        return Step(ignored=True)
    return handle(record, event, state, kinds)


def due(key: bytes, value: bytes) -> Outgoing | None:
    """The clock record for this key, to be written again if it is a site with due minutes, or
    otherwise None."""
    if b"/" in key:
        return None
    site = _SITES.decode(value)
    lot_due_ms, gates_due_ms = _due(site)
    late = site.lot_due_ms < lot_due_ms or site.gates_due_ms < gates_due_ms
    return mark(key.decode(), site.clock_ms) if late else None


def older(key: bytes, value: bytes, stored: bytes) -> bool:
    """Whether a value of this key is older than the stored one. A worker that was frozen and
    replaced may write such a value when it wakes."""
    if b"/" in key:
        return _SLOTS.decode(value).version < _SLOTS.decode(stored).version
    pairs = zip(_progress(_SITES.decode(value)), _progress(_SITES.decode(stored)), strict=True)
    return any(mine < theirs for mine, theirs in pairs)


def _progress(site: Site) -> tuple[int, int, int]:
    """The values that only ever grow."""
    lot, gates = site.lot, site.gates
    return site.clock_ms, lot.version if lot else 0, gates.version if gates else 0


def mark(site_id: str, time_ms: int) -> Outgoing:
    """The site has reached this time, as a record for its clock."""
    begin_ms = minute_of(time_ms)
    event = TickElapsed(id=f"{site_id}/clock/{begin_ms}", site_id=site_id, time_ms=begin_ms)
    return codec.outgoing(event, ANALYTICS_CLOCK, site_id, SERVICE)


def _status(record: Record, event: CameraStatusChanged, state: State, kinds: KindOf) -> Step:
    return Step(seen=(event.site_id, _believed(event.time_ms, record)))


def _clock(record: Record, event: TickElapsed, state: State, *, publish: bool) -> Step:
    """Publish every minute that is due."""
    check_place(record, event.site_id)
    before = _site(state, event.site_id)
    site = replace(before, clock_ms=max(event.time_ms, before.clock_ms))
    outputs: list[Iterator[Event]] = []
    lot_due_ms, gates_due_ms = _due(site) if publish else (0, 0)
    if site.lot and site.lot_due_ms < lot_due_ms:
        outputs.append(minutes.occupancy(event.site_id, site.lot, site.lot_due_ms, lot_due_ms))
        site = replace(site, lot_due_ms=lot_due_ms)
    if site.gates and site.gates_due_ms < gates_due_ms:
        outputs.append(minutes.passages(event.site_id, site.gates, site.gates_due_ms, gates_due_ms))
        site = replace(site, gates_due_ms=gates_due_ms)
    if site == before:
        return Step(ignored=True)
    messages = map(_outgoing, chain.from_iterable(outputs))
    return Step(messages, ((event.site_id.encode(), _ENCODER.encode(site)),))


def _due(site: Site) -> tuple[int, int]:
    """The end of the due minutes of changes and of passages; 0 if there are none."""
    due_ms = site.clock_ms - GRACE_MS
    lot_due_ms = min(due_ms, minute_of(site.lot.at_ms) + AHEAD_MS) if site.lot else 0
    return lot_due_ms, due_ms if site.gates else 0


def _change(record: Record, event: SlotChanged, state: State, kinds: KindOf) -> Step:
    check_place(record, event.site_id)
    time_ms = _believed(event.time_ms, record)
    seen = (event.site_id, time_ms)
    site, slot = _site(state, event.site_id), _slot(state, event)
    if slot and event.version <= slot.version:
        return Step(seen=seen, ignored=True)
    kind = kinds.of(event.site_id, event.slot_id)
    key = slot_key(event.site_id, event.slot_id)
    if site.lot and record.offset < site.lot.version:
        # There was a crash between the two writes below.
        again = minutes.changed(slot, event, kind)
        return Step(writes=((key, _ENCODER.encode(again)),), seen=seen)
    lot, now = minutes.change(site.lot, slot, event, kind, time_ms)
    lot = replace(lot, version=record.offset + 1)
    begin_ms = minute_of(lot.at_ms)
    closed: Iterator[Event] = iter(())
    if site.lot:
        closed = minutes.occupancy(event.site_id, site.lot, site.lot_due_ms, begin_ms)
    after = replace(site, lot=lot, lot_due_ms=begin_ms)
    return Step(
        map(_outgoing, closed),
        # If the slot were written first, a crash would leave it changed but not counted.
        ((event.site_id.encode(), _ENCODER.encode(after)), (key, _ENCODER.encode(now))),
        seen,
    )


def _session(record: Record, event: SessionChanged, state: State, kinds: KindOf) -> Step:
    check_place(record, event.site_id)
    site = _site(state, event.site_id)
    passed = minutes.passage(event)
    seen = (event.site_id, _believed(event.time_ms, record))
    if passed is None or (site.gates and record.offset < site.gates.version):
        return Step(seen=seen, ignored=True)
    entries, exits, time_ms = passed
    gates = minutes.pass_gate(site.gates, entries, exits, _believed(time_ms, record))
    gates = replace(gates, version=record.offset + 1)
    begin_ms = minute_of(gates.at_ms)
    closed: Iterator[Event] = iter(())
    if site.gates:
        closed = minutes.passages(event.site_id, site.gates, site.gates_due_ms, begin_ms)
    after = replace(site, gates=gates, gates_due_ms=begin_ms)
    return Step(
        map(_outgoing, closed),
        ((event.site_id.encode(), _ENCODER.encode(after)),),
        seen,
    )


def _believed(time_ms: int, record: Record) -> int:
    """An event's time, if it is plausible given Kafka's own timestamp of the record."""
    return max(min(time_ms, record.timestamp_ms), record.timestamp_ms - _BELIEVED_MS)


def _site(state: State, site_id: str) -> Site:
    value = state.read(site_id.encode())
    return _SITES.decode(value) if value else Site()


def _slot(state: State, event: SlotChanged) -> Slot | None:
    value = state.read(slot_key(event.site_id, event.slot_id))
    return _SLOTS.decode(value) if value else None


def _outgoing(event: Event) -> Outgoing:
    return codec.outgoing(event, OCCUPANCY, event.site_id, SERVICE)


HANDLERS: Final[dict[type, Callable[[Record, Any, State, KindOf], Step]]] = {
    SlotChanged: _change,
    SessionChanged: _session,
    CameraStatusChanged: _status,
}
