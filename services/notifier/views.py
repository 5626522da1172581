"""What the API shows: one definition of each shape, used by the code and by schemas/openapi.json.

Shapes that are events already (SlotChanged, CameraStatusChanged, ...) are sent as they are.
"""

from typing import Literal

from msgspec import Struct

from parking.events import (
    CameraId,
    Health,
    Id,
    PlanPoint,
    Polygon,
    SiteId,
    SlotChanged,
    SlotId,
    SlotState,
    Text,
    TimeMs,
    Unit,
    Xyxy,
)


class View(Struct, frozen=True, kw_only=True):
    """A value the API answers with."""


class Counts(View, frozen=True, kw_only=True):
    """Slots by state; `total` is all of them."""

    free: int = 0
    occupied: int = 0
    unknown: int = 0
    closed: int = 0
    total: int = 0


class ZoneView(View, frozen=True, kw_only=True):
    """A zone and its counts."""

    zone_id: SlotId
    name: Text
    counts: Counts


# gc=False: there are a hundred thousand of them, none in a cycle.
class SlotView(View, frozen=True, kw_only=True, gc=False):
    """A slot as it is now. `version` 0: nothing is known of it yet. `observed_at_ms`: its newest
    evidence, by any camera; what is shown is as old as that."""

    site_id: SiteId
    slot_id: SlotId
    zone_id: SlotId
    kind: Literal["standard", "accessible", "ev", "motorcycle"]
    state: SlotState
    version: int
    changed_at_ms: TimeMs | None
    observed_at_ms: TimeMs | None
    confidence: Unit
    reason: Text
    camera_ids: list[CameraId]
    plan: list[PlanPoint] | None


class CameraSlot(View, frozen=True, kw_only=True):
    """Where a camera sees a slot: normalised to the picture."""

    slot_id: SlotId
    zone_id: SlotId
    polygon: Polygon


class InputSizeView(View, frozen=True, kw_only=True):
    """Long side of the detector's input for a camera and why. `automatic`: by need, not set in the
    layout. `size_px` is null until a picture was looked at. A detector that was started with
    DETECTOR_SIZE takes that instead of its own choice."""

    size_px: int | None
    automatic: bool
    reason: Text


class CameraView(View, frozen=True, kw_only=True):
    """A camera as it is now. `width` and `height` in pixels, once a picture was looked at.
    `analysed_every_ms`: the time between its last frames that were analysed; longer than
    `interval_ms` where the detector's computer is busy, which `load_level` (0 to 4) tells.
    `evidence_at_ms`: slots of which its last evidence is older than its last frame (0: none).
    `blurred`: parts of its picture, normalised, that are not seen."""

    camera_id: CameraId
    name: Text
    status: Literal["online", "degraded", "offline", "no-layout"]
    reason: Text
    health: Health | None
    last_frame_at_ms: TimeMs | None
    interval_ms: int | None
    layout_version: int
    slots: list[CameraSlot]
    width: int | None = None
    height: int | None = None
    input: InputSizeView | None = None
    analysed_every_ms: int | None = None
    load_level: int = 0
    evidence_at_ms: dict[SlotId, TimeMs] = {}
    blurred: list[Xyxy] = []


class SiteSummary(View, frozen=True, kw_only=True):
    """A site in numbers. `open_sessions`: vehicles that came and have not left."""

    site_id: SiteId
    name: Text
    counts: Counts
    zones: list[ZoneView]
    cameras: list[CameraView]
    open_sessions: int


class SiteView(SiteSummary, frozen=True, kw_only=True):
    """A site with its slots."""

    slots: list[SlotView]


class Snapshot(View, frozen=True, kw_only=True):
    """All that a page needs to begin; `time_ms` is the server's now, `changes` newest first."""

    time_ms: TimeMs
    sites: list[SiteView]
    cameras: list[CameraView]
    changes: list[SlotChanged]


class SiteSessions(View, frozen=True, kw_only=True):
    """Sent when a stream is resumed: how many sessions are open by now."""

    site_id: SiteId
    open_sessions: int


class PastChange(View, frozen=True, kw_only=True):
    """A slot's change, from Postgres. `evidence_key`: its picture in the object store."""

    id: Id
    site_id: SiteId
    slot_id: SlotId
    zone_id: SlotId
    time_ms: TimeMs
    from_state: SlotState
    to_state: SlotState
    version: int
    dwell_ms: int | None
    confidence: Unit
    reason: Text
    camera_id: CameraId | None
    frame_id: Id | None
    evidence_key: str | None
    evidence_missing: str | None


class Capture(View, frozen=True, kw_only=True):
    """One accepted frame, from Postgres. `object_key` where its picture was kept."""

    frame_id: Id
    site_id: SiteId
    camera_id: CameraId
    time_ms: TimeMs
    status: Literal["received", "analysed", "skipped"]
    skipped_for: Id | None
    width: int | None
    height: int | None
    sha256: str | None
    object_key: str | None


class PlatesRead(View, frozen=True, kw_only=True):
    """The plates that were read of a session; null where none was, or is kept any more."""

    session_id: Id
    entry_plate: str | None
    exit_plate: str | None


class DeviceView(View, frozen=True, kw_only=True):
    """A device. `may_connect`: the broker holds a password for it; `may_post`: it has a key to post
    pictures by HTTP. What it told of itself is null
    until it did, or while Postgres (DATABASE_URL), which knows, is away. `frames_dropped`,
    `gate_events_lost` and `gate_edges_lost` count from its start; the latter two are vehicles that
    nobody counted: its flash, or its memory, was full. `gate_events_waiting`: kept, not acked yet.
    `replayed_at_ms`: when somebody last sent again what it had sent before."""

    device_id: CameraId
    may_connect: bool
    may_post: bool
    state: Literal["online", "offline"] | None = None
    state_since_ms: TimeMs | None = None
    state_reason: Text | None = None
    last_seen_ms: TimeMs | None = None
    last_frame_at_ms: TimeMs | None = None
    rssi_dbm: float | None = None
    heap_free_bytes: int | None = None
    uptime_s: float | None = None
    firmware: Text | None = None
    frames_dropped: int | None = None
    gate_events_waiting: int | None = None
    gate_events_lost: int | None = None
    gate_edges_lost: int | None = None
    replayed_at_ms: TimeMs | None = None


class DeviceSecret(View, frozen=True, kw_only=True, omit_defaults=True):
    """What the device is told, once: password and key are kept as hashes only. `ca`: the
    certificate authority (PEM) that it believes the broker by, where there is one of its own;
    `api_key`: for `POST {post_url}{device_id}`, where it posts its pictures by HTTP."""

    device_id: CameraId
    password: str
    host: str
    port: int
    tls: bool
    ca: str | None = None
    api_key: str | None = None
    post_url: str | None = None


class Accepted(View, frozen=True, kw_only=True):
    """Durable in Kafka; its effect shows on the event stream."""

    id: Id


class LayoutAccepted(View, frozen=True, kw_only=True):
    """The version the layout now has."""

    id: Id
    version: int


class Error(View, frozen=True, kw_only=True):
    """Every error: `error` short and stable, `detail` for people; `faults` when there are many."""

    error: str
    detail: str
    faults: list[str] = []
