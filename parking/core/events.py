"""Every event of the system, defined once: frozen, past tense, units in the names.

`python -m parking.wire.schemas` writes one JSON Schema (2020-12) per class into `schemas/`. A test
fails when the two differ. All times are Unix milliseconds, UTC. `time_ms` is set once, by ingest
(or by the writer of a command), and everything downstream uses only that. Coordinates are
normalised to the picture: x and y in 0..1, origin top left.
"""

from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct

from parking.core.ids import CameraId as CameraId
from parking.core.ids import Sha256 as Sha256
from parking.core.ids import SiteId as SiteId
from parking.core.ids import SlotId as SlotId
from parking.core.topics import FRAMES

Id = Annotated[
    str,
    Meta(min_length=1, max_length=300, description="derived from the cause, never from receipt"),
]
# The year 10000: later dates cannot be written, so later values are not valid times.
TIME_END_MS: Final = 253_402_300_800_000
TimeMs = Annotated[
    int, Meta(ge=0, lt=TIME_END_MS, description="Unix time in milliseconds, UTC, before year 10000")
]
Count = Annotated[int, Meta(ge=0)]
Unit = Annotated[float, Meta(ge=0.0, le=1.0)]
Text = Annotated[str, Meta(max_length=500)]
PLATE_CHARS: Final = 20
PlateToken = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8}$")]
Point = tuple[Unit, Unit]
Polygon = Annotated[list[Point], Meta(min_length=3, max_length=64)]
PlanPoint = tuple[float, float]
REFERENCE_MAX_BYTES = 49_152

SlotState = Literal["free", "occupied", "unknown", "closed"]
Seen = Literal["free", "occupied", "unknown"]
SlotKind = Literal["standard", "accessible", "ev", "motorcycle"]
Health = Literal["ok", "dark", "blurred", "covered", "frozen", "moved", "fogged", "damaged"]
Via = Literal["mqtt", "http", "pull", "api", "rtsp", "mjpeg", "snapshot"]
TimeSource = Literal["device", "receipt"]
CauseKind = Literal["frame", "tick", "command", "gate", "device"]


class Part(Struct, frozen=True, kw_only=True):
    """A value inside an event."""


class Event(Struct, frozen=True, kw_only=True):
    """Fields that every event has. `TYPE` is its CloudEvents type."""

    TYPE: ClassVar[str] = ""
    id: Id
    site_id: SiteId
    time_ms: TimeMs


# ---------------------------------------------------------------- from the edge
class FrameReceived(Event, frozen=True, kw_only=True):
    """A frame was accepted by ingest. The Kafka value is the JPEG; this is header `parking-meta`.
    `width` and `height` are those of the picture as shown, after its EXIF orientation."""

    TYPE: ClassVar[str] = "parking.frame-received.v1"
    camera_id: CameraId
    via: Via
    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    size_bytes: Annotated[int, Meta(ge=1)]
    sha256: Annotated[
        Sha256,
        Meta(description="of the stored bytes; of the EXIF data only the orientation remains"),
    ]
    received_at_ms: TimeMs
    time_source: TimeSource
    time_reason: Text | None = None
    captured_at_ms: TimeMs | None = None
    recorded_at_ms: (
        Annotated[TimeMs, Meta(description="original time of replayed footage")] | None
    ) = None
    boot_id: Count | None = None
    seq: Count | None = None


class GateEventReceived(Event, frozen=True, kw_only=True):
    """A vehicle passed a gate, reported by a device or through the API."""

    TYPE: ClassVar[str] = "parking.gate-event-received.v1"
    device_id: CameraId
    gate_id: SlotId
    direction: Literal["entry", "exit"]
    via: Via
    time_source: TimeSource
    time_reason: Text | None = None
    boot_id: Count | None = None
    seq: Count | None = None
    plate_hash: Annotated[Text, Meta(description="salted hash; never a plate")] | None = None
    plate_near: Annotated[
        list[PlateToken],
        Meta(
            max_length=PLATE_CHARS + 1,
            description="keyed hashes of the plate (O as 0, I as 1, B as 8), then of the plate"
            " without its first, second, ... character; empty: only equal plates match",
        ),
    ] = []


class PlateSealed(Event, frozen=True, kw_only=True):
    """The plate of a passage, encrypted with its site's key. It has the id of its
    GateEventReceived."""

    TYPE: ClassVar[str] = "parking.plate-sealed.v1"
    gate_id: SlotId
    direction: Literal["entry", "exit"]
    sealed: Annotated[Text, Meta(description="base64: nonce and AES-256-GCM")]


class Telemetry(Part, frozen=True, kw_only=True):
    """What a device reports about itself."""

    rssi_dbm: float | None = None
    heap_free_bytes: Count | None = None
    uptime_s: float | None = None
    firmware: Text | None = None
    frames_dropped: Count | None = None
    gate_events_waiting: Count | None = None
    gate_events_lost: (
        Annotated[Count, Meta(description="dropped because its flash was full")] | None
    ) = None
    gate_edges_lost: (
        Annotated[Count, Meta(description="dropped because its memory was full")] | None
    ) = None
    gate_blind_ms: (
        Annotated[Count, Meta(description="longest time between two checks of the gate")] | None
    ) = None


class DeviceReported(Event, frozen=True, kw_only=True):
    """A device connected, disconnected (LWT) or reported its condition."""

    TYPE: ClassVar[str] = "parking.device-reported.v1"
    device_id: CameraId
    kind: Literal["online", "offline", "heartbeat", "telemetry"]
    boot_id: Count | None = None
    connection: Annotated[Count, Meta(description="connection number within the boot")] | None = (
        None
    )
    telemetry: Telemetry | None = None
    reason: Text | None = None


# ---------------------------------------------------------------- from people
class Zone(Part, frozen=True, kw_only=True):
    """A named part of a site."""

    zone_id: SlotId
    name: Text


class LayoutSlot(Part, frozen=True, kw_only=True):
    """One slot as one camera sees it; other cameras' layouts may name the same slot."""

    slot_id: SlotId
    zone_id: SlotId
    polygon: Polygon
    plan: Annotated[list[PlanPoint], Meta(description="outline on the lot plan, metres")] | None = (
        None
    )
    kind: SlotKind = "standard"
    enabled: bool = True


class SiteSettings(Part, frozen=True, kw_only=True):
    """What a site shows to drivers. Without `public` nobody sees anything of it without a key."""

    public: Annotated[
        bool, Meta(description="anybody may read how many spaces are free (the driver view)")
    ] = False
    time_zone: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$",
                description="IANA name, like Asia/Jakarta; null: the viewer's own",
            ),
        ]
        | None
    ) = None
    directions: (
        Annotated[
            str,
            Meta(
                pattern=r"^(https://|geo:)[!-~]{1,400}$",
                description="link to directions: https or geo",
            ),
        ]
        | None
    ) = None


class LayoutPublished(Event, frozen=True, kw_only=True):
    """A camera's layout: which slots it sees, and where. Compacted by camera.

    `reference` is the picture on which the outlines were drawn, to detect that the camera was moved
    since: scaled to a long side of 480 px, grey, as JPEG (parking/vision/reference.py makes it).
    Without it, movement is not detected.
    """

    TYPE: ClassVar[str] = "parking.layout-published.v1"
    camera_id: CameraId
    version: Annotated[int, Meta(ge=1)]
    site_name: Text
    camera_name: Text
    interval_ms: Annotated[
        int, Meta(ge=100, description="how often the camera is expected to send")
    ]
    zones: list[Zone]
    slots: list[LayoutSlot]
    input_size_px: (
        Annotated[int, Meta(ge=160, le=2048, description="detector input, long side")] | None
    ) = None
    reference: Annotated[bytes, Meta(max_length=REFERENCE_MAX_BYTES)] | None = None
    removed: Annotated[
        bool,
        Meta(description="the camera was removed; the record is kept so that versions continue"),
    ] = False
    site: (
        Annotated[
            SiteSettings,
            Meta(
                description="the site's settings, in each of its layouts as `site_name` is; the"
                " newest that has any is valid; null: none yet"
            ),
        ]
        | None
    ) = None


class LookValues(Part, frozen=True, kw_only=True):
    """What a picture looks like to the checks of health, each value 0..1."""

    dark_end: Annotated[Unit, Meta(description="brightness that 5 % of the picture are below")]
    contrast: Annotated[Unit, Meta(description="from there to what 95 % are below")]
    detail: Annotated[Unit, Meta(description="share of the picture that shows any detail")]
    sharp: Annotated[Unit, Meta(description="share of fine gradients that a blur would remove")]
    local: Annotated[Unit, Meta(description="range within 9 x 9 pixels that 95 % are below")]


class LookLearned(Event, frozen=True, kw_only=True):
    """What is learnt of a camera's usual look, over the first day after its layout was drawn
    (parking/vision/usual.py). Compacted by camera. Written by the detector, and read by it at its
    start. `id`: of the last frame that it contains."""

    TYPE: ClassVar[str] = "parking.look-learned.v1"
    camera_id: CameraId
    basis: Annotated[Text, Meta(description="fingerprint of the layout's outlines and reference")]
    began_ms: TimeMs
    seen_ms: Annotated[TimeMs, Meta(description="of the last frame")]
    samples: Annotated[list[LookValues], Meta(description="of the day so far")] = []
    damaged: Annotated[Count, Meta(description="frames that show too little to be learnt")] = 0
    moved: Annotated[Count, Meta(description="the last so many frames showed a moved camera")] = 0
    usual: Annotated[LookValues, Meta(description="learnt")] | None = None
    refused: Annotated[Text, Meta(description="why the day before was not taken")] | None = None


class CameraConfigured(Event, frozen=True, kw_only=True):
    """How ingest polls a camera that was added in the page. Compacted by camera. `sealed`: its
    login in base64 (nonce and AES-256-GCM), bound to the camera and the host in `url`."""

    TYPE: ClassVar[str] = "parking.camera-configured.v1"
    camera_id: CameraId
    version: Annotated[int, Meta(ge=1)]
    kind: Literal["snapshot", "mjpeg", "rtsp"]
    url: Text
    interval_s: Annotated[float, Meta(ge=0.2, le=3600)]
    sealed: Annotated[str, Meta(max_length=4000)] | None = None
    removed: bool = False


class SlotRef(Part, frozen=True, kw_only=True):
    """A slot and its zone."""

    slot_id: SlotId
    zone_id: SlotId


class LayoutAdopted(Part, frozen=True, kw_only=True, tag="layout-adopted", tag_field="kind"):
    """From here on this camera sees these slots; it no longer counts for slots not listed."""

    camera_id: CameraId
    version: Annotated[int, Meta(ge=1)]
    interval_ms: Annotated[int, Meta(ge=100)]
    slots: list[SlotRef]


class SlotClosed(Part, frozen=True, kw_only=True, tag="slot-closed", tag_field="kind"):
    """Taken out of service by a person. Observations are stored but not shown."""

    slot_id: SlotId
    reason: Text | None = None


class SlotOpened(Part, frozen=True, kw_only=True, tag="slot-opened", tag_field="kind"):
    """Back in service: unknown until the next observations."""

    slot_id: SlotId


class StateCorrected(Part, frozen=True, kw_only=True, tag="state-corrected", tag_field="kind"):
    """A person states the state of a slot. It holds until the cameras have new evidence, or
    contradict it for `correction_hold_ms`."""

    slot_id: SlotId
    state: Literal["free", "occupied"]
    reason: Text | None = None


class ParametersSet(Part, frozen=True, kw_only=True, tag="parameters-set", tag_field="kind"):
    """Tracker parameters of the site, in force from here on (never retroactively)."""

    enter_observations: Annotated[int, Meta(ge=1, le=100)] = 2
    exit_observations: Annotated[int, Meta(ge=1, le=100)] = 2
    min_confidence: Unit = 0.6
    silence_intervals: Annotated[int, Meta(ge=2, le=1000)] = 5
    silence_ms: Annotated[
        int,
        Meta(
            ge=15_000,
            le=86_400_000,
            description="evidence counts for this long, or for `silence_intervals` of its camera,"
            " whichever is longer",
        ),
    ] = 60_000
    overstay_ms: Annotated[int, Meta(ge=60_000)] | None = None
    maximum_stay_ms: (
        Annotated[int, Meta(ge=60_000, description="a stay without an exit ends after this time")]
        | None
    ) = None
    empty_at_min: (
        Annotated[
            int,
            Meta(ge=0, le=1439, description="minutes after midnight UTC when no vehicle is inside"),
        ]
        | None
    ) = None
    capacity: (
        Annotated[
            int, Meta(ge=1, description="vehicles that fit inside; null: the number of slots")
        ]
        | None
    ) = None
    correction_hold_ms: (
        Annotated[
            int,
            Meta(ge=0, description="a correction ends once cameras contradict it for this long"),
        ]
        | None
    ) = 600_000


class Recounted(Part, frozen=True, kw_only=True, tag="recounted", tag_field="kind"):
    """A person states how many vehicles are inside: sessions are opened or given up to match."""

    number_in: Annotated[int, Meta(ge=0, le=4_000)]


class Removed(Part, frozen=True, kw_only=True, tag="removed", tag_field="kind"):
    """These cameras and slots are removed, with their records in the compacted topics. A slot that
    another camera still names stays. `whole_site`: removes all cameras, slots and devices; open
    stays are given up."""

    camera_ids: list[CameraId] = []
    slot_ids: list[SlotId] = []
    whole_site: bool = False


class SiteCommanded(Event, frozen=True, kw_only=True):
    """A command to a site's tracker."""

    TYPE: ClassVar[str] = "parking.site-commanded.v1"
    issued_by: Text
    command: (
        LayoutAdopted
        | SlotClosed
        | SlotOpened
        | StateCorrected
        | ParametersSet
        | Recounted
        | Removed
    )


# ---------------------------------------------------------------- from the detector
class FrameRef(Part, frozen=True, kw_only=True):
    """Where to find a frame in Kafka."""

    topic: Text = FRAMES
    frame_id: Id
    partition: Count
    offset: Count


class Box(Part, frozen=True, kw_only=True):
    """One vehicle: normalised x1, y1, x2, y2."""

    xyxy: tuple[Unit, Unit, Unit, Unit]
    confidence: Unit
    label: Text


class Observation(Part, frozen=True, kw_only=True):
    """What one frame shows of one slot; `confidence` is the confidence in `state`."""

    slot_id: SlotId
    state: Seen
    confidence: Unit
    since_ms: (
        Annotated[
            TimeMs,
            Meta(
                description="time of the frame on which the slot was judged; it has looked the"
                " same since; null: judged on this frame"
            ),
        ]
        | None
    ) = None
    straddling: Annotated[
        list[SlotId], Meta(description="other slots over which the same vehicle stands")
    ] = []


Xyxy = tuple[Unit, Unit, Unit, Unit]


class ImageHealth(Part, frozen=True, kw_only=True):
    """Whether the picture can be trusted. `sharpness` is unbounded."""

    status: Health
    brightness: Unit
    sharpness: Annotated[float, Meta(ge=0)]
    detail: Unit = 0.0
    reason: Text | None = None
    blurred: Annotated[
        list[Xyxy],
        Meta(description="blurred parts of an otherwise ok picture: slots there are not judged"),
    ] = []
    usual: Annotated[
        list[Text],
        Meta(
            description="verdicts that the standard limits would give the camera's usual look, as"
            " learnt on its first day: judged by that look instead"
        ),
    ] = []


class Effort(Part, frozen=True, kw_only=True):
    """How a frame was judged: what changed since the frames before it, and what a busy detector
    left out."""

    load_level: Annotated[
        int,
        Meta(
            ge=0,
            le=4,
            description="what is left out: 0 nothing, 1 closer looks, 2 also the refresh of slots"
            " that have not changed, 3 also input size, 4 also pace",
        ),
    ] = 0
    judged: Annotated[Count, Meta(description="slots judged on this frame")] = 0
    deferred: Annotated[
        Count,
        Meta(description="changed slots left to a later frame, without an observation here"),
    ] = 0
    searched: Annotated[
        Literal["nothing", "slots", "picture"],
        Meta(description="where vehicles were searched: around the judged slots, or everywhere"),
    ] = "nothing"
    closer: Annotated[
        bool, Meta(description="slots in doubt were searched again at a larger scale")
    ] = False


class DetectionMade(Event, frozen=True, kw_only=True):
    """The result of one frame: boxes, one observation per slot, image health."""

    TYPE: ClassVar[str] = "parking.detection-made.v1"
    camera_id: CameraId
    frame_ref: FrameRef
    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    layout_version: Annotated[Count, Meta(description="0: the camera has no layout")]
    model_id: Text
    health: ImageHealth
    boxes: list[Box]
    observations: list[Observation]
    timings_ms: dict[str, float]
    skipped_frame_ids: Annotated[
        list[Id], Meta(description="older frames skipped in favour of this one")
    ] = []
    skipped_times_ms: Annotated[
        list[TimeMs], Meta(description="the times of those frames, in the same order")
    ] = []
    input_size_px: (
        Annotated[int, Meta(ge=1, description="detector input, long side, as used")] | None
    ) = None
    reused_from: (
        Annotated[
            Id,
            Meta(
                description="the last judged frame: the slots have not changed since, so its "
                "boxes and observations are repeated"
            ),
        ]
        | None
    ) = None
    effort: Effort | None = None


class TickElapsed(Event, frozen=True, kw_only=True):
    """Time passed for a site, written by the tracker's timer into parking.detections."""

    TYPE: ClassVar[str] = "parking.tick-elapsed.v1"


# ---------------------------------------------------------------- from the tracker
class Cause(Part, frozen=True, kw_only=True):
    """The cause of a change: the id of a frame, a tick, a command or a gate event."""

    kind: CauseKind
    id: Id


IssuedBy = (
    Annotated[Text, Meta(description="who closed, opened or corrected the slot, if a person did")]
    | None
)
Straddling = Annotated[
    list[SlotId],
    Meta(
        description="other slots that the vehicle covered when this slot became occupied; ignore "
        "those that are free now"
    ),
]


class SlotChanged(Event, frozen=True, kw_only=True):
    """A slot changed. Readers apply it only when `version` is above the one they have."""

    TYPE: ClassVar[str] = "parking.slot-changed.v1"
    run: Text = "live"
    slot_id: SlotId
    zone_id: SlotId
    from_state: SlotState
    to_state: SlotState
    version: Annotated[int, Meta(ge=1)]
    dwell_ms: (
        Annotated[Count, Meta(description="time spent in from_state; null at the first")] | None
    ) = None
    confidence: Unit
    reason: Text
    cause: Cause
    camera_id: CameraId | None = None
    frame_ref: FrameRef | None = None
    observed_at_ms: Annotated[TimeMs, Meta(description="time of its newest evidence")] | None = None
    issued_by: IssuedBy = None
    straddling: Straddling = []


class SlotStateUpdated(Event, frozen=True, kw_only=True):
    """A slot's latest state. Compacted by site and slot; carries the change's version."""

    TYPE: ClassVar[str] = "parking.slot-state-updated.v1"
    run: Text = "live"
    slot_id: SlotId
    zone_id: SlotId
    state: SlotState
    version: Annotated[int, Meta(ge=1)]
    changed_at_ms: TimeMs
    observed_at_ms: TimeMs | None = None
    confidence: Unit
    reason: Text
    camera_ids: list[CameraId] = []
    issued_by: IssuedBy = None
    straddling: Straddling = []


class CameraStatusChanged(Event, frozen=True, kw_only=True):
    """A camera's latest status, with the reason. Compacted by camera."""

    TYPE: ClassVar[str] = "parking.camera-status-changed.v1"
    run: Text = "live"
    camera_id: CameraId
    status: Literal["online", "degraded", "offline", "no-layout"]
    reason: Text
    health: Health | None = None
    version: Annotated[int, Meta(ge=1)]
    last_frame_at_ms: TimeMs | None = None
    frame_ref: FrameRef | None = None
    interval_ms: Count | None = None
    layout_version: Count = 0
    analysed_every_ms: (
        Annotated[Count, Meta(description="smoothed time between its analysed frames")] | None
    ) = None
    load_level: Annotated[
        int, Meta(ge=0, le=4, description="load level of its last frame; see Effort")
    ] = 0
    evidence_at_ms: Annotated[
        dict[SlotId, TimeMs],
        Meta(
            description="slots whose last evidence from this online camera is older than its last"
            " frame; 0: none"
        ),
    ] = {}
    blurred: Annotated[
        list[Xyxy], Meta(description="blurred parts of its last picture, normalised")
    ] = []
    since_ms: Annotated[TimeMs, Meta(description="when status or reason last changed")] | None = (
        None
    )


class SessionChanged(Event, frozen=True, kw_only=True):
    """A vehicle's stay as currently known; it replaces every earlier record of the same
    `session_id`. A late passage can change stays that were already reported: an `opened` one with
    reason `reopened` was closed by mistake. A `corrected` one with reason `entry-found` is an exit
    whose stay is now known; it is not a stay of its own."""

    TYPE: ClassVar[str] = "parking.session-changed.v1"
    run: Text = "live"
    session_id: Id
    kind: Literal["opened", "closed", "overstay", "corrected"]
    entry_at_ms: TimeMs | None = None
    exit_at_ms: TimeMs | None = None
    dwell_ms: Count | None = None
    entry_gate_id: SlotId | None = None
    exit_gate_id: SlotId | None = None
    plate_hash: Text | None = None
    reason: Text | None = None
    number_in: Annotated[Count, Meta(description="open sessions of the site after this")] | None = (
        None
    )
    capacity: Annotated[Count, Meta(description="vehicles that fit inside, if known")] | None = None
    cause: Cause


# ---------------------------------------------------------------- from analytics
Version = Annotated[
    int,
    Meta(
        ge=1,
        description="the offset after the newest input counted; of several records with one id the"
        " highest version is valid, of equal versions the last",
    ),
]


class OccupancyMeasured(Event, frozen=True, kw_only=True):
    """One minute of a zone's slots of one kind. `time_ms` is the end of the minute.

    The occupied share is occupied / (free + occupied), weighted by time. Unknown and closed slots
    do not count; the share is null if there were no others during the minute.
    """

    TYPE: ClassVar[str] = "parking.occupancy-measured.v1"
    minute_at_ms: Annotated[TimeMs, Meta(description="start of the minute")]
    zone_id: SlotId
    kind: SlotKind
    version: Version
    free: Annotated[
        Count, Meta(description="slots at the end of the minute, like the next three fields")
    ]
    occupied: Count
    unknown: Count
    closed: Count
    occupied_share_mean: Unit | None = None
    occupied_share_max: Unit | None = None
    entries: Annotated[Count, Meta(description="vehicles that took a slot: free to occupied")]
    exits: Annotated[Count, Meta(description="vehicles that left a slot: occupied to free")]
    turnover: Annotated[float, Meta(ge=0, description="exits per slot of this zone and kind")]


class GatesCounted(Event, frozen=True, kw_only=True):
    """One minute of a site's gates, from its sessions. `time_ms` is the end of the minute."""

    TYPE: ClassVar[str] = "parking.gates-counted.v1"
    minute_at_ms: Annotated[TimeMs, Meta(description="start of the minute")]
    version: Version
    entries: Annotated[Count, Meta(description="vehicles that entered")]
    exits: Annotated[Count, Meta(description="vehicles that left, with or without a known entry")]


# ---------------------------------------------------------------- from all
class HeartbeatPassed(Struct, frozen=True, kw_only=True):
    """Nothing but the time: ingest writes one every few seconds (`time_ms`), and the detector and
    the tracker pass it on (docs/decisions/0031)."""

    TYPE: ClassVar[str] = "parking.heartbeat-passed.v1"
    id: Id
    time_ms: TimeMs
    partitions: Annotated[
        int, Meta(ge=1, description="heartbeats travel in partitions 0 to this, exclusive")
    ]
    detector_at_ms: TimeMs | None = None
    tracker_at_ms: TimeMs | None = None


class DeadLettered(Struct, frozen=True, kw_only=True):
    """Why a message was dead-lettered. The Kafka value is the original; this is `parking-meta`."""

    TYPE: ClassVar[str] = "parking.dead-lettered.v1"
    id: Id
    time_ms: TimeMs
    service: Text
    reason: Annotated[Text, Meta(description="short and stable, for counting")]
    detail: Text
    topic: Annotated[Text, Meta(description="Kafka or MQTT topic, or HTTP path")]
    partition: Count | None = None
    offset: Count | None = None
    attempts: Count = 1
    length: Annotated[Count, Meta(description="bytes of the original value")]
    sha256: Sha256
    truncated: Annotated[bool, Meta(description="the value contains only the first 64 kB")] = False
    headers: (
        Annotated[
            list[tuple[Text, bytes | None]],
            Meta(
                description="the original's Kafka headers, in order, values in base64; null: not"
                " kept (written by an older version, or more than 16 kB)"
            ),
        ]
        | None
    ) = None


EVENTS: tuple[type[Event] | type[HeartbeatPassed] | type[DeadLettered], ...] = (
    FrameReceived,
    GateEventReceived,
    PlateSealed,
    DeviceReported,
    LayoutPublished,
    LookLearned,
    CameraConfigured,
    SiteCommanded,
    DetectionMade,
    TickElapsed,
    SlotChanged,
    SlotStateUpdated,
    CameraStatusChanged,
    SessionChanged,
    OccupancyMeasured,
    GatesCounted,
    HeartbeatPassed,
    DeadLettered,
)
