"""Compute when time alone will next change something at a site, so that ticks can be rare. Pure.

A tick between two due times has no effect. Two rules still need the site's time to be roughly
right, so a tick is due no later than:

- `FRAMES_MS` after the last one while frames arrive, because the site's time decides whether a
  frame is too late or from a clock that is ahead. A frame that exceeds the silence limit by less
  than this may count until the tick.
- `GATES_MS` after the last one while vehicles pass, because the site's time separates copies of
  gate events from new ones (parking/core/gatenumbers.py).
"""

from collections.abc import Iterator
from typing import Final

from parking.core.site import Camera, Site, silence_limit_ms
from parking.core.stays import end_of_stay
from parking.core.timekeeping import STEP_MS

FRAMES_MS: Final = 30_000
GATES_MS: Final = 1_800_000
# Rules about late frames need ticks at least as often as this.
_WATCH_MS: Final = 1_000


def next_due_ms(site: Site) -> int | None:
    """The earliest tick time that can have an effect. It is at or before the site's own time if a
    tick is overdue, and None if no tick will have an effect. It holds until the next record is
    applied."""
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
    """Sessions are sorted by entry, so their end times are sorted, too."""
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
