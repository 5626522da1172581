"""What each topic does to the live state, and what clients are told of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from parking import codec
from parking.errors import Invalid
from parking.events import (
    CameraStatusChanged,
    Event,
    LayoutPublished,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
)
from parking.ports import Record
from parking.topics import CAMERA_STATUS, LAYOUTS, SESSIONS, SLOT_CHANGES, SLOT_STATE
from services.notifier.state import LIVE, LiveState
from services.notifier.views import SiteSessions

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Told:
    """A message for clients: its type, its JSON, whose it is; the change when it is one."""

    type: str
    data: bytes
    site_id: str
    change: SlotChanged | None = None


def fold(state: LiveState, record: Record) -> Told | None:
    """Apply a record; what clients are told, None when nothing. Raises Invalid."""
    return HANDLERS[record.topic](state, record)


def readable(record: Record) -> Told | None:
    """A record of slot-changes as clients are told it, nothing applied; None when it is none."""
    try:
        return _told_change(record)
    except Invalid:
        return None


def current(state: LiveState, site_id: str | None) -> list[Told]:
    """Cameras, layouts and the number of open sessions as they are now."""
    cameras = state.camera_ids(site_id)
    events = [
        *(("layout", _brief(state.layouts[c])) for c in cameras if c in state.layouts),
        *(("camera-status", state.statuses[c]) for c in cameras if c in state.statuses),
    ]
    told = [Told(kind, codec.to_json(event), event.site_id) for kind, event in events]
    for site in state.site_ids() if site_id is None else [site_id]:
        sessions = SiteSessions(site_id=site, open_sessions=state.open_count(site))
        told.append(Told("site-sessions", msgspec.json.encode(sessions), site))
    return told


def _slot_change(state: LiveState, record: Record) -> Told | None:
    """Every change of the log is told, also one that does not apply: clients judge by version."""
    told = _told_change(record)
    if told is not None and told.change is not None:
        state.slot_change(told.change)
    return told


def _told_change(record: Record) -> Told | None:
    event = _event(record, SlotChanged)
    if event.run != LIVE:
        return None
    return Told("slot-change", codec.to_json(event), event.site_id, event)


def _slot_state(state: LiveState, record: Record) -> Told | None:
    if record.value is None:
        state.forget("slots", _key(record))
    else:
        state.slot_state(_event(record, SlotStateUpdated))
    return None


def _camera_status(state: LiveState, record: Record) -> Told | None:
    if record.value is None:
        state.forget("statuses", _key(record))
        return None
    event = _event(record, CameraStatusChanged)
    return _told_if(state.camera_status(event), "camera-status", event)


def _layout(state: LiveState, record: Record) -> Told | None:
    if record.value is None:
        state.forget("layouts", _key(record))
        return None
    event = _event(record, LayoutPublished)
    return _told_if(state.layout(event), "layout", _brief(event))


def _brief(layout: LayoutPublished) -> LayoutPublished:
    """Without its picture, tens of kB that no client of the stream looks at; GET has it."""
    return replace(layout, reference=None)


def _session(state: LiveState, record: Record) -> Told | None:
    event = _event(record, SessionChanged)
    return _told_if(state.session(event), "session", event)


def _told_if(applied: bool, kind: str, event: Event) -> Told | None:
    return Told(kind, codec.to_json(event), event.site_id) if applied else None


def _event(record: Record, cls: type[E]) -> E:
    event = codec.decode(record)
    if not isinstance(event, cls):
        raise Invalid("wrong-type", f"{event.TYPE} in {record.topic}")
    return event


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


HANDLERS: Final[dict[str, Callable[[LiveState, Record], Told | None]]] = {
    SLOT_STATE: _slot_state,
    SLOT_CHANGES: _slot_change,
    CAMERA_STATUS: _camera_status,
    LAYOUTS: _layout,
    SESSIONS: _session,
}
