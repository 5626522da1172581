"""Derive vehicles' stays from gate events, counts and time. Pure.

The number of vehicles inside is the number of open sessions, so it never falls below zero.
`gate-drift` is reported if it exceeds the site's capacity, and for each exit that closes nothing.
"""

from typing import Final, Literal

from msgspec.structs import replace

from parking.core.events import Event, GateEventReceived, ParametersSet, Recounted, SessionChanged
from parking.core.gatenumbers import remember
from parking.core.nearplates import ALWAYS_MS, settle
from parking.core.pairing import Pairing
from parking.core.passages import Passage
from parking.core.site import (
    SITE_SLOTS,
    Device,
    Moment,
    OpenSession,
    Site,
    numbered,
    output_id,
)
from parking.core.stays import Ending, end_of_stay, forget_before

# The site's state is one record in Kafka, which a lot that never sees its exits must not outgrow.
OPEN_LIMIT: Final = SITE_SLOTS
# How long passages are remembered, so that late ones can be inserted in order. Strays are
# remembered for as long as ingest accepts a device's timestamps, because they keep the number of
# vehicles inside correct.
MEMORY_MS: Final = 2 * 86_400_000
STRAYS_MS: Final = 7 * 86_400_000
_HOUR_MS: Final = 3_600_000

Kind = Literal["opened", "closed", "overstay", "corrected"]
Stepped = tuple[Site, list[Event]]


def on_gate(site: Site, event: GateEventReceived, moment: Moment) -> Stepped:
    """Apply a gate event: an entry opens a session, and an exit closes one. A late event has the
    effect it would have had on time. An event that was applied before has no effect. Raises Invalid
    if it cannot be decided whether it was."""
    known = remember(site, event)
    if known is None:
        return site, []
    event_id = event.id
    if event.boot_id is not None:
        restarts = known.devices.get(event.device_id, Device()).restarts
        moment = replace(moment, restarts=restarts)
        event_id = numbered(event_id, restarts)
    pairing = Pairing(known)
    pairing.add(
        Passage(
            time_ms=event.time_ms,
            id=event_id,
            gate_id=event.gate_id,
            direction=event.direction,
            plate_hash=event.plate_hash,
            plate_near=tuple(event.plate_near),
        )
    )
    return _settle(known, pairing, moment)


def on_time(site: Site, before_ms: int, moment: Moment) -> Stepped:
    """After a tick, end the stays whose time is over and report each overstay once. `before_ms` is
    the time of the previous tick."""
    if before_ms // _HOUR_MS != site.tick_ms // _HOUR_MS:
        now_ms = site.tick_ms
        gates = settle(site.gates, now_ms - MEMORY_MS)
        gates = forget_before(gates, now_ms - MEMORY_MS, now_ms - STRAYS_MS, site.sessions)
        site = site if gates == site.gates else replace(site, gates=gates)
    outputs: list[Event] = []
    over: list[tuple[OpenSession, Ending]] = []
    for session in site.sessions:
        ends = end_of_stay(session.entry_at_ms, site.parameters)
        if ends is None or ends[0] > site.tick_ms:
            break
        over.append((session, ends[1]))
    if over:
        pairing = Pairing(site)
        for session, ending in over:
            pairing.end(session, ending)
        site, outputs = _settle(site, pairing, moment)
    site, overstays = _overstays(site, moment)
    return site, [*outputs, *overstays]


def on_recount(site: Site, order: Recounted, moment: Moment) -> Stepped:
    """Apply a person's count of the vehicles: to match it, the oldest sessions are given up or new
    ones are opened. Passages from before the count that arrive later do not change the number."""
    gates = settle(site.gates, ALWAYS_MS)
    gates = replace(gates, stays=[], ended=[], strays=[], counted_at_ms=moment.time_ms)
    pairing = Pairing(replace(site, gates=gates))
    surplus = len(site.sessions) - order.number_in
    for session in site.sessions[: max(0, surplus)]:
        pairing.end(session, "recount")
    for number in range(max(0, -surplus)):
        session_id = f"{moment.cause.id}/{number}"
        pairing.begin(OpenSession(session_id=session_id, entry_at_ms=moment.time_ms, gate_id=""))
    return _settle(site, pairing, moment)


def with_parameters(site: Site, parameters: ParametersSet) -> Site:
    """Return the site with new parameters. Sessions that ended under the old ones stay ended."""
    old = site.parameters
    site = replace(site, parameters=parameters)
    ends = (parameters.maximum_stay_ms, parameters.empty_at_min)
    if ends == (old.maximum_stay_ms, old.empty_at_min) or not site.gates.ended:
        return site
    return replace(site, gates=replace(site.gates, ended=[]))


def _overstays(site: Site, moment: Moment) -> Stepped:
    limit_ms = site.parameters.overstay_ms
    if limit_ms is None:
        return site, []
    outputs: list[Event] = []
    sessions = list(site.sessions)
    for index, session in enumerate(sessions):
        stay_ms = site.tick_ms - session.entry_at_ms
        if stay_ms <= limit_ms:
            break
        if not session.overstayed:
            sessions[index] = replace(session, overstayed=True)
            overstay = _event(site, moment, "overstay", session)
            outputs.append(replace(overstay, dwell_ms=stay_ms))
    return (replace(site, sessions=sessions), outputs) if outputs else (site, [])


# ---------------------------------------------------------------- events
def _settle(site: Site, pairing: Pairing, moment: Moment) -> Stepped:
    """Return the site with the pairing's result, and an event for every session that changed."""
    crowded = pairing.open[: max(0, len(pairing.open) - OPEN_LIMIT)]
    for session in crowded:
        pairing.end(session, "too-many-open")
    before = len(site.sessions)
    site = replace(site, sessions=pairing.open, gates=pairing.gates())
    outputs: list[SessionChanged] = []
    changes = pairing.changes
    for session_id, (session, outcome) in changes.now.items():
        was = changes.before[session_id]
        if was == outcome:
            continue
        if was is None and outcome != "open":
            outputs.append(_event(site, moment, "opened", session))
        if outcome == "open":
            reason = "reopened" if was else "recount" if not session.gate_id else None
            outputs.append(_event(site, moment, "opened", session, reason))
        elif isinstance(outcome, Passage):
            outputs.append(_closed(site, moment, session, outcome))
        else:
            outputs.append(_event(site, moment, "corrected", session, outcome))
    outputs += [_stray(site, moment, *stray) for stray in changes.strays.values()]
    return site, [*_with_drift(site, before, outputs)]


def _with_drift(site: Site, before: int, outputs: list[SessionChanged]) -> list[SessionChanged]:
    """Mark the last entry with drift if more vehicles are now inside than fit."""
    capacity = _capacity(site)
    if capacity is None or not before <= capacity < len(site.sessions):
        return outputs
    news = [i for i, event in enumerate(outputs) if event.kind == "opened" and event.reason is None]
    for index in news[-1:]:
        outputs[index] = replace(outputs[index], reason="gate-drift")
    return outputs


def _capacity(site: Site) -> int | None:
    return site.parameters.capacity or len(site.slots) or None


def _closed(site: Site, moment: Moment, session: OpenSession, leaving: Passage) -> SessionChanged:
    near = "plate" if session.plate_hash == leaving.plate_hash else "plate-near"
    return replace(
        _event(site, moment, "closed", session, near if session.plate_hash else "oldest"),
        exit_at_ms=leaving.time_ms,
        exit_gate_id=leaving.gate_id,
        dwell_ms=max(0, leaving.time_ms - session.entry_at_ms),
    )


def _stray(site: Site, moment: Moment, leaving: Passage, is_stray: bool) -> SessionChanged:
    """Report an exit without an entry as a session with the exit's id, or report that the exit has
    an entry after all."""
    return SessionChanged(
        id=output_id(site, moment, leaving.id, "corrected"),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        session_id=leaving.id,
        kind="corrected",
        plate_hash=leaving.plate_hash,
        reason="exit-without-entry" if is_stray else "entry-found",
        cause=moment.cause,
        exit_at_ms=leaving.time_ms,
        exit_gate_id=leaving.gate_id,
        number_in=len(site.sessions),
        capacity=_capacity(site),
    )


def _event(
    site: Site, moment: Moment, kind: Kind, session: OpenSession, reason: str | None = None
) -> SessionChanged:
    return SessionChanged(
        id=output_id(site, moment, session.session_id, kind),
        site_id=site.site_id,
        time_ms=moment.time_ms,
        run=site.run,
        session_id=session.session_id,
        kind=kind,
        entry_at_ms=session.entry_at_ms,
        entry_gate_id=session.gate_id or None,
        plate_hash=session.plate_hash,
        reason=reason,
        cause=moment.cause,
        number_in=len(site.sessions),
        capacity=_capacity(site),
    )
