"""When time alone changes something at a site next, so that ticks need be no more frequent. Pure.

Between two due times a tick tells nothing. Two things still need the site's time to be about right,
so a tick is due at the latest:

- `FRAMES_MS` after the last one while frames come: whether a frame comes too late, or from a clock
  that is ahead, is judged by the site's time (one that is later than the silence limit by less than
  that may count, until the tick);
- `GATES_MS` after the last one where vehicles pass: a copy of a gate event is told from a new one
  by it (parking/gatenumbers.py).
"""

from collections.abc import Iterator
from typing import Final

from parking.site import Camera, Site, silence_limit_ms
from parking.stays import end_of_stay
from parking.timekeeping import STEP_MS

FRAMES_MS: Final = 30_000
GATES_MS: Final = 1_800_000
# What is judged by how late frames come is looked at as often as ticks ever came.
_WATCH_MS: Final = 1_000


def next_due_ms(site: Site) -> int | None:
    """The lowest time of a tick that can tell something, at or before the site's own when one is
    overdue; None: no tick will. It holds until the next record is applied."""
    times = [
        *(due for camera in site.cameras.values() for due in _camera_due(site, camera)),
        *_sessions_due(site),
    ]
    if any(device.gate_at_ms is not None for device in site.devices.values()):
        times.append(site.tick_ms + GATES_MS)
    return min(times, default=None)


def _camera_due(site: Site, camera: Camera) -> Iterator[int]:
    last_ms = camera.last_frame_at_ms
    if last_ms is None:
        return
    if last_ms > site.tick_ms + STEP_MS:
        yield site.tick_ms + 1
    if not camera.silent:
        yield last_ms + silence_limit_ms(site, camera) + 1
        yield site.tick_ms + FRAMES_MS
    elif camera.reason == "late":
        yield site.tick_ms + _WATCH_MS


def _sessions_due(site: Site) -> Iterator[int]:
    """Sessions are in the order of their entries, and so are the ends of their stays."""
    limit_ms = site.parameters.overstay_ms
    for session in site.sessions[:1]:
        ends = end_of_stay(session.entry_at_ms, site.parameters)
        if ends is not None:
            yield ends[0]
    if limit_ms is not None:
        waiting = (session for session in site.sessions if not session.overstayed)
        for session in waiting:
            yield session.entry_at_ms + limit_ms + 1
            return
