"""The live state of all sites, folded from the log. Pure: events in, views out, no clock, no I/O.

Only a higher version applies, so the order in which topics are read does not matter, and reading a
record twice has no effect. Views are cached per site (sitefold.py), each until its data changes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal

from parking.core.events import (
    CameraStatusChanged,
    LayoutPublished,
    SessionChanged,
    SlotChanged,
    SlotState,
    SlotStateUpdated,
)
from parking.core.site import REMOVED
from parking.core.topics import LIVE
from services.notifier.ages import only_refreshed
from services.notifier.publicview import PublicSite
from services.notifier.sitefold import SiteFold
from services.notifier.views import CameraView, SiteSummary, SiteView, SlotView

CLOSED_SESSIONS_KEPT: Final = 1000
DRIFT_REPORTS_KEPT: Final = 200
LAYOUTS_REMEMBERED: Final = 1000


_DRIFT: Final = ("gate-drift", "exit-without-entry")
NOT_READ_YET: Final = "the current state is still being read from Kafka"


def stay_key(stay: SessionChanged) -> tuple[int, str]:
    """Return the sort key of a stay, which is its last event."""
    return stay.time_ms, stay.session_id


@dataclass(slots=True)
class LiveState:
    """The state after the log so far. `revision` grows with every change except when only times
    changed, because updated ages are not urgent."""

    layouts: dict[str, LayoutPublished] = field(default_factory=dict)
    statuses: dict[str, CameraStatusChanged] = field(default_factory=dict)
    slots: dict[tuple[str, str], SlotStateUpdated] = field(default_factory=dict)
    open_sessions: dict[str, SessionChanged] = field(default_factory=dict)
    closed_sessions: OrderedDict[str, SessionChanged] = field(default_factory=OrderedDict)
    drifts: OrderedDict[str, SessionChanged] = field(default_factory=OrderedDict)
    _sites: dict[str, SiteFold] = field(default_factory=dict)
    _past_layouts: OrderedDict[str, LayoutPublished] = field(default_factory=OrderedDict)
    _removed: dict[str, int] = field(default_factory=dict)
    revision: int = 0

    # ------------------------------------------------------------ fold
    def slot_state(self, event: SlotStateUpdated) -> bool:
        """Apply a slot's state; return False when it is not newer than the known one (or belongs to
        a replay)."""
        current = self.slots.get((event.site_id, event.slot_id))
        if event.run != LIVE or (current is not None and event.version <= current.version):
            return False
        self.slots[event.site_id, event.slot_id] = event
        self._site(event.site_id).set_slot(event.slot_id, event)
        self.revision += 1
        return True

    def slot_change(self, event: SlotChanged) -> bool:
        """Apply a change as the state it leads to."""
        current = self.slots.get((event.site_id, event.slot_id))
        before = current.observed_at_ms if current else None
        if event.cause.kind == "frame":
            before = event.time_ms
        if event.reason == REMOVED and event.run == LIVE:
            known = current is not None and event.version > current.version
            if known:
                self.forget("slots", f"{event.site_id}/{event.slot_id}")
            return known
        return self.slot_state(
            SlotStateUpdated(
                id=event.id,
                site_id=event.site_id,
                time_ms=event.time_ms,
                run=event.run,
                slot_id=event.slot_id,
                zone_id=event.zone_id,
                state=event.to_state,
                version=event.version,
                changed_at_ms=event.time_ms,
                observed_at_ms=event.observed_at_ms or before,
                confidence=event.confidence,
                reason=event.reason,
                camera_ids=current.camera_ids if current else [],
                issued_by=event.issued_by,
                straddling=event.straddling,
            )
        )

    def camera_status(self, event: CameraStatusChanged) -> bool:
        """Apply a camera's status; return False when it is not newer."""
        current = self.statuses.get(event.camera_id)
        if event.run != LIVE or (current is not None and event.version <= current.version):
            return False
        self.statuses[event.camera_id] = event
        self._site(event.site_id).set_status(event.camera_id, event)
        if not only_refreshed(current, event):
            self.revision += 1
        return True

    def layout(self, event: LayoutPublished) -> bool:
        """Apply a layout; return False when it is not newer."""
        if event.version <= self.layout_version(event.camera_id):
            return False
        if event.removed:
            self._removed[event.camera_id] = event.version
            self.forget("layouts", event.camera_id)
        else:
            self._removed.pop(event.camera_id, None)
            self.layouts[event.camera_id] = event
            self._site(event.site_id).set_layout(event.camera_id, event)
        self._past_layouts[event.id] = event
        if len(self._past_layouts) > LAYOUTS_REMEMBERED:
            self._past_layouts.popitem(last=False)
        self.revision += 1
        return True

    def layout_version(self, camera_id: str) -> int:
        """Return the version of the camera's newest layout, even of one that removed the camera; 0
        if there is none."""
        current = self.layouts.get(camera_id)
        return current.version if current else self._removed.get(camera_id, 0)

    def was_in_force(self, layout: LayoutPublished) -> bool:
        """Return whether this is, or recently was, the camera's layout, and not another layout of
        the same version."""
        known = (self.layouts.get(layout.camera_id), self._past_layouts.get(layout.id))
        return layout in known

    def session(self, event: SessionChanged) -> bool:
        """Apply a stay's event; return False for a replay's, and for a start after the end, unless
        the end was a mistake."""
        begins = event.kind in ("opened", "overstay")
        reopened = event.kind == "opened" and event.reason == "reopened"
        ended = event.session_id in self.closed_sessions
        if event.run != LIVE or (begins and ended and not reopened):
            return False
        if event.reason == "entry-found":  # not a stay of its own
            self.closed_sessions.pop(event.session_id, None)
        elif begins:
            self.closed_sessions.pop(event.session_id, None)
            self.open_sessions[event.session_id] = event
        else:  # closed, or corrected: the tracker gave it up
            self.open_sessions.pop(event.session_id, None)
            self.closed_sessions[event.session_id] = event
            if len(self.closed_sessions) > CLOSED_SESSIONS_KEPT:
                self.closed_sessions.popitem(last=False)
        self._note_drift(event)
        site = self._site(event.site_id)
        site.set_open(event.session_id, begins)
        site.set_capacity(event)
        self.revision += 1
        return True

    def _note_drift(self, event: SessionChanged) -> None:
        """Keep reports of drift; the stays themselves continue and end."""
        if event.reason in _DRIFT:
            self.drifts[event.session_id] = event
            if len(self.drifts) > DRIFT_REPORTS_KEPT:
                self.drifts.popitem(last=False)
        elif event.reason == "entry-found":
            self.drifts.pop(event.session_id, None)

    def picture_size(self, camera_id: str, size_wh: tuple[int, int]) -> None:
        """Note the size of a camera's picture in pixels, as read from a stored frame."""
        self._site(camera_id.partition("/")[0]).set_size(camera_id, size_wh)

    def knows_size(self, camera_id: str) -> bool:
        """Return whether a picture's size is known for the camera."""
        site = self._sites.get(camera_id.partition("/")[0])
        return site is not None and camera_id in site.sizes_wh

    def forget(self, table: Literal["layouts", "statuses", "slots"], key: str) -> None:
        """Apply a compacted topic's record without a value: its key was removed."""
        site_id, _, slot_id = key.partition("/")
        self.revision += 1
        site = self._site(site_id)
        if table == "layouts":
            self.layouts.pop(key, None)
            site.set_layout(key, None)
        elif table == "statuses":
            self.statuses.pop(key, None)
            site.set_status(key, None)
        else:
            self.slots.pop((site_id, slot_id), None)
            site.set_slot(slot_id, None)

    # ------------------------------------------------------------ views
    def site_ids(self) -> list[str]:
        """Return every known site."""
        return sorted(site_id for site_id, site in self._sites.items() if site.known)

    def slot_views(self, site_id: str) -> list[SlotView]:
        """Return the site's slots: those in its layouts or, without any layout, those with a
        state."""
        site = self._sites.get(site_id)
        return site.slot_views() if site else []

    def camera_ids(self, site_id: str | None = None) -> list[str]:
        """Return the cameras of a site, or all cameras."""
        if site_id is None:
            return sorted({*self.layouts, *self.statuses})
        site = self._sites.get(site_id)
        return site.camera_ids() if site else []

    def camera_view(self, camera_id: str) -> CameraView | None:
        """Return a camera's view, or None if nothing is known about it."""
        site = self._sites.get(camera_id.partition("/")[0])
        return site.camera_view(camera_id) if site else None

    def camera_views(self, site_id: str | None = None) -> list[CameraView]:
        """Return the views of a site's cameras, or of all cameras."""
        views = (self.camera_view(camera) for camera in self.camera_ids(site_id))
        return [view for view in views if view is not None]

    def site_view(self, site_id: str) -> SiteView | None:
        """Return a site's view, or None if nothing is known about it."""
        site = self._sites.get(site_id)
        return site.view() if site and site.known else None

    def summary(self, site_id: str) -> SiteSummary | None:
        """Return the site without its slots, or None if nothing is known about it."""
        site = self._sites.get(site_id)
        return site.summary() if site and site.known else None

    def public_site(self, site_id: str) -> PublicSite | None:
        """Return the public view of a site, or None unless the site exists and is public."""
        site = self._sites.get(site_id)
        return site.public_view() if site else None

    def sessions(self, site_id: str | None, is_open: bool | None) -> list[SessionChanged]:
        """Return sessions, newest first; only the last thousand ended ones are remembered."""
        ended = [] if is_open else list(self.closed_sessions.values())
        going = [] if is_open is False else list(self.open_sessions.values())
        chosen = [s for s in (*ended, *going) if site_id in (None, s.site_id)]
        return sorted(chosen, key=stay_key, reverse=True)

    def drift_reports(self, site_id: str | None) -> list[SessionChanged]:
        """Return entries above the capacity and exits without an entry, newest first; only the last
        200 are remembered."""
        chosen = [s for s in self.drifts.values() if site_id in (None, s.site_id)]
        return sorted(chosen, key=stay_key, reverse=True)

    def open_count(self, site_id: str) -> int:
        """Return the number of open sessions of the site."""
        site = self._sites.get(site_id)
        return len(site.open_sessions) if site else 0

    def drawing(self, camera_id: str) -> list[tuple[str, list[tuple[float, float]], SlotState]]:
        """Return what to draw on the camera's picture: (slot_id, polygon, state)."""
        layout = self.layouts.get(camera_id)
        if layout is None:
            return []
        states = self._site(layout.site_id).states()
        return [(s.slot_id, s.polygon, states[s.slot_id]) for s in layout.slots if s.enabled]

    def _site(self, site_id: str) -> SiteFold:
        return self._sites.setdefault(site_id, SiteFold(site_id))
