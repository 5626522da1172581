"""Events as the rest of the system writes them, for the notifier's tests."""

from parking.core.events import (
    CameraStatusChanged,
    Cause,
    FrameReceived,
    FrameRef,
    LayoutPublished,
    LayoutSlot,
    SessionChanged,
    SlotChanged,
    SlotState,
    SlotStateUpdated,
    Zone,
)
from parking.core.topics import (
    CAMERA_STATUS,
    LAYOUTS,
    SESSIONS,
    SITE_PARTITIONS,
    SLOT_CHANGES,
    SLOT_STATE,
    slot_key,
)
from parking.wire import codec
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing

NOW_MS = 1_795_000_000_000
SQUARE = [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)]


def changed(
    site: str, version: int, to: SlotState = "occupied", *, slot: str = "A1", run: str = "live"
) -> SlotChanged:
    return SlotChanged(
        id=f"{site}-{slot}-{version}",
        site_id=site,
        time_ms=NOW_MS + version,
        run=run,
        slot_id=slot,
        zone_id="A",
        from_state="unknown",
        to_state=to,
        version=version,
        confidence=0.9,
        reason="observed",
        cause=Cause(kind="frame", id=f"{site}/north/1/{version}"),
    )


def state(site: str, version: int, to: SlotState = "free", *, slot: str = "A1") -> SlotStateUpdated:
    return SlotStateUpdated(
        id=f"{site}-{slot}-{version}",
        site_id=site,
        time_ms=NOW_MS + version,
        slot_id=slot,
        zone_id="A",
        state=to,
        version=version,
        changed_at_ms=NOW_MS + version,
        confidence=0.8,
        reason="observed",
    )


def layout(site: str, version: int = 1, slots: tuple[str, ...] = ("A1", "A2")) -> LayoutPublished:
    return LayoutPublished(
        id=f"{site}/north/layout/{version}",
        site_id=site,
        time_ms=NOW_MS,
        camera_id=f"{site}/north",
        version=version,
        site_name=f"Lot {site}",
        camera_name="North",
        interval_ms=1000,
        zones=[Zone(zone_id="A", name="Row A")],
        slots=[LayoutSlot(slot_id=slot, zone_id="A", polygon=SQUARE) for slot in slots],
    )


def status(site: str, version: int = 1, ref: FrameRef | None = None) -> CameraStatusChanged:
    return CameraStatusChanged(
        id=f"{site}/north/status/{version}",
        site_id=site,
        time_ms=NOW_MS,
        camera_id=f"{site}/north",
        status="online",
        reason="frames come",
        version=version,
        frame_ref=ref,
    )


def session(site: str, number: int, kind: str) -> SessionChanged:
    return SessionChanged(
        id=f"{site}/session/{number}/{kind}",
        site_id=site,
        time_ms=NOW_MS + number,
        session_id=f"{site}/session/{number}",
        kind="opened" if kind == "opened" else "closed",
        entry_at_ms=NOW_MS,
        exit_at_ms=None if kind == "opened" else NOW_MS + 1,
        cause=Cause(kind="gate", id=f"{site}/gate/{number}"),
    )


def frame(
    site: str, seq: int, jpeg: bytes, size: tuple[int, int], *, time_ms: int | None = None
) -> Outgoing:
    event = FrameReceived(
        id=f"{site}/north/1/{seq}",
        site_id=site,
        time_ms=NOW_MS + seq if time_ms is None else time_ms,
        camera_id=f"{site}/north",
        via="mqtt",
        width=size[0],
        height=size[1],
        size_bytes=len(jpeg),
        sha256="0" * 64,
        received_at_ms=NOW_MS,
        time_source="device",
    )
    return codec.outgoing_frame(event, jpeg, "test")


def record(event: SlotChanged | SlotStateUpdated | LayoutPublished | object) -> Outgoing:
    """Return the event as the service that owns its topic writes it."""
    match event:
        case SlotChanged():
            return codec.outgoing(event, SLOT_CHANGES, event.site_id, "test")
        case SlotStateUpdated():
            key = slot_key(event.site_id, event.slot_id).decode()
            return codec.outgoing(event, SLOT_STATE, key, "test")
        case LayoutPublished():
            return codec.outgoing(event, LAYOUTS, event.camera_id, "test")
        case CameraStatusChanged():
            return codec.outgoing(event, CAMERA_STATUS, event.camera_id, "test")
        case SessionChanged():
            return codec.outgoing(event, SESSIONS, event.site_id, "test")
    raise AssertionError(event)


def sites_apart(prefix: str) -> tuple[str, str]:
    """Return two sites whose records lie in different partitions."""
    first = f"{prefix}-0"
    home = partition_of(first, SITE_PARTITIONS)
    names = (f"{prefix}-{number}" for number in range(1, 100))
    return first, next(name for name in names if partition_of(name, SITE_PARTITIONS) != home)
