"""One site's part of the live state, and its views. Pure.

Each view is derived on the first request after a change and kept until its data changes again, so a
request costs as much as has changed since the last one, whatever the site's size. Evidence ages,
which cameras report every few seconds, change no counts.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from parking.core.events import (
    CameraStatusChanged,
    LayoutPublished,
    LayoutSlot,
    SessionChanged,
    SiteSettings,
    SlotState,
    SlotStateUpdated,
)
from parking.core.sitesettings import site_settings
from services.notifier.ages import watches
from services.notifier.inputs import input_view
from services.notifier.publicview import PublicSite, public_site
from services.notifier.slotviews import counts_by_zone, slot_view
from services.notifier.views import (
    CameraSlot,
    CameraView,
    Counts,
    SiteSummary,
    SiteView,
    SlotView,
    ZoneView,
)

SizeWh = tuple[int, int]
T = TypeVar("T")


class _Drawn(NamedTuple):
    """The site's layouts by slot, in order: each slot, and the cameras that see it."""

    name: str
    settings: SiteSettings
    zones: dict[str, str]
    slots: dict[str, LayoutSlot]
    cameras: dict[str, list[str]]


class _Shown(NamedTuple):
    """A camera's view and its sources."""

    layout: LayoutPublished | None
    status: CameraStatusChanged | None
    size_wh: SizeWh | None
    view: CameraView


@dataclass(slots=True)
class SiteFold:
    """Folds one site. Change it only through its methods, which drop outdated views."""

    site_id: str
    layouts: dict[str, LayoutPublished] = field(default_factory=dict)
    statuses: dict[str, CameraStatusChanged] = field(default_factory=dict)
    slots: dict[str, SlotStateUpdated] = field(default_factory=dict)
    sizes_wh: dict[str, SizeWh] = field(default_factory=dict)
    open_sessions: set[str] = field(default_factory=set)
    capacity: int | None = None
    _drawn: _Drawn | None = None
    _counts: tuple[Counts, list[ZoneView]] | None = None
    _slot_views: list[SlotView] | None = None
    _camera_slots: dict[str, list[CameraSlot]] = field(default_factory=dict)
    _cameras: dict[str, _Shown] = field(default_factory=dict)
    _view: SiteView | None = None
    _summary: SiteSummary | None = None
    _public: PublicSite | None = None

    # ------------------------------------------------------------ changes
    def set_layout(self, camera_id: str, layout: LayoutPublished | None) -> None:
        """Set a camera's layout; None means that it has none any more."""
        _put(self.layouts, camera_id, layout)
        self._camera_slots.pop(camera_id, None)
        self._drawn = self._counts = self._slot_views = None
        self._touch()

    def set_status(self, camera_id: str, status: CameraStatusChanged | None) -> None:
        """Set a camera's status; None means that it has none any more."""
        _put(self.statuses, camera_id, status)
        self._slot_views = None
        self._touch()

    def set_slot(self, slot_id: str, state: SlotStateUpdated | None) -> None:
        """Set a slot's state; None means that it has none any more."""
        _put(self.slots, slot_id, state)
        self._counts = self._slot_views = None
        self._touch()

    def set_size(self, camera_id: str, size_wh: SizeWh) -> None:
        """Set the size of a camera's pictures, in pixels."""
        if self.sizes_wh.get(camera_id) != size_wh:
            self.sizes_wh[camera_id] = size_wh
            self._touch()

    def set_open(self, session_id: str, is_open: bool) -> None:
        """Note that a session opened or ended."""
        (self.open_sessions.add if is_open else self.open_sessions.discard)(session_id)
        self._touch()

    def set_capacity(self, event: SessionChanged) -> None:
        """Note the site's capacity in vehicles, as last reported by the tracker. Older trackers do
        not report it."""
        if event.number_in is not None and event.capacity != self.capacity:
            self.capacity = event.capacity
            self._touch()

    def _touch(self) -> None:
        self._view = self._summary = self._public = None

    # ------------------------------------------------------------ views
    @property
    def known(self) -> bool:
        """Whether anything is known about the site."""
        return bool(self.layouts or self.statuses or self.slots or self.open_sessions)

    def camera_ids(self) -> list[str]:
        """Return the cameras with a layout or a status."""
        return sorted({*self.layouts, *self.statuses})

    def slot_views(self) -> list[SlotView]:
        """Return the slots in the site's layouts or, without any layout, those with a state."""
        if self._slot_views is None:
            self._slot_views = self._derived_slots()
        return self._slot_views

    def camera_view(self, camera_id: str) -> CameraView | None:
        """Return a camera's view, or None if nothing is known about it."""
        layout, status = self.layouts.get(camera_id), self.statuses.get(camera_id)
        size_wh = self.sizes_wh.get(camera_id)
        if layout is None and status is None:
            self._cameras.pop(camera_id, None)
            return None
        cached = self._cameras.get(camera_id)
        same = cached is not None and cached.layout is layout and cached.status is status
        if cached is None or not same or cached.size_wh != size_wh:
            view = self._derived_camera(camera_id, layout, status, size_wh)
            cached = self._cameras[camera_id] = _Shown(layout, status, size_wh, view)
        return cached.view

    def camera_views(self) -> list[CameraView]:
        """Return the views of all the site's cameras."""
        views = (self.camera_view(camera_id) for camera_id in self.camera_ids())
        return [view for view in views if view is not None]

    def summary(self) -> SiteSummary:
        """Return the site without its slots."""
        if self._summary is None:
            counts, zones = self._counted()
            self._summary = SiteSummary(
                site_id=self.site_id,
                name=self._layouts_say().name,
                counts=counts,
                zones=zones,
                cameras=self.camera_views(),
                open_sessions=len(self.open_sessions),
                capacity=self.capacity,
                public=self._layouts_say().settings.public,
            )
        return self._summary

    def view(self) -> SiteView:
        """Return the site with its slots."""
        if self._view is None:
            summary = self.summary()
            parts = {name: getattr(summary, name) for name in SiteSummary.__struct_fields__}
            self._view = SiteView(slots=self.slot_views(), **parts)
        return self._view

    def public_view(self) -> PublicSite | None:
        """Return the public view of the site, or None unless it is public."""
        drawn = self._layouts_say()
        if not drawn.settings.public:
            return None
        if self._public is None:
            intervals = {one.camera_id: one.interval_ms for one in self.layouts.values()}
            self._public = public_site(
                drawn.name, drawn.settings, drawn.zones, self.slot_views(), intervals
            )
        return self._public

    def states(self) -> dict[str, SlotState]:
        """Return the state of each visible slot."""
        ids = self._layouts_say().slots if self.layouts else sorted(self.slots)
        states = ((slot_id, self.slots.get(slot_id)) for slot_id in ids)
        return {slot_id: state.state if state else "unknown" for slot_id, state in states}

    # ------------------------------------------------------------ deriving
    def _layouts_say(self) -> _Drawn:
        if self._drawn is None:
            layouts = [layout for _, layout in sorted(self.layouts.items())]
            newest = max(layouts, key=lambda layout: layout.time_ms, default=None)
            drawn: dict[str, LayoutSlot] = {}
            cameras: dict[str, list[str]] = {}
            for layout in layouts:
                for slot in layout.slots:
                    if slot.enabled:
                        cameras.setdefault(slot.slot_id, []).append(layout.camera_id)
                        first = drawn.setdefault(slot.slot_id, slot)
                        if first.plan is None and slot.plan is not None:
                            drawn[slot.slot_id] = slot
            self._drawn = _Drawn(
                newest.site_name if newest else self.site_id,
                site_settings(layouts) or SiteSettings(),
                {zone.zone_id: zone.name for layout in layouts for zone in layout.zones},
                dict(sorted(drawn.items())),
                cameras,
            )
        return self._drawn

    def _counted(self) -> tuple[Counts, list[ZoneView]]:
        if self._counts is None:
            drawn, zones = self._layouts_say(), Counter[tuple[str, SlotState]]()
            for slot_id, state in self.states().items():
                known = drawn.slots.get(slot_id) or self.slots[slot_id]
                zones[known.zone_id, state] += 1
            total, by_zone = counts_by_zone(zones, drawn.zones)
            views = [
                ZoneView(zone_id=zone, name=drawn.zones.get(zone, zone), counts=counts)
                for zone, counts in sorted(by_zone.items())
            ]
            self._counts = total, views
        return self._counts

    def _derived_slots(self) -> list[SlotView]:
        if not self.layouts:
            states = (state for _, state in sorted(self.slots.items()))
            return [slot_view(self.site_id, None, s, s.camera_ids) for s in states]
        drawn = self._layouts_say()
        evidence = {
            camera_id: status
            for camera_id, status in self.statuses.items()
            if camera_id in self.layouts and watches(status, self.layouts[camera_id])
        }
        return [
            slot_view(
                self.site_id,
                slot,
                self.slots.get(slot_id),
                drawn.cameras[slot_id],
                [evidence[c] for c in drawn.cameras[slot_id] if c in evidence],
            )
            for slot_id, slot in drawn.slots.items()
        ]

    def _derived_camera(
        self,
        camera_id: str,
        layout: LayoutPublished | None,
        status: CameraStatusChanged | None,
        size_wh: SizeWh | None,
    ) -> CameraView:
        interval_ms = layout.interval_ms if layout else None
        if interval_ms is None and status is not None:
            interval_ms = status.interval_ms
        width, height = size_wh or (None, None)
        return CameraView(
            camera_id=camera_id,
            name=layout.camera_name if layout else camera_id,
            status=status.status if status else "offline",
            reason=status.reason if status else "nothing received from it yet",
            health=status.health if status else None,
            last_frame_at_ms=status.last_frame_at_ms if status else None,
            interval_ms=interval_ms,
            layout_version=layout.version if layout else 0,
            slots=self._slots_of(camera_id, layout),
            width=width,
            height=height,
            input=input_view(layout, size_wh),
            analysed_every_ms=status.analysed_every_ms if status else None,
            load_level=status.load_level if status else 0,
            evidence_at_ms=status.evidence_at_ms if status else {},
            blurred=status.blurred if status else [],
            since_ms=status.since_ms if status else None,
        )

    def _slots_of(self, camera_id: str, layout: LayoutPublished | None) -> list[CameraSlot]:
        if camera_id not in self._camera_slots:
            self._camera_slots[camera_id] = [
                CameraSlot(slot_id=s.slot_id, zone_id=s.zone_id, polygon=s.polygon)
                for s in (layout.slots if layout else [])
                if s.enabled
            ]
        return self._camera_slots[camera_id]


def _put(table: dict[str, T], key: str, value: T | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
