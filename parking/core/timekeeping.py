"""The site's time is the time of its last tick. This module corrects it, along with the evidence,
after a wrong clock (docs/decisions/0019-wrong-clocks.md). Pure."""

from typing import Final

from msgspec.structs import replace

from parking.core.nearplates import ALWAYS_MS, settle
from parking.core.passages import PlatePassages
from parking.core.site import Camera, Device, Gates, OpenSession, Site, Slot

# Late ticks and normal differences between clocks stay below this. More means a wrong clock.
STEP_MS: Final = 60_000


def at(site: Site, tick_ms: int) -> Site:
    """Return the site after this tick. Its `tick_ms` does not change if the tick is a duplicate,
    late, or far below the last one. A tick far below is accepted once a second one in a row
    confirms it."""
    if tick_ms > site.tick_ms:
        return _nothing_ahead(replace(site, tick_ms=tick_ms, lower_tick_ms=None))
    if tick_ms >= site.tick_ms - STEP_MS or tick_ms == site.lower_tick_ms:
        return site
    if site.lower_tick_ms is None or tick_ms < site.lower_tick_ms:
        return replace(site, lower_tick_ms=tick_ms)
    return _nothing_ahead(_set_back(site, tick_ms))


def _nothing_ahead(site: Site) -> Site:
    """Drop times well after the tick. Evidence precedes the tick in the log, so it cannot be that
    recent, and it would count as fresh until its time came."""
    bound_ms = site.tick_ms + STEP_MS
    cameras = {
        camera_id: replace(camera, last_frame_at_ms=site.tick_ms)
        for camera_id, camera in site.cameras.items()
        if (camera.last_frame_at_ms or 0) > bound_ms
    }
    slots = {
        slot_id: _seen_by(slot, site.tick_ms)
        for slot_id, slot in site.slots.items()
        if any(sight.time_ms > bound_ms for sight in slot.sights.values())
    }
    if not cameras and not slots:
        return site
    return replace(site, cameras=site.cameras | cameras, slots=site.slots | slots)


def _seen_by(slot: Slot, tick_ms: int) -> Slot:
    sights = {
        camera_id: replace(sight, time_ms=min(sight.time_ms, tick_ms))
        for camera_id, sight in slot.sights.items()
    }
    return replace(slot, sights=sights, observed_at_ms=_bounded(slot.observed_at_ms, tick_ms))


def _set_back(site: Site, tick_ms: int) -> Site:
    """Limit the known times to now, because the last tick's clock was ahead or this one's is
    behind. Times of gate events stay, because they separate a copy from a restarted counter."""
    return replace(
        site,
        tick_ms=tick_ms,
        lower_tick_ms=None,
        cameras={name: _camera(camera, tick_ms) for name, camera in site.cameras.items()},
        devices={name: _device(device, tick_ms) for name, device in site.devices.items()},
        slots={
            slot_id: replace(
                _seen_by(slot, tick_ms), changed_at_ms=min(slot.changed_at_ms, tick_ms)
            )
            for slot_id, slot in site.slots.items()
        },
        sessions=_sorted(site.sessions, tick_ms),
        gates=_gates(site.gates, tick_ms),
    )


def _sorted(sessions: list[OpenSession], tick_ms: int) -> list[OpenSession]:
    bounded = [replace(s, entry_at_ms=min(s.entry_at_ms, tick_ms)) for s in sessions]
    return sorted(bounded, key=lambda session: (session.entry_at_ms, session.session_id))


def _gates(gates: Gates, tick_ms: int) -> Gates:
    """Stop matching passages with a time after now, because they would close stays that begin from
    now on."""
    gates = settle(gates, ALWAYS_MS)
    return Gates(
        stays=[stay for stay in gates.stays if stay.exit.time_ms <= tick_ms],
        ended=[session for session in gates.ended if session.entry_at_ms <= tick_ms],
        strays=[passage for passage in gates.strays if passage.time_ms <= tick_ms],
        plates=PlatePassages(
            {
                plate: [replace(p, time_ms=min(p.time_ms, tick_ms)) for p in passages]
                for plate, passages in gates.plates.items()
            }
        ),
        misread=gates.misread,
        counted_at_ms=min(gates.counted_at_ms, tick_ms),
    )


def _camera(camera: Camera, tick_ms: int) -> Camera:
    return replace(
        camera,
        last_frame_at_ms=_bounded(camera.last_frame_at_ms, tick_ms),
        late_at_ms=_bounded(camera.late_at_ms, tick_ms),
    )


def _device(device: Device, tick_ms: int) -> Device:
    return replace(device, offline_since_ms=_bounded(device.offline_since_ms, tick_ms))


def _bounded(time_ms: int | None, bound_ms: int) -> int | None:
    return None if time_ms is None else min(time_ms, bound_ms)
