"""Track which gate events were applied, so that each counts once whatever the order or clock. Pure.

A device numbers its events by (boot, seq). The applied numbers are stored as runs, so a device
without gaps needs one run for its whole history.
"""

from bisect import bisect_right
from typing import Final

from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import GateEventReceived
from parking.core.site import Device, Site

# Numbers below a device's last GATE_MEMORY numbers that arrive even shortly afterwards belong to a
# counter that started again. Of ids without a number, the last ID_MEMORY are remembered.
GATE_MEMORY: Final = 64
ID_MEMORY: Final = 256
# Each missing number ends a run. At most this many runs are kept.
RUN_MEMORY: Final = 1_024
# A copy of an event never appears to be later than this. By its device's own clock, a copy is never
# later than the event. If the clock was set in between, the copy is no later than the time when the
# event was first applied.
_SOON_MS: Final = 60_000
_LATE_MS: Final = 3_600_000
_END: Final = 2**63

Run = tuple[int, int, int]


def once(site: Site, event_id: str) -> Site | None:
    """Return the site with this id remembered, or None if it already was."""
    if event_id in site.recent_ids:
        return None
    return replace(site, recent_ids=[*site.recent_ids, event_id][-ID_MEMORY:])


def remember(site: Site, event: GateEventReceived) -> Site | None:
    """Return the site with this event remembered, or None if it was applied before. Known or low
    numbers that arrive far later belong to a counter that started again (a reflashed device).
    Events without a number (from the API) are recognised by id. Raises
    Invalid("gate-number-again")."""
    if event.boot_id is None or event.seq is None:
        return once(site, event.id)
    device = site.devices.get(event.device_id, Device())
    runs = device.gate_runs or _runs(device.gate_events)
    forgotten, restarts = device.gate_forgotten, device.restarts
    place = (event.boot_id, event.seq)
    seen, low = _includes(runs, place), _is_low(runs, place)
    if seen or low:
        if _begins_anew(device, event, recent=seen and not low):
            runs, forgotten, restarts = [], None, restarts + 1
        elif seen:
            return None
        elif forgotten is not None and place <= forgotten:
            words = f"or for the first time after {RUN_MEMORY} gaps in its numbers"
            raise _again(event, words)
    runs = _with(runs, place)
    if len(runs) > RUN_MEMORY:
        boot, _, last = runs[0]
        runs, forgotten = runs[1:], max(forgotten or (0, 0), (boot, last))
    device = replace(
        device,
        gate_events=[],
        gate_runs=runs,
        gate_forgotten=forgotten,
        gate_at_ms=max(device.gate_at_ms or 0, event.time_ms),
        gate_heard_ms=max(device.gate_heard_ms or 0, site.tick_ms),
        restarts=restarts,
    )
    return replace(site, devices=site.devices | {event.device_id: device})


def _begins_anew(device: Device, event: GateEventReceived, *, recent: bool) -> bool:
    """Whether old numbers belong to a new counter, which is so only if they are later than any copy
    can be. `recent` tells that they are among the device's last GATE_MEMORY. Raises Invalid if the
    event has only a time of receipt: a copy would have a later one, too, so a person must
    decide."""
    by_device = event.time_source == "device"
    gap_ms = _SOON_MS if by_device and not recent else _LATE_MS
    last_ms = max(device.gate_at_ms or 0, device.gate_heard_ms or 0)
    late = device.gate_at_ms is not None and event.time_ms > last_ms + gap_ms
    if late and recent and not by_device:
        raise _again(event, "long after its last one: it is a copy, or the boot counter restarted")
    return late


def _again(event: GateEventReceived, words: str) -> Invalid:
    detail = f"{event.device_id} repeated gate event {event.boot_id}/{event.seq}"
    return Invalid("gate-number-again", f"{detail} {words}; it is not counted")


# ---------------------------------------------------------------- runs
def _runs(places: list[tuple[int, int]]) -> list[Run]:
    runs: list[Run] = []
    for place in places:
        runs = _with(runs, place)
    return runs


def _after(runs: list[Run], place: tuple[int, int]) -> int:
    """The index after the last run that begins no later than this place."""
    return bisect_right(runs, (*place, _END))


def _includes(runs: list[Run], place: tuple[int, int]) -> bool:
    index = _after(runs, place)
    return index > 0 and runs[index - 1][0] == place[0] and place[1] <= runs[index - 1][2]


def _is_low(runs: list[Run], place: tuple[int, int]) -> bool:
    """Whether the number is below the last GATE_MEMORY numbers applied."""
    wanted = GATE_MEMORY
    for boot, first, last in reversed(runs):
        if last - first + 1 >= wanted:
            return place < (boot, last - wanted + 1)
        wanted -= last - first + 1
    return False


def _with(runs: list[Run], place: tuple[int, int]) -> list[Run]:
    """Add a place that none of the runs includes."""
    boot, seq = place
    index = _after(runs, place)
    joins = index > 0 and runs[index - 1][0] == boot and runs[index - 1][2] == seq - 1
    meets = index < len(runs) and runs[index][:2] == (boot, seq + 1)
    run = (boot, runs[index - 1][1] if joins else seq, runs[index][2] if meets else seq)
    return [*runs[: index - joins], run, *runs[index + meets :]]
