"""A site's changes, sessions and camera statuses for the tests of analytics, and the expected
results. They are counted from the whole log at once, minute by minute, with other code than the
service's."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from parking.core.events import (
    CameraStatusChanged,
    Cause,
    Event,
    GatesCounted,
    OccupancyMeasured,
    SessionChanged,
    SlotChanged,
    SlotState,
)
from parking.core.topics import CAMERA_STATUS, SESSIONS, SLOT_CHANGES
from parking.wire import codec
from parking.wire.ports import Outgoing, Record

MINUTE_MS = 60_000
GRACE_MS = 60_000
Counted = OccupancyMeasured | GatesCounted


class Lot:
    """Makes the records of one site, at `now_ms`."""

    def __init__(self, site_id: str = "lot", now_ms: int = 1_700_000_040_000) -> None:
        self.site_id = site_id
        self.now_ms = now_ms
        self._states: dict[str, tuple[SlotState, int]] = {}
        self._ids = 0

    def _event(self, cls: type[Event], time_ms: int | None, **fields: Any) -> Any:
        self._ids += 1
        return cls(
            id=f"{self.site_id}/{self._ids}",
            site_id=self.site_id,
            time_ms=self.now_ms if time_ms is None else time_ms,
            **fields,
        )

    def change(
        self,
        slot_id: str,
        to: SlotState,
        *,
        zone: str = "a",
        reason: str = "observed",
        time_ms: int | None = None,
    ) -> Outgoing:
        before, version = self._states.get(slot_id, ("unknown", 0))
        self._states[slot_id] = (to, version + 1)
        event = self._event(
            SlotChanged,
            time_ms,
            slot_id=slot_id,
            zone_id=zone,
            from_state=before,
            to_state=to,
            version=version + 1,
            confidence=0.9,
            reason=reason,
            cause=Cause(kind="frame", id="f"),
        )
        return codec.outgoing(event, SLOT_CHANGES, self.site_id, "test")

    def session(self, kind: str, *, time_ms: int | None = None, **fields: Any) -> Outgoing:
        cause = Cause(kind="gate", id="g")
        event = self._event(
            SessionChanged, time_ms, session_id="s", kind=kind, cause=cause, **fields
        )
        return codec.outgoing(event, SESSIONS, self.site_id, "test")

    def entry(self, time_ms: int | None = None) -> Outgoing:
        at_ms = self.now_ms if time_ms is None else time_ms
        return self.session("opened", time_ms=at_ms, entry_gate_id="main", entry_at_ms=at_ms)

    def exit(self, time_ms: int | None = None) -> Outgoing:
        at_ms = self.now_ms if time_ms is None else time_ms
        return self.session("closed", time_ms=at_ms, exit_gate_id="main", exit_at_ms=at_ms)

    def status(self, camera: str = "north", time_ms: int | None = None) -> Outgoing:
        camera_id = f"{self.site_id}/{camera}"
        event = self._event(
            CameraStatusChanged,
            time_ms,
            camera_id=camera_id,
            status="online",
            reason="ok",
            version=self._ids + 1,
        )
        return codec.outgoing(event, CAMERA_STATUS, camera_id, "test")


def reports_of(records: Iterable[Record]) -> dict[str, Counted]:
    """Return what a reader of parking.occupancy has in the end: the highest version of each id, and
    of equal ones the last."""
    latest: dict[str, Counted] = {}
    for record in records:
        event = codec.decode(record)
        assert isinstance(event, OccupancyMeasured | GatesCounted)
        held = latest.get(event.id)
        if held is None or event.version >= held.version:
            latest[event.id] = event
    return latest


class _Moment(Struct):
    """The slots as they are from `at_ms` on: zone and state by slot, and who came and left at
    `at_ms`, by zone."""

    at_ms: int
    version: int
    slots: dict[str, tuple[str, SlotState]]
    came: str | None = None
    left: str | None = None


def expected(records: Sequence[Record], site_id: str) -> dict[str, Counted]:
    """Return the result that the input records must lead to. All slots are of kind `standard`."""
    ours = [(r, e) for r in records if (e := codec.decode(r)).site_id == site_id]  # type: ignore[union-attr]
    clock_ms = max(min(e.time_ms, r.timestamp_ms) for r, e in ours)
    due_ms = clock_ms - clock_ms % MINUTE_MS - GRACE_MS
    made: list[Counted] = []
    moments = _moments([(r, e) for r, e in ours if isinstance(e, SlotChanged)])
    for begin_ms in _minutes([moment.at_ms for moment in moments], due_ms):
        made += _zones(site_id, moments, begin_ms)
    passages = _passages([(r, e) for r, e in ours if isinstance(e, SessionChanged)])
    for begin_ms in _minutes([at_ms for at_ms, *_ in passages], due_ms):
        end_ms = begin_ms + MINUTE_MS
        within = [way for at_ms, way, _ in passages if begin_ms <= at_ms < end_ms]
        made.append(
            GatesCounted(
                id=f"{site_id}/gates/{begin_ms}",
                site_id=site_id,
                time_ms=end_ms,
                minute_at_ms=begin_ms,
                version=max(version for at_ms, _, version in passages if at_ms < end_ms),
                entries=within.count("in"),
                exits=within.count("out"),
            )
        )
    return {event.id: event for event in made}


def _minutes(times_ms: list[int], due_ms: int) -> range:
    if not times_ms:
        return range(0)
    first, last = times_ms[0], times_ms[-1]
    return range(first - first % MINUTE_MS, max(last - last % MINUTE_MS, due_ms), MINUTE_MS)


def _moments(changes: list[tuple[Record, SlotChanged]]) -> list[_Moment]:
    moments: list[_Moment] = []
    versions: dict[str, int] = {}
    known: dict[str, SlotState] = {}
    slots: dict[str, tuple[str, SlotState]] = {}
    at_ms = 0
    for record, event in sorted(changes, key=lambda change: change[0].offset):
        if event.version <= versions.get(event.slot_id, 0):
            continue
        versions[event.slot_id] = event.version
        at_ms = max(at_ms, min(event.time_ms, record.timestamp_ms))
        was, now = known.get(event.slot_id), event.to_state
        slots = {**slots, event.slot_id: (event.zone_id, now)}
        counted = event.reason != "no-camera"
        if not counted:
            del slots[event.slot_id]
        came = counted and (was, now) == ("free", "occupied")
        left = counted and (was, now) == ("occupied", "free")
        if now in ("free", "occupied"):
            known[event.slot_id] = now
        moments.append(
            _Moment(
                at_ms,
                record.offset + 1,
                slots,
                event.zone_id if came else None,
                event.zone_id if left else None,
            )
        )
    return moments


def _zones(site_id: str, moments: list[_Moment], begin_ms: int) -> list[OccupancyMeasured]:
    end_ms = begin_ms + MINUTE_MS
    before = [moment for moment in moments if moment.at_ms < end_ms]
    within = [moment for moment in before if moment.at_ms >= begin_ms]
    zones = {zone for moment in before for zone, _ in moment.slots.values()}
    made = []
    for zone in sorted(zones):
        spans = [(m.at_ms, n.at_ms, m) for m, n in pairwise(before)]
        spans.append((before[-1].at_ms, end_ms, before[-1]))
        lasting: list[tuple[int, float]] = []
        for start, stop, moment in spans:
            length_ms = min(stop, end_ms) - max(start, begin_ms)
            states = [state for where, state in moment.slots.values() if where == zone]
            free, occupied = states.count("free"), states.count("occupied")
            if length_ms > 0 and free + occupied:
                lasting.append((length_ms, occupied / (free + occupied)))
        states = [state for where, state in before[-1].slots.values() if where == zone]
        exits = sum(moment.left == zone for moment in within)
        entries = sum(moment.came == zone for moment in within)
        known_ms = sum(length for length, _ in lasting)
        mean = sum(length * share for length, share in lasting) / known_ms if known_ms else None
        made.append(
            OccupancyMeasured(
                id=f"{site_id}/{zone}/standard/{begin_ms}",
                site_id=site_id,
                time_ms=end_ms,
                minute_at_ms=begin_ms,
                zone_id=zone,
                kind="standard",
                version=before[-1].version,
                free=states.count("free"),
                occupied=states.count("occupied"),
                unknown=states.count("unknown"),
                closed=states.count("closed"),
                occupied_share_mean=None if mean is None else round(mean, 4),
                occupied_share_max=round(max(s for _, s in lasting), 4) if lasting else None,
                entries=entries,
                exits=exits,
                turnover=round(exits / len(states), 4) if states else 0.0,
            )
        )
    return made


def _passages(sessions: list[tuple[Record, SessionChanged]]) -> list[tuple[int, str, int]]:
    """Return (time, direction, version) of each passage, in the order of the log."""
    passed: list[tuple[int, str, int]] = []
    at_ms = 0
    for record, event in sorted(sessions, key=lambda session: session[0].offset):
        came = event.kind == "opened" and event.reason != "reopened"
        left = event.exit_gate_id is not None and event.exit_at_ms == event.time_ms
        way = "in" if came else "out" if left and event.reason != "entry-found" else None
        if way is not None:
            at_ms = max(at_ms, min(event.time_ms, record.timestamp_ms))
            passed.append((at_ms, way, record.offset + 1))
    return passed


def inputs(records: Iterable[Record]) -> list[Record]:
    """Return those records that are inputs of parking.occupancy."""
    return [r for r in records if r.topic in (SLOT_CHANGES, SESSIONS, CAMERA_STATUS)]
