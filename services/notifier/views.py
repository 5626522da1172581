"""The API's views: one definition of each shape, used by the code and by schemas/openapi.json.

Shapes that are already events (SlotChanged, CameraStatusChanged, ...) are sent as they are.
"""

from typing import Literal

from msgspec import Struct

from parking.core.events import (
    CameraId,
    CauseKind,
    Health,
    Id,
    LayoutSlot,
    PlanPoint,
    Polygon,
    SiteId,
    SlotChanged,
    SlotId,
    SlotKind,
    SlotState,
    Straddling,
    Text,
    TimeMs,
    Unit,
    Xyxy,
    Zone,
)


class View(Struct, frozen=True, kw_only=True):
    """A value the API answers with."""


class SlotFileView(View, frozen=True, kw_only=True):
    """The slots of one picture of a file (`pictures`: all that have any). `width`, `height`: of
    that picture, 0 if the file does not tell. `notes`: what was left out."""

    format: str
    picture: str
    pictures: list[str]
    width: float
    height: float
    slots: list[LayoutSlot]
    zones: list[Zone]
    notes: list[str]


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
    """A slot's present state. `version` 0: nothing is known of it yet. `observed_at_ms`: its newest
    evidence, by any camera; that is the age of what is shown. `issued_by`: who closed, opened or
    corrected it, while that is its state's cause."""

    site_id: SiteId
    slot_id: SlotId
    zone_id: SlotId
    kind: SlotKind
    state: SlotState
    version: int
    changed_at_ms: TimeMs | None
    observed_at_ms: TimeMs | None
    confidence: Unit
    reason: Text
    camera_ids: list[CameraId]
    plan: list[PlanPoint] | None
    issued_by: Text | None = None
    straddling: Straddling = []


class CameraSlot(View, frozen=True, kw_only=True):
    """Where a camera sees a slot: normalised to the picture."""

    slot_id: SlotId
    zone_id: SlotId
    polygon: Polygon


class InputSizeView(View, frozen=True, kw_only=True):
    """Long side of the detector's input for a camera, with the reason. `automatic`: chosen by the
    detector, not set in the layout. `size_px` is null until a picture was read. A detector started
    with DETECTOR_SIZE uses that instead."""

    size_px: int | None
    automatic: bool
    reason: Text


class CameraView(View, frozen=True, kw_only=True):
    """A camera's present state. `width` and `height` in pixels, once a picture was read.
    `analysed_every_ms`: smoothed time between its analysed frames; longer than `interval_ms` when
    the detector is busy, which `load_level` (0 to 4) shows. `since_ms`: when its status or reason
    last changed; null from an older tracker. `evidence_at_ms`: slots whose last
    evidence is older than its last frame (0: none). `blurred`: blurred parts of its picture,
    normalised."""

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
    since_ms: TimeMs | None = None


class SiteSummary(View, frozen=True, kw_only=True):
    """Counts of a site. `open_sessions`: vehicles that entered and have not left. `capacity`:
    vehicles that fit inside, as last reported by the tracker with a stay; null before that.
    `public`: the driver view shows it."""

    site_id: SiteId
    name: Text
    counts: Counts
    zones: list[ZoneView]
    cameras: list[CameraView]
    open_sessions: int
    capacity: int | None = None
    public: bool = False


class SiteView(SiteSummary, frozen=True, kw_only=True):
    """A site with its slots."""

    slots: list[SlotView]


class Snapshot(View, frozen=True, kw_only=True):
    """All that a page needs at its start; `time_ms` is the server's time, `changes` newest
    first."""

    time_ms: TimeMs
    sites: list[SiteView]
    cameras: list[CameraView]
    changes: list[SlotChanged]


class SiteSessions(View, frozen=True, kw_only=True):
    """Sent when a stream is resumed: the number of sessions now open."""

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
    cause_kind: CauseKind
    camera_id: CameraId | None
    frame_id: Id | None
    evidence_key: str | None
    evidence_missing: str | None


class Capture(View, frozen=True, kw_only=True):
    """One accepted frame, from Postgres. `object_key`: its picture, if stored."""

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


class LayoutVersion(View, frozen=True, kw_only=True):
    """A version of a camera's layout. `removed`: the camera was removed with it."""

    version: int
    time_ms: TimeMs
    slots: int
    removed: bool


class PlatesRead(View, frozen=True, kw_only=True):
    """The plates read for a session; null if none was read or it is no longer stored."""

    session_id: Id
    entry_plate: str | None
    exit_plate: str | None


class DeviceView(View, frozen=True, kw_only=True):
    """A device. `may_connect`: the broker has a password for it; `may_post`: it has a key to post
    pictures by HTTP. Reported values are null until it reported them, or while Postgres
    (DATABASE_URL) is unavailable. `polled`: ingest asks it for pictures, so it needs no password
    and no key. `frames_dropped`, `gate_events_lost` and `gate_edges_lost` count
    from its start; the latter two are vehicles that were not counted because its flash, or its
    memory, was full. `gate_events_waiting`: stored, not acknowledged yet. `replayed_at_ms`: when a
    copy of an earlier message was last received; `rate_limited_at_ms`: when it last exceeded its
    share."""

    device_id: CameraId
    may_connect: bool
    may_post: bool
    polled: bool = False
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
    rate_limited_at_ms: TimeMs | None = None


class DeviceSecret(View, frozen=True, kw_only=True, omit_defaults=True):
    """The device's configuration, shown once: only hashes of the password and key are stored. `ca`:
    the certificate authority (PEM) by which it verifies the broker, if it is a private one;
    `api_key`: for `POST {post_url}{device_id}`, if it posts its pictures by HTTP."""

    device_id: CameraId
    password: str
    host: str
    port: int
    tls: bool
    ca: str | None = None
    api_key: str | None = None
    post_url: str | None = None


class Accepted(View, frozen=True, kw_only=True):
    """Durable in Kafka; the effect appears on the event stream."""

    id: Id


class LayoutAccepted(View, frozen=True, kw_only=True):
    """The layout's new version."""

    id: Id
    version: int


class Error(View, frozen=True, kw_only=True):
    """Every error: `error` short and stable, `detail` for people; `faults` lists several."""

    error: str
    detail: str
    faults: list[str] = []
