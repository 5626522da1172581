"""The tracker's rule: `step(site, record) -> (site, outputs)`, a fold over the log. Pure.

It uses the order of the records and the times in them, never a clock. The same code runs in the
tracker, in replays and in the tests' oracle. A record that was applied before returns the same site
object and no outputs. A slower detector, if it stays within the silence limit, leads to the same
changes in the same order (docs/decisions/0021).

- A slot changes after enough observations in a row (`enter_observations` to become occupied,
  `exit_observations` to become free). One below `min_confidence` does not count.
- Cameras that see the same slot vote by the odds of what they see (docs/decisions/0034). If no
  state is probable enough, the slot is unknown.
- Unknown beats wrong: a camera that is offline, silent (its last frame is older than the silence
  limit) or unhealthy loses its evidence. A camera whose frames had no observation of a slot for the
  silence limit loses its evidence for that slot. Until then its evidence is old, not unknown.
- A person's correction holds until the cameras confirm a state other than the overruled one, or
  have repeated the overruled one for `correction_hold_ms`. A closed slot stays closed until it is
  opened.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from parking.core.cameras import on_detection, on_device, on_silence
from parking.core.camerastatus import report, with_camera
from parking.core.errors import Invalid
from parking.core.events import (
    Cause,
    DetectionMade,
    DeviceReported,
    Event,
    GateEventReceived,
    LayoutAdopted,
    ParametersSet,
    Recounted,
    Removed,
    SiteCommanded,
    SlotClosed,
    SlotOpened,
    StateCorrected,
    TickElapsed,
)
from parking.core.gatenumbers import once
from parking.core.removal import is_back, on_removal, was_removed
from parking.core.sessions import on_gate, on_recount, on_time, with_parameters
from parking.core.site import Camera, Moment, Site, Slot, camera_of, too_large
from parking.core.slots import decide, show, verdict, watchers, with_slot, withdraw
from parking.core.timekeeping import at

Stepped = tuple[Site, list[Event]]


def step(site: Site, record: Event) -> Stepped:
    """Apply one record. Raises Invalid if it cannot be applied: `not-for-tracker`, `wrong-site`,
    `unknown-slot`, `site-too-large`."""
    handle = _STEPS.get(type(record))
    if handle is None:
        raise Invalid("not-for-tracker", f"the tracker does not process {record.TYPE}")
    if record.site_id != site.site_id:
        raise Invalid("wrong-site", f"a record of {record.site_id} was sent to {site.site_id}")
    return handle(site, record)


def _check_site(site: Site, camera_id: str) -> None:
    if not camera_id.startswith(f"{site.site_id}/"):
        raise Invalid("wrong-site", f"{camera_id} is not a camera of {site.site_id}")


def _detection(site: Site, detection: DetectionMade) -> Stepped:
    _check_site(site, detection.camera_id)
    if was_removed(site, detection.id, detection.camera_id, detection.time_ms):
        return site, []
    site = is_back(site, detection.camera_id)
    cause = Cause(kind="frame", id=detection.id)
    moment = Moment(
        cause=cause,
        time_ms=detection.time_ms,
        camera_id=detection.camera_id,
        frame_ref=detection.frame_ref,
    )
    return on_detection(site, detection, moment)


def _tick(site: Site, tick: TickElapsed) -> Stepped:
    now = at(site, tick.time_ms)
    if now.tick_ms == site.tick_ms:
        return now, []
    moment = Moment(cause=Cause(kind="tick", id=tick.id), time_ms=tick.time_ms)
    before_ms = site.tick_ms
    site, silence = on_silence(now, moment)
    site, stays = on_time(site, before_ms, moment)
    return site, [*silence, *stays]


def _gate(site: Site, event: GateEventReceived) -> Stepped:
    moment = Moment(cause=Cause(kind="gate", id=event.id), time_ms=event.time_ms)
    return on_gate(site, event, moment)


def _device(site: Site, event: DeviceReported) -> Stepped:
    moment = Moment(cause=Cause(kind="device", id=event.id), time_ms=event.time_ms)
    return on_device(site, event, moment)


def _command(site: Site, command: SiteCommanded) -> Stepped:
    moment = Moment(cause=Cause(kind="command", id=command.id), time_ms=command.time_ms)
    order = command.command
    if isinstance(order, LayoutAdopted):  # it names its version, so it is idempotent
        return _adopt(site, order, moment)
    known = once(site, command.id)
    if known is None:
        return site, []
    if isinstance(order, ParametersSet):
        return with_parameters(known, order), []
    if isinstance(order, Recounted):
        return on_recount(known, order, moment)
    if isinstance(order, Removed):
        return on_removal(known, order, moment)
    slot = known.slots.get(order.slot_id)
    if slot is None:
        raise Invalid("unknown-slot", f"no layout of {site.site_id} names slot {order.slot_id}")
    moment = replace(moment, issued_by=command.issued_by)
    return _COMMANDS[type(order)](known, slot, order, moment)


def _close(site: Site, slot: Slot, order: SlotClosed, moment: Moment) -> Stepped:
    if slot.state == "closed":
        return site, []
    slot = replace(slot, overruled=None, contradicted_at_ms=None)
    return show(site, order.slot_id, slot, moment, "closed", order.reason or "closed")


def _open(site: Site, slot: Slot, order: SlotOpened, moment: Moment) -> Stepped:
    if slot.state != "closed":
        return site, []
    return show(site, order.slot_id, replace(slot, sights={}), moment, "unknown", "opened")


def _correct(site: Site, slot: Slot, order: StateCorrected, moment: Moment) -> Stepped:
    if slot.state == "closed":
        return site, []
    verdict_now = verdict(slot.sights, site.parameters)
    overruled = verdict_now.state if verdict_now else "unknown"
    slot = replace(slot, overruled=overruled, contradicted_at_ms=None)
    if slot.state == order.state:
        return with_slot(site, order.slot_id, slot), []
    return show(site, order.slot_id, slot, moment, order.state, order.reason or "corrected")


def _adopt(site: Site, order: LayoutAdopted, moment: Moment) -> Stepped:
    """From here on the camera sees these slots. A slot that no camera names any more becomes
    unknown (`no-camera`) and is kept, because a later layout may name it again."""
    _check_site(site, order.camera_id)
    before = camera_of(site, order.camera_id)
    if order.version < before.layout_version:
        return site, []
    slot_ids = [ref.slot_id for ref in order.slots]
    camera = replace(
        before, layout_version=order.version, interval_ms=order.interval_ms, slot_ids=slot_ids
    )
    if camera == before and all(
        ref.slot_id in site.slots and site.slots[ref.slot_id].zone_id == ref.zone_id
        for ref in order.slots
    ):
        return site, []
    _check_size(site, order, before)
    site = is_back(site, order.camera_id)
    site, outputs = report(with_camera(site, order.camera_id, camera), order.camera_id, moment)
    for ref in order.slots:
        fresh = Slot(zone_id=ref.zone_id, version=site.version_floor)
        slot = site.slots.get(ref.slot_id, fresh)
        if slot is fresh or slot.zone_id != ref.zone_id:
            reason = "adopted" if slot is fresh else "moved-zone"
            moved = replace(slot, zone_id=ref.zone_id)
            site, changes = show(site, ref.slot_id, moved, moment, slot.state, reason)
            outputs += changes
    for slot_id in before.slot_ids:
        if slot_id not in slot_ids:
            site, changes = _unname(site, slot_id, order.camera_id, moment)
            outputs += changes
    return site, outputs


def _check_size(site: Site, order: LayoutAdopted, before: Camera) -> None:
    """Always accept a layout with fewer slots than before, even at a site that exceeds its
    limits."""
    slots = len(site.slots.keys() | {ref.slot_id for ref in order.slots})
    more = len(order.slots) - len(before.slot_ids)
    sights = sum(len(camera.slot_ids) for camera in site.cameras.values()) + more
    fault = too_large(slots, sights) if slots > len(site.slots) or more > 0 else None
    if fault:
        raise Invalid("site-too-large", fault)


def _unname(site: Site, slot_id: str, camera_id: str, moment: Moment) -> Stepped:
    left = withdraw(site.slots[slot_id], (camera_id,))
    if watchers(site, slot_id):
        return decide(site, slot_id, left, moment, "no-evidence")
    left = replace(left, overruled=None, contradicted_at_ms=None)
    return decide(site, slot_id, left, moment, "no-camera")


_STEPS: Final[dict[type[Event], Callable[[Site, Any], Stepped]]] = {
    DetectionMade: _detection,
    TickElapsed: _tick,
    GateEventReceived: _gate,
    DeviceReported: _device,
    SiteCommanded: _command,
}

_COMMANDS: Final[dict[type, Callable[[Site, Slot, Any, Moment], Stepped]]] = {
    SlotClosed: _close,
    SlotOpened: _open,
    StateCorrected: _correct,
}
