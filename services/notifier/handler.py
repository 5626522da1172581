"""How each topic changes the live state, and the messages that clients receive."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import (
    CameraStatusChanged,
    Event,
    LayoutPublished,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
)
from parking.core.topics import CAMERA_STATUS, LAYOUTS, LIVE, SESSIONS, SLOT_CHANGES, SLOT_STATE
from parking.wire import codec
from parking.wire.heartbeats import is_heartbeat
from parking.wire.ports import Record
from services.notifier.state import LiveState
from services.notifier.views import SiteSessions

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Update:
    """A message for clients: its type, its JSON and its site, and the change if the message is
    one."""

    type: str
    data: bytes
    site_id: str
    change: SlotChanged | None = None


def fold(state: LiveState, record: Record) -> Update | None:
    """Apply a record; return the message for clients, or None if there is none. Raises Invalid."""
    return HANDLERS[record.topic](state, record)


def readable(record: Record) -> Update | None:
    """Turn a record of slot-changes into its message without applying it; return None if the record
    is not a change."""
    try:
        return _change_update(record)
    except Invalid:
        return None


def current(state: LiveState, chosen: Collection[str] | None) -> Iterator[Update]:
    """Yield the cameras, the layouts and the number of open sessions at the time of the call. Each
    is encoded when it is needed."""
    sites = state.site_ids() if chosen is None else sorted(chosen)
    if chosen is None:
        cameras = state.camera_ids()
    else:
        cameras = [camera for site in sites for camera in state.camera_ids(site)]
    events: list[tuple[str, LayoutPublished | CameraStatusChanged]] = [
        *(("layout", state.layouts[c]) for c in cameras if c in state.layouts),
        *(("camera-status", state.statuses[c]) for c in cameras if c in state.statuses),
    ]
    counts = [SiteSessions(site_id=s, open_sessions=state.open_count(s)) for s in sites]
    return chain(
        (Update(kind, codec.to_json(_shown(event)), event.site_id) for kind, event in events),
        (Update("site-sessions", msgspec.json.encode(count), count.site_id) for count in counts),
    )


def _shown(event: LayoutPublished | CameraStatusChanged) -> Event:
    return _brief(event) if isinstance(event, LayoutPublished) else event


def _slot_change(state: LiveState, record: Record) -> Update | None:
    """Apply a change. Every change in the log is sent, even one that does not apply, because
    clients decide by version."""
    update = _change_update(record)
    if update is not None and update.change is not None:
        state.slot_change(update.change)
    return update


def _change_update(record: Record) -> Update | None:
    event = _event(record, SlotChanged)
    if event.run != LIVE:
        return None
    return Update("slot-change", codec.to_json(event), event.site_id, event)


def _slot_state(state: LiveState, record: Record) -> Update | None:
    if record.value is None:
        state.forget("slots", _key(record))
    else:
        state.slot_state(_event(record, SlotStateUpdated))
    return None


def _camera_status(state: LiveState, record: Record) -> Update | None:
    if record.value is None:
        state.forget("statuses", _key(record))
        return None
    if is_heartbeat(record):
        return None
    event = _event(record, CameraStatusChanged)
    return _update_if(state.camera_status(event), "camera-status", event)


def _layout(state: LiveState, record: Record) -> Update | None:
    if record.value is None:
        state.forget("layouts", _key(record))
        return None
    event = _event(record, LayoutPublished)
    return _update_if(state.layout(event), "layout", _brief(event))


def _brief(layout: LayoutPublished) -> LayoutPublished:
    """Return the layout without its picture, which has tens of kB that no client of the stream
    uses. GET includes it."""
    return replace(layout, reference=None)


def _session(state: LiveState, record: Record) -> Update | None:
    event = _event(record, SessionChanged)
    return _update_if(state.session(event), "session", event)


def _update_if(applied: bool, kind: str, event: Event) -> Update | None:
    return Update(kind, codec.to_json(event), event.site_id) if applied else None


def _event(record: Record, cls: type[E]) -> E:
    event = codec.decode(record)
    if not isinstance(event, cls):
        raise Invalid("wrong-type", f"{event.TYPE} in {record.topic}")
    return event


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


HANDLERS: Final[dict[str, Callable[[LiveState, Record], Update | None]]] = {
    SLOT_STATE: _slot_state,
    SLOT_CHANGES: _slot_change,
    CAMERA_STATUS: _camera_status,
    LAYOUTS: _layout,
    SESSIONS: _session,
}
