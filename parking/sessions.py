"""Vehicles' stays, from gate events. Pure. The number of open sessions never falls below zero."""

from typing import Any, Final, Literal

from msgspec.structs import replace

from parking.errors import Invalid
from parking.events import Event, GateEventReceived, SessionChanged
from parking.site import Device, Moment, OpenSession, Site, numbered, output_id

# The site's state is one record in Kafka: a lot that never sees its exits must not outgrow it.
OPEN_LIMIT: Final = 2_000
# How far back a doubled event is still recognised, for each device and for ids without a sequence.
GATE_MEMORY: Final = 64
ID_MEMORY: Final = 256
# Later than any copy of an event can seem to be. By its device's own clock a copy is never later at
# all, but for a clock that is set; ingest takes no device's word that is more than an hour off.
_SOON_MS: Final = 60_000
_LATE_MS: Final = 3_600_000

Kind = Literal["opened", "closed", "overstay", "corrected"]


def on_gate(site: Site, event: GateEventReceived, moment: Moment) -> tuple[Site, list[Event]]:
    """An entry opens a session, an exit closes one; an event seen before does nothing. Raises
    Invalid for one that may have been, and may not."""
    known = _remember(site, event)
    if known is None:
        return site, []
    if event.boot_id is not None:
        restarts = known.devices.get(event.device_id, Device()).restarts
        moment = replace(moment, restarts=restarts)
        event = replace(event, id=numbered(event.id, restarts))
    return (_enter if event.direction == "entry" else _leave)(known, event, moment)


def on_overstay(site: Site, moment: Moment) -> tuple[Site, list[Event]]:
    """A tick was applied: tell once of each session that lasts longer than allowed."""
    limit_ms = site.parameters.overstay_ms
    if limit_ms is None:
        return site, []
    outputs: list[Event] = []
    sessions = list(site.sessions)
    for index, session in enumerate(sessions):
        stay_ms = site.tick_ms - session.entry_at_ms
        if stay_ms > limit_ms and not session.overstayed:
            sessions[index] = replace(session, overstayed=True)
            outputs.append(_told(site, moment, "overstay", session, dwell_ms=stay_ms))
    return (replace(site, sessions=sessions), outputs) if outputs else (site, [])


def once(site: Site, event_id: str) -> Site | None:
    """The site that remembers this id, or None when it does already."""
    if event_id in site.recent_ids:
        return None
    return replace(site, recent_ids=[*site.recent_ids, event_id][-ID_MEMORY:])


def _remember(site: Site, event: GateEventReceived) -> Site | None:
    """By (boot, seq), in any order, among the device's last GATE_MEMORY. Numbers seen before, or
    lower, that come far later are those of a counter that began anew (a device flashed again).
    Without a sequence (the API's) by id."""
    if event.boot_id is None or event.seq is None:
        return once(site, event.id)
    device = site.devices.get(event.device_id, Device())
    place, seen = (event.boot_id, event.seq), device.gate_events
    if place in seen or (len(seen) >= GATE_MEMORY and place < seen[0]):
        if not _begins_anew(device, event, place in seen):
            return None
        device, seen = replace(device, restarts=device.restarts + 1), []
    device = replace(
        device,
        gate_events=sorted([*seen, place])[-GATE_MEMORY:],
        gate_at_ms=max(device.gate_at_ms or 0, event.time_ms),
    )
    return replace(site, devices=site.devices | {event.device_id: device})


def _begins_anew(device: Device, event: GateEventReceived, seen: bool) -> bool:
    """Whether numbers that are no news are those of another counter. A copy of an event has the
    device's own time of it, once more; the time of receipt proves nothing about numbers just seen.
    Raises Invalid, for a person to see, where neither can be told."""
    by_device = event.time_source == "device"
    gap_ms = _SOON_MS if by_device and not seen else _LATE_MS
    late = device.gate_at_ms is not None and event.time_ms > device.gate_at_ms + gap_ms
    if seen and not late:
        return False
    if late and (by_device or not seen):
        return True
    detail = f"{event.device_id} sent gate event {event.boot_id}/{event.seq} again"
    if seen:
        words = "long after its last: a copy, or its boot counter began anew"
    else:
        words = f"or for the first time after {GATE_MEMORY} later ones"
    raise Invalid("gate-number-again", f"{detail} {words}; it is not counted")


def _enter(site: Site, event: GateEventReceived, moment: Moment) -> tuple[Site, list[Event]]:
    session = OpenSession(
        session_id=event.id,
        entry_at_ms=event.time_ms,
        gate_id=event.gate_id,
        plate_hash=event.plate_hash,
    )
    again = [s for s in site.sessions if s.plate_hash and s.plate_hash == event.plate_hash]
    kept = [s for s in site.sessions if s not in again]
    crowded = kept[: max(0, len(kept) + 1 - OPEN_LIMIT)]
    outputs: list[Event] = [
        _told(site, moment, "corrected", gone, reason=reason)
        for reason, group in (("entered-again", again), ("too-many-open", crowded))
        for gone in group
    ]
    outputs.append(_told(site, moment, "opened", session))
    return replace(site, sessions=[*kept[len(crowded) :], session]), outputs


def _leave(site: Site, event: GateEventReceived, moment: Moment) -> tuple[Site, list[Event]]:
    leaving = {"exit_at_ms": event.time_ms, "exit_gate_id": event.gate_id}
    session = _match(site.sessions, event.plate_hash)
    if session is None:
        told = SessionChanged(
            id=output_id(site, moment, event.id, "corrected"),
            site_id=site.site_id,
            time_ms=moment.time_ms,
            run=site.run,
            session_id=event.id,
            kind="corrected",
            plate_hash=event.plate_hash,
            reason="exit-without-entry",
            cause=moment.cause,
            exit_at_ms=event.time_ms,
            exit_gate_id=event.gate_id,
        )
        return site, [told]
    matched = session.plate_hash is not None and session.plate_hash == event.plate_hash
    told = _told(
        site,
        moment,
        "closed",
        session,
        dwell_ms=max(0, event.time_ms - session.entry_at_ms),
        reason="plate" if matched else "oldest",
        **leaving,
    )
    return replace(site, sessions=[s for s in site.sessions if s is not session]), [told]


def _match(sessions: list[OpenSession], plate_hash: str | None) -> OpenSession | None:
    """The session of that plate, else the oldest without a plate, else the oldest."""
    same = (s for s in sessions if plate_hash and s.plate_hash == plate_hash)
    plateless = (s for s in sessions if s.plate_hash is None)
    return next(same, None) or next(plateless, None) or next(iter(sessions), None)


def _told(
    site: Site, moment: Moment, kind: Kind, session: OpenSession, **more: Any
) -> SessionChanged:
    return SessionChanged(
        id=output_id(site, moment, session.session_id, kind),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        session_id=session.session_id,
        kind=kind,
        entry_at_ms=session.entry_at_ms,
        entry_gate_id=session.gate_id,
        plate_hash=session.plate_hash,
        cause=moment.cause,
        **more,
    )
