"""Count one site minute by minute, with folds over its changes and over its sessions. Pure.

Each fold takes the records of one topic in order. It depends neither on the other fold nor on when
a minute is published, so the same records give the same minutes, however the topics are
interleaved. Time follows the records' own timestamps and never goes back, so late records count at
the fold's current time.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from parking.core.events import (
    GatesCounted,
    OccupancyMeasured,
    SessionChanged,
    SlotChanged,
    SlotKind,
    SlotState,
)

MINUTE_MS: Final = 60_000
# How far ahead of the last change minutes are published, and how long a group without slots is
# kept: minutes published ahead with slots are published again with zeros.
AHEAD_MS: Final = 30 * 24 * 60 * MINUTE_MS
STATES: Final[tuple[SlotState, ...]] = ("free", "occupied", "unknown", "closed")
# A slot that no camera names any more (parking/core/occupancy.py) is not counted in its zone.
_WITHDRAWN: Final = "no-camera"


class Slot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A slot after its last change. `known` is its last state that was free or occupied. `counted`
    tells whether a camera still names it."""

    zone_id: str
    kind: SlotKind
    state: SlotState
    version: int
    known: SlotState | None = None
    counted: bool = True


class Group(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The slots of one zone and kind. `slots` is the current number in each of STATES.
    `emptied_at_ms` is when the number of slots last changed. The rest is about the current minute:
    `share_ms` is the sum of occupied share x milliseconds, and `known_ms` is how long there was a
    share."""

    zone_id: str
    kind: SlotKind
    slots: tuple[int, int, int, int] = (0, 0, 0, 0)
    emptied_at_ms: int = 0
    entries: int = 0
    exits: int = 0
    share_ms: float = 0.0
    known_ms: int = 0
    share_max: float | None = None

    @property
    def share(self) -> float | None:
        """The occupied share now, or None if no slot is free or occupied."""
        free, occupied = self.slots[0], self.slots[1]
        return occupied / (free + occupied) if free + occupied else None


class Lot(Struct, frozen=True, kw_only=True):
    """The fold over a site's changes. `at_ms` is the time it has reached, and `version` is the
    offset after its last change."""

    at_ms: int
    version: int
    groups: list[Group] = []


class Gates(Struct, frozen=True, kw_only=True):
    """The fold over a site's sessions, with the passages of the current minute."""

    at_ms: int
    version: int
    entries: int = 0
    exits: int = 0


def minute_of(time_ms: int) -> int:
    """The start of the minute that contains this time."""
    return time_ms - time_ms % MINUTE_MS


# ---------------------------------------------------------------- changes
def change(
    lot: Lot | None, slot: Slot | None, event: SlotChanged, kind: SlotKind, time_ms: int
) -> tuple[Lot, Slot]:
    """Apply one change at its `time_ms` or the fold's time, whichever is later. `slot` is its
    former state, with a lower version. The caller sets the lot's version."""
    lot = lot or Lot(at_ms=time_ms, version=0)
    lot = lot_at(lot, max(time_ms, lot.at_ms))
    now = changed(slot, event, kind)
    known = slot.known if slot else _known(event.from_state)
    groups = {(group.zone_id, group.kind): group for group in lot.groups}
    if slot and slot.counted:
        _count(groups, slot, -1, lot.at_ms)
    if now.counted:
        _count(groups, now, 1, lot.at_ms)
        group = groups[now.zone_id, now.kind]
        came = known == "free" and event.to_state == "occupied"
        left = known == "occupied" and event.to_state == "free"
        groups[now.zone_id, now.kind] = replace(
            group, entries=group.entries + came, exits=group.exits + left
        )
    return replace(lot, groups=[groups[name] for name in sorted(groups)]), now


def changed(slot: Slot | None, event: SlotChanged, kind: SlotKind) -> Slot:
    """The slot after a change."""
    before = slot.known if slot else _known(event.from_state)
    return Slot(
        zone_id=event.zone_id,
        kind=kind,
        state=event.to_state,
        version=event.version,
        known=_known(event.to_state) or before,
        counted=event.reason != _WITHDRAWN,
    )


def _known(state: SlotState) -> SlotState | None:
    return state if state in ("free", "occupied") else None


def _count(
    groups: dict[tuple[str, SlotKind], Group], slot: Slot, difference: int, at_ms: int
) -> None:
    name = (slot.zone_id, slot.kind)
    group = groups.get(name) or Group(zone_id=slot.zone_id, kind=slot.kind)
    free, occupied, unknown, closed = (
        count + difference * (state == slot.state)
        for state, count in zip(STATES, group.slots, strict=True)
    )
    groups[name] = replace(group, slots=(free, occupied, unknown, closed), emptied_at_ms=at_ms)


def lot_at(lot: Lot, time_ms: int) -> Lot:
    """The lot at a later time, without a change in between."""
    begin_ms = minute_of(time_ms)
    if begin_ms == minute_of(lot.at_ms):
        groups = [_spend(group, time_ms - lot.at_ms) for group in lot.groups]
    else:
        opened = [_open(group) for group in lot.groups if _lasts(group, begin_ms)]
        groups = [_spend(group, time_ms - begin_ms) for group in opened]
    return replace(lot, at_ms=time_ms, groups=groups)


def _spend(group: Group, duration_ms: int) -> Group:
    share = group.share
    if share is None or not duration_ms:
        return group
    return replace(
        group,
        share_ms=group.share_ms + share * duration_ms,
        known_ms=group.known_ms + duration_ms,
        share_max=share if group.share_max is None else max(share, group.share_max),
    )


def _lasts(group: Group, begin_ms: int) -> bool:
    return any(group.slots) or begin_ms < group.emptied_at_ms + AHEAD_MS


def _open(group: Group) -> Group:
    """The group at the start of another minute."""
    return replace(group, entries=0, exits=0, share_ms=0.0, known_ms=0, share_max=None)


def occupancy(site_id: str, lot: Lot, from_ms: int, until_ms: int) -> Iterator[OccupancyMeasured]:
    """The minutes from `from_ms`, or from the lot's time, to `until_ms` (both starts of minutes,
    the latter excluded), without further changes. Does not change `lot`."""
    begin_ms = minute_of(lot.at_ms)
    if from_ms > begin_ms:
        begin_ms, lot = from_ms, lot_at(lot, from_ms)
    while begin_ms < until_ms:
        end_ms = begin_ms + MINUTE_MS
        for group in lot.groups:
            done = _spend(group, end_ms - lot.at_ms)
            yield _measured(site_id, done, lot.version, begin_ms)
        begin_ms, lot = end_ms, lot_at(lot, end_ms)


def _measured(site_id: str, group: Group, version: int, begin_ms: int) -> OccupancyMeasured:
    free, occupied, unknown, closed = group.slots
    slots = sum(group.slots)
    mean = group.share_ms / group.known_ms if group.known_ms else None
    return OccupancyMeasured(
        id=f"{site_id}/{group.zone_id}/{group.kind}/{begin_ms}",
        site_id=site_id,
        time_ms=begin_ms + MINUTE_MS,
        minute_at_ms=begin_ms,
        zone_id=group.zone_id,
        kind=group.kind,
        version=version,
        free=free,
        occupied=occupied,
        unknown=unknown,
        closed=closed,
        occupied_share_mean=None if mean is None else min(1.0, round(mean, 4)),
        occupied_share_max=None if group.share_max is None else round(group.share_max, 4),
        entries=group.entries,
        exits=group.exits,
        turnover=round(group.exits / slots, 4) if slots else 0.0,
    )


# ---------------------------------------------------------------- sessions
def passage(event: SessionChanged) -> tuple[int, int, int] | None:
    """(entries, exits, time) of a session's record, or None if nobody passed a gate, for example
    when a count closes a stay. After a late gate event stays are reported again (docs/sessions.md).
    The record of the passage itself is the one whose entry or exit has the record's time."""
    if event.cause.kind != "gate" or event.reason in ("reopened", "entry-found"):
        return None
    if event.kind == "opened" and event.entry_at_ms == event.time_ms:
        return 1, 0, event.time_ms
    if event.kind in ("closed", "corrected") and event.exit_at_ms == event.time_ms:
        return 0, 1, event.time_ms
    return None


def pass_gate(gates: Gates | None, entries: int, exits: int, time_ms: int) -> Gates:
    """Count one passage, at `time_ms` or the fold's time. The caller sets the version."""
    gates = gates or Gates(at_ms=time_ms, version=0)
    gates = gates_at(gates, max(time_ms, gates.at_ms))
    return replace(gates, entries=gates.entries + entries, exits=gates.exits + exits)


def gates_at(gates: Gates, time_ms: int) -> Gates:
    """The counts at a later time, if no vehicle passes a gate in the meantime."""
    if minute_of(time_ms) == minute_of(gates.at_ms):
        return replace(gates, at_ms=time_ms)
    return Gates(at_ms=time_ms, version=gates.version)


def passages(site_id: str, gates: Gates, from_ms: int, until_ms: int) -> Iterator[GatesCounted]:
    """Like `occupancy`, for the gates."""
    begin_ms = minute_of(gates.at_ms)
    if from_ms > begin_ms:
        begin_ms, gates = from_ms, gates_at(gates, from_ms)
    while begin_ms < until_ms:
        end_ms = begin_ms + MINUTE_MS
        yield GatesCounted(
            id=f"{site_id}/gates/{begin_ms}",
            site_id=site_id,
            time_ms=end_ms,
            minute_at_ms=begin_ms,
            version=gates.version,
            entries=gates.entries,
            exits=gates.exits,
        )
        begin_ms, gates = end_ms, gates_at(gates, end_ms)
