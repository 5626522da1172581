"""Turn API writes into events for Kafka. Pure decisions; routes_write.py sends them."""

import re
import uuid
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from parking.access.plates import SitePlates, sealed_event
from parking.core import lots
from parking.core.changes import Change, Written, written
from parking.core.errors import Invalid
from parking.core.events import (
    GateEventReceived,
    LayoutPublished,
    PlateSealed,
    Recounted,
    Removed,
    SiteCommanded,
    SlotClosed,
    SlotOpened,
    StateCorrected,
)
from parking.core.sitesettings import with_settings_kept
from parking.core.topics import site_of
from parking.wire import reading
from services.notifier.api.bodies import Passage
from services.notifier.state import LiveState

SOURCE: Final = "api"
CLOCK_BACK_MS: Final = 3_600_000
CLOCK_AHEAD_MS: Final = 5_000
_KEY: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")

SlotCommand = SlotClosed | SlotOpened | StateCorrected
Command = SlotCommand | Recounted | Removed


def event_id(site_id: str, idempotency_key: str | None) -> str:
    """Return the event id. It is the same for every attempt with the same key; without a key each
    request gets its own. Raises Invalid."""
    if idempotency_key is None:
        return f"{site_id}/api/{uuid.uuid4()}"
    if not _KEY.fullmatch(idempotency_key):
        raise Invalid("bad-idempotency-key", "Idempotency-Key: 1 to 100 of A-Z a-z 0-9 . _ : -")
    return f"{site_id}/api/{idempotency_key}"


def gate_event(
    passage: Passage, direction: str, idempotency_key: str | None, now_ms: int, plates: SitePlates
) -> tuple[GateEventReceived, PlateSealed | None]:
    """Return a passage reported by a client, and its plate where the site keeps plates. Its time is
    used if it is close to now, as for a device."""
    given_ms = passage.time_ms
    reason = None
    if given_ms is None:
        reason = "no time was given"
    elif not now_ms - CLOCK_BACK_MS <= given_ms <= now_ms + CLOCK_AHEAD_MS:
        reason = f"the given time is {given_ms - now_ms} ms from now"
    passage_id = event_id(passage.site_id, idempotency_key)
    taken = plates.take(passage_id, passage.plate, passage.plate_hash)
    event = GateEventReceived(
        id=passage_id,
        site_id=passage.site_id,
        time_ms=given_ms if given_ms is not None and reason is None else now_ms,
        device_id=f"{passage.site_id}/{SOURCE}",
        gate_id=passage.gate_id,
        direction="entry" if direction == "entry" else "exit",
        via="api",
        time_source="device" if reason is None else "receipt",
        time_reason=reason,
        plate_hash=taken.plate_hash,
        plate_near=taken.plate_near,
    )
    return event, sealed_event(event, taken)


def site_command(
    site_id: str, command: Command, idempotency_key: str | None, who: str, now_ms: int
) -> SiteCommanded:
    """Return a command to the site's tracker."""
    return SiteCommanded(
        id=event_id(site_id, idempotency_key),
        site_id=site_id,
        time_ms=now_ms,
        issued_by=who,
        command=command,
    )


@dataclass(frozen=True, slots=True)
class Before:
    """What a camera's next layout is compared with: its current one, its newest version number
    (even of a removed layout), and the layouts of the site's other cameras."""

    in_force: LayoutPublished | None
    version: int
    others: tuple[LayoutPublished, ...]


def before(state: LiveState, camera_id: str) -> Before:
    """Return the current layouts as a value that a thread may read while the state changes."""
    site = [one for one in state.layouts.values() if one.site_id == site_of(camera_id)]
    others = tuple(one for one in site if one.camera_id != camera_id)
    return Before(state.layouts.get(camera_id), state.layout_version(camera_id), others)


def layout(
    present: Before, camera_id: str, body: dict[str, Any], now_ms: int
) -> tuple[LayoutPublished, list[str]]:
    """Return the camera's next layout and all its faults, as `parking layout publish` finds them
    (`lots.check_new`); `present.in_force` itself if nothing changes. Takes about a second of CPU
    time for 1,000 slots with 64 corners. Raises Invalid if the body is no layout at all."""
    site_id = site_of(camera_id)
    version = present.version + 1
    own = {
        "id": f"{camera_id}/layout/{version}",
        "site_id": site_id,
        "camera_id": camera_id,
        "time_ms": now_ms,
        "version": version,
        "removed": False,
        "site": None,  # only `parking site public` changes it
    }
    faults = [
        f"{name}: the path has {own[name]!r}, the body {body[name]!r}"
        for name in ("site_id", "camera_id")
        if body.get(name, own[name]) != own[name]
    ]
    try:
        new_layout = reading.convert(body | own, LayoutPublished, strict=True)
    except Invalid as error:
        faults += error.faults
        raise Invalid("bad-layout", "; ".join(faults), faults) from error
    in_force = [present.in_force] if present.in_force else []
    new_layout = with_settings_kept(new_layout, [*in_force, *present.others])
    faults += lots.check_new(new_layout, present.in_force)
    faults += lots.check_site([new_layout, *present.others])
    current = present.in_force
    return (current if current and lots.same_layout(new_layout, current) else new_layout), faults


def change(state: LiveState, site_id: str, decided: Change, who: str, now_ms: int) -> Written:
    """Return a removal or renaming as records. Raises Invalid with every fault."""
    site = [one for one in state.layouts.values() if one.site_id == site_id]
    versions = {one.camera_id: state.layout_version(one.camera_id) for one in decided.layouts}
    command = site_command(site_id, Removed(), None, who, now_ms)
    return written(decided, site, versions, command)


def layout_body_schema() -> dict[str, Any]:
    """Return the JSON Schema of the body: a LayoutPublished without what the path and the notifier
    set."""
    template = "#/components/schemas/{name}"
    _, parts = msgspec.json.schema_components([LayoutPublished], ref_template=template)
    schema = dict(parts["LayoutPublished"])
    ours = ("id", "site_id", "camera_id", "time_ms", "version", "removed", "site")
    schema["title"] = "LayoutBody"
    schema["description"] = "The camera's slots: a LayoutPublished without id, time and version."
    schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in ours}
    schema["required"] = [name for name in schema["required"] if name not in ours]
    return schema
