"""The live state of all sites, folded from the log. Pure: events in, views out, no clock, no I/O.

Only a higher version applies, so the order in which topics are read does not matter and reading a
record twice does nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal

from parking.events import (
    CameraStatusChanged,
    LayoutPublished,
    LayoutSlot,
    SessionChanged,
    SlotChanged,
    SlotState,
    SlotStateUpdated,
)
from parking.topics import site_of
from services.notifier.ages import only_refreshed, watches
from services.notifier.inputs import input_view
from services.notifier.slotviews import counts_of, slot_view
from services.notifier.views import (
    CameraSlot,
    CameraView,
    SiteSummary,
    SiteView,
    SlotView,
    ZoneView,
)

LIVE: Final = "live"
CLOSED_SESSIONS_KEPT: Final = 1000
LAYOUTS_REMEMBERED: Final = 1000


@dataclass(slots=True)
class LiveState:
    """What the log says so far. `revision` grows with every change of it, unless only time went
    by: the ages of what is shown are in no hurry."""

    layouts: dict[str, LayoutPublished] = field(default_factory=dict)
    statuses: dict[str, CameraStatusChanged] = field(default_factory=dict)
    slots: dict[tuple[str, str], SlotStateUpdated] = field(default_factory=dict)
    open_sessions: dict[str, SessionChanged] = field(default_factory=dict)
    closed_sessions: OrderedDict[str, SessionChanged] = field(default_factory=OrderedDict)
    picture_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _past_layouts: OrderedDict[str, LayoutPublished] = field(default_factory=OrderedDict)
    revision: int = 0

    # ------------------------------------------------------------ fold
    def slot_state(self, event: SlotStateUpdated) -> bool:
        """Apply; False when it is not newer than what is known (or belongs to a replay)."""
        held = self.slots.get((event.site_id, event.slot_id))
        if event.run != LIVE or (held is not None and event.version <= held.version):
            return False
        self.slots[event.site_id, event.slot_id] = event
        self.revision += 1
        return True

    def slot_change(self, event: SlotChanged) -> bool:
        """Apply a change as the state it leads to."""
        held = self.slots.get((event.site_id, event.slot_id))
        before = held.observed_at_ms if held else None
        if event.cause.kind == "frame":
            before = event.time_ms
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
                camera_ids=held.camera_ids if held else [],
            )
        )

    def camera_status(self, event: CameraStatusChanged) -> bool:
        """Apply; False when it is not newer."""
        held = self.statuses.get(event.camera_id)
        if event.run != LIVE or (held is not None and event.version <= held.version):
            return False
        self.statuses[event.camera_id] = event
        if not only_refreshed(held, event):
            self.revision += 1
        return True

    def layout(self, event: LayoutPublished) -> bool:
        """Apply; False when it is not newer."""
        held = self.layouts.get(event.camera_id)
        if held is not None and event.version <= held.version:
            return False
        self.layouts[event.camera_id] = event
        self._past_layouts[event.id] = event
        if len(self._past_layouts) > LAYOUTS_REMEMBERED:
            self._past_layouts.popitem(last=False)
        self.revision += 1
        return True

    def was_in_force(self, layout: LayoutPublished) -> bool:
        """Whether it is, or lately was, its camera's layout: not another one of that version."""
        known = (self.layouts.get(layout.camera_id), self._past_layouts.get(layout.id))
        return layout in known

    def session(self, event: SessionChanged) -> bool:
        """Apply; False for a replay's, and for a beginning that comes after the end, unless the
        end was a mistake."""
        begins = event.kind in ("opened", "overstay")
        reopened = event.kind == "opened" and event.reason == "reopened"
        ended = event.session_id in self.closed_sessions
        if event.run != LIVE or (begins and ended and not reopened):
            return False
        if event.reason == "entry-found":  # no stay of its own
            self.closed_sessions.pop(event.session_id, None)
        elif begins:
            self.closed_sessions.pop(event.session_id, None)
            self.open_sessions[event.session_id] = event
        else:  # closed, or corrected: the tracker gave it up
            self.open_sessions.pop(event.session_id, None)
            self.closed_sessions[event.session_id] = event
            if len(self.closed_sessions) > CLOSED_SESSIONS_KEPT:
                self.closed_sessions.popitem(last=False)
        self.revision += 1
        return True

    def forget(self, table: Literal["layouts", "statuses", "slots"], key: str) -> None:
        """A compacted topic's record without a value: its key is gone."""
        site_id, _, slot_id = key.partition("/")
        self.revision += 1
        if table == "layouts":
            self.layouts.pop(key, None)
        elif table == "statuses":
            self.statuses.pop(key, None)
        else:
            self.slots.pop((site_id, slot_id), None)

    # ------------------------------------------------------------ views
    def site_ids(self) -> list[str]:
        """Every site anything is known of."""
        cameras = {site_of(camera) for camera in (*self.layouts, *self.statuses)}
        sessions = {session.site_id for session in self.open_sessions.values()}
        return sorted(cameras | sessions | {site for site, _ in self.slots})

    def slot_views(self, site_id: str) -> list[SlotView]:
        """The site's slots: those its layouts name; without any layout, those with a state."""
        layouts = self._layouts_of(site_id)
        drawn: dict[str, LayoutSlot] = {}
        cameras: dict[str, list[str]] = {}
        evidence: dict[str, list[CameraStatusChanged]] = {}
        for layout in layouts:
            status = self.statuses.get(layout.camera_id)
            for slot in layout.slots:
                if slot.enabled:
                    cameras.setdefault(slot.slot_id, []).append(layout.camera_id)
                    if status is not None and watches(status, layout):
                        evidence.setdefault(slot.slot_id, []).append(status)
                    held = drawn.setdefault(slot.slot_id, slot)
                    if held.plan is None and slot.plan is not None:
                        drawn[slot.slot_id] = slot
        if not layouts:
            states = (s for (site, _), s in sorted(self.slots.items()) if site == site_id)
            return [slot_view(site_id, None, s, s.camera_ids) for s in states]
        return [
            slot_view(
                site_id,
                slot,
                self.slots.get((site_id, slot_id)),
                cameras[slot_id],
                evidence.get(slot_id, ()),
            )
            for slot_id, slot in sorted(drawn.items())
        ]

    def camera_ids(self, site_id: str | None = None) -> list[str]:
        """The cameras of a site, or all."""
        known = {*self.layouts, *self.statuses}
        return sorted(c for c in known if site_id is None or site_of(c) == site_id)

    def camera_view(self, camera_id: str) -> CameraView | None:
        """None: nothing is known of it."""
        layout, status = self.layouts.get(camera_id), self.statuses.get(camera_id)
        if layout is None and status is None:
            return None
        heard = layout.interval_ms if layout else None
        if heard is None and status is not None:
            heard = status.interval_ms
        width, height = self.picture_sizes.get(camera_id, (None, None))
        return CameraView(
            camera_id=camera_id,
            name=layout.camera_name if layout else camera_id,
            status=status.status if status else "offline",
            reason=status.reason if status else "nothing received from it yet",
            health=status.health if status else None,
            last_frame_at_ms=status.last_frame_at_ms if status else None,
            interval_ms=heard,
            layout_version=layout.version if layout else 0,
            slots=[
                CameraSlot(slot_id=s.slot_id, zone_id=s.zone_id, polygon=s.polygon)
                for s in (layout.slots if layout else [])
                if s.enabled
            ],
            width=width,
            height=height,
            input=input_view(layout, self.picture_sizes.get(camera_id)),
            analysed_every_ms=status.analysed_every_ms if status else None,
            load_level=status.load_level if status else 0,
            evidence_at_ms=status.evidence_at_ms if status else {},
        )

    def camera_views(self, site_id: str | None = None) -> list[CameraView]:
        """The cameras of a site, or all."""
        views = (self.camera_view(camera) for camera in self.camera_ids(site_id))
        return [view for view in views if view is not None]

    def site_view(self, site_id: str) -> SiteView | None:
        """None: nothing is known of it."""
        if site_id not in self.site_ids():
            return None
        layouts = self._layouts_of(site_id)
        slots = self.slot_views(site_id)
        names = {zone.zone_id: zone.name for layout in layouts for zone in layout.zones}
        zones = {slot.zone_id for slot in slots} | set(names)
        newest = max(layouts, key=lambda layout: layout.time_ms, default=None)
        return SiteView(
            site_id=site_id,
            name=newest.site_name if newest else site_id,
            counts=counts_of(slots),
            zones=[
                ZoneView(
                    zone_id=zone,
                    name=names.get(zone, zone),
                    counts=counts_of(slot for slot in slots if slot.zone_id == zone),
                )
                for zone in sorted(zones)
            ],
            cameras=self.camera_views(site_id),
            slots=slots,
            open_sessions=self.open_count(site_id),
        )

    def summary(self, site_id: str) -> SiteSummary | None:
        """The site without its slots."""
        view = self.site_view(site_id)
        if view is None:
            return None
        return SiteSummary(
            site_id=site_id,
            name=view.name,
            counts=view.counts,
            zones=view.zones,
            cameras=view.cameras,
            open_sessions=view.open_sessions,
        )

    def sessions(self, site_id: str | None, is_open: bool | None) -> list[SessionChanged]:
        """Sessions, newest first; of the ended ones only the last thousand are remembered."""
        ended = [] if is_open else list(self.closed_sessions.values())
        going = [] if is_open is False else list(self.open_sessions.values())
        chosen = [s for s in (*ended, *going) if site_id in (None, s.site_id)]
        return sorted(chosen, key=lambda session: session.time_ms, reverse=True)

    def open_count(self, site_id: str) -> int:
        """How many sessions of the site are open."""
        return sum(session.site_id == site_id for session in self.open_sessions.values())

    def drawing(self, camera_id: str) -> list[tuple[str, list[tuple[float, float]], SlotState]]:
        """What to draw on the camera's picture: (slot_id, polygon, state)."""
        layout = self.layouts.get(camera_id)
        if layout is None:
            return []
        states = {slot.slot_id: slot.state for slot in self.slot_views(layout.site_id)}
        return [(s.slot_id, s.polygon, states[s.slot_id]) for s in layout.slots if s.enabled]

    def _layouts_of(self, site_id: str) -> list[LayoutPublished]:
        return [layout for _, layout in sorted(self.layouts.items()) if layout.site_id == site_id]
