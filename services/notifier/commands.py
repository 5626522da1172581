"""What a write becomes: events for Kafka. Pure decisions; routes_write.py sends them."""

import re
import uuid
from typing import Any, Final

import msgspec

from parking import lots, reading
from parking.changes import Change, Written, written
from parking.errors import Invalid
from parking.events import (
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
from parking.plates import SitePlates, sealed_event
from parking.topics import site_of
from services.notifier.bodies import Passage
from services.notifier.state import LiveState

SOURCE: Final = "api"
CLOCK_BACK_MS: Final = 3_600_000
CLOCK_AHEAD_MS: Final = 5_000
_KEY: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")

SlotCommand = SlotClosed | SlotOpened | StateCorrected
Command = SlotCommand | Recounted | Removed


def event_id(site_id: str, idempotency_key: str | None) -> str:
    """The same for every try with the same key; without a key each request is its own.
    Raises Invalid."""
    if idempotency_key is None:
        return f"{site_id}/api/{uuid.uuid4()}"
    if not _KEY.fullmatch(idempotency_key):
        raise Invalid("bad-idempotency-key", "Idempotency-Key: 1 to 100 of A-Z a-z 0-9 . _ : -")
    return f"{site_id}/api/{idempotency_key}"


def gate_event(
    passage: Passage, direction: str, idempotency_key: str | None, now_ms: int, plates: SitePlates
) -> tuple[GateEventReceived, PlateSealed | None]:
    """A passage told by a client, and its plate where the site keeps it. Its time counts when it
    lies near now, as a device's does."""
    told_ms = passage.time_ms
    reason = None
    if told_ms is None:
        reason = "no time was given"
    elif not now_ms - CLOCK_BACK_MS <= told_ms <= now_ms + CLOCK_AHEAD_MS:
        reason = f"the given time is {told_ms - now_ms} ms from now"
    passage_id = event_id(passage.site_id, idempotency_key)
    taken = plates.take(passage_id, passage.plate, passage.plate_hash)
    event = GateEventReceived(
        id=passage_id,
        site_id=passage.site_id,
        time_ms=told_ms if told_ms is not None and reason is None else now_ms,
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
    """A command to the site's tracker."""
    return SiteCommanded(
        id=event_id(site_id, idempotency_key),
        site_id=site_id,
        time_ms=now_ms,
        issued_by=who,
        command=command,
    )


def layout(
    state: LiveState, camera_id: str, body: dict[str, Any], now_ms: int
) -> tuple[LayoutPublished, list[str]]:
    """The camera's next layout and every fault of it. A layout that changes nothing keeps its
    version. Raises Invalid for what is no layout at all."""
    site_id = site_of(camera_id)
    held = state.layouts.get(camera_id)
    version = state.layout_version(camera_id) + 1
    own = {
        "id": f"{camera_id}/layout/{version}",
        "site_id": site_id,
        "camera_id": camera_id,
        "time_ms": now_ms,
        "version": version,
        "removed": False,
    }
    faults = [
        f"{name}: the address says {own[name]!r}, the body {body[name]!r}"
        for name in ("site_id", "camera_id")
        if body.get(name, own[name]) != own[name]
    ]
    try:
        made = reading.convert(body | own, LayoutPublished, strict=True)
    except Invalid as error:
        faults += error.faults
        raise Invalid("bad-layout", "; ".join(faults), faults) from error
    faults += lots.check(made)
    others = (other for other in state.layouts.values() if other.camera_id != camera_id)
    faults += lots.check_site([made, *(other for other in others if other.site_id == site_id)])
    return (held if held and lots.same_layout(made, held) else made), faults


def change(state: LiveState, site_id: str, decided: Change, who: str, now_ms: int) -> Written:
    """A removal or renaming as what is written. Raises Invalid with every fault."""
    site = [one for one in state.layouts.values() if one.site_id == site_id]
    versions = {one.camera_id: state.layout_version(one.camera_id) for one in decided.layouts}
    command = site_command(site_id, Removed(), None, who, now_ms)
    return written(decided, site, versions, command)


def layout_body_schema() -> dict[str, Any]:
    """The JSON Schema of what a client sends: a LayoutPublished without what the address and the
    notifier set."""
    template = "#/components/schemas/{name}"
    _, parts = msgspec.json.schema_components([LayoutPublished], ref_template=template)
    schema = dict(parts["LayoutPublished"])
    ours = ("id", "site_id", "camera_id", "time_ms", "version", "removed")
    schema["title"] = "LayoutBody"
    schema["description"] = "What the camera sees: a LayoutPublished without id, time and version."
    schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in ours}
    schema["required"] = [name for name in schema["required"] if name not in ours]
    return schema
