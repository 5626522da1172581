"""What the tracker knows of one site, as values; nothing here changes in place.

The dictionaries keep insertion order, through JSON too, so that every fold over the same records
gives the same outputs in the same order. `parking/occupancy.py` holds the fold.
"""

import hashlib
from typing import Final, Literal

from msgspec import Struct

from parking.events import Cause, FrameRef, Health, ParametersSet, SlotState, Xyxy

# For a camera whose layout, and with it its interval, is not known yet.
DEFAULT_INTERVAL_MS: Final = 2_000

# A site's state is one record in Kafka (topics.SITE_MAX_BYTES). It grows by its slots, those
# included that no camera names any more, and by how often its cameras name one.
SITE_SLOTS: Final = 4_000
SITE_SIGHTS: Final = 10_000


REMOVED: Final = "removed"
"""The reason of the last change of a slot, and of the last status of a camera, that was removed."""


class Sight(Struct, frozen=True, kw_only=True):
    """The last evidence one camera gave of one slot. `streak`: how many observations in a row said
    so, none of them before another camera of the slot last changed its mind against it."""

    state: Literal["free", "occupied"]
    confidence: float
    time_ms: int
    streak: int


class Slot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A slot as shown, and the sights it rests on. `observed_at_ms`: of its newest sight when it
    last changed, or of the last one withdrawn since. `overruled`: while a person's correction
    holds, what the cameras said when it came; `contradicted_at_ms`: since when they have said so
    again, all of them and without a break."""

    zone_id: str
    state: SlotState = "unknown"
    version: int = 0
    changed_at_ms: int = 0
    observed_at_ms: int | None = None
    confidence: float = 0.0
    reason: str = ""
    sights: dict[str, Sight] = {}
    overruled: Literal["free", "occupied", "unknown"] | None = None
    contradicted_at_ms: int | None = None


class Camera(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera: what it was told to see, how its last frames were, and what was last reported.
    `frames`: the ids of the last frames applied, without the camera's own. `silent`: the newest
    frame is older than the silence limit; `late_at_ms`: the tick at which one came that was so
    already. `judged_at_ms`: of the last frame on which all that changed was judged;
    `analysed_every_ms`: smoothed time between such frames; `load_level`: of the last one
    (`Effort`). `blurred`: parts of the last frame, and `blurred_frames` in a row had some."""

    layout_version: int = 0
    interval_ms: int = DEFAULT_INTERVAL_MS
    slot_ids: list[str] = []
    frame_ref: FrameRef | None = None
    frames: list[str] = []
    last_frame_at_ms: int | None = None
    judged_at_ms: int | None = None
    health: Health | None = None
    unhealthy_frames: int = 0
    blurred: list[Xyxy] = []
    blurred_frames: int = 0
    silent: bool = False
    late_at_ms: int | None = None
    analysed_every_ms: int | None = None
    load_level: int = 0
    status: Literal["online", "degraded", "offline", "no-layout"] = "offline"
    reason: str = ""
    version: int = 0
    reported_at_ms: int = 0


class Device(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device's connection and the gate events it sent. `place`: boot, connection, 1 once that
    connection ended; only a higher one counts. `gate_runs`: the gate events applied, as sorted runs
    (boot, first seq, last seq); `gate_forgotten`: the highest (boot, seq) of the runs dropped;
    `gate_events`: what an older version kept instead. `gate_at_ms`: the latest time of one;
    `gate_heard_ms`: the site's time when the last one was applied. `restarts`: how often its boot
    counter began anew. `offline_reason`: the slug of why it cannot be reached, where ingest knows
    it."""

    place: tuple[int, int, int] | None = None
    offline_since_ms: int | None = None
    gate_events: list[tuple[int, int]] = []
    gate_runs: list[tuple[int, int, int]] = []
    gate_forgotten: tuple[int, int] | None = None
    gate_at_ms: int | None = None
    gate_heard_ms: int | None = None
    restarts: int = 0
    offline_reason: str | None = None


class OpenSession(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A vehicle that came in and has not left. `gate_id` is empty when a recount found it."""

    session_id: str
    entry_at_ms: int
    gate_id: str
    plate_hash: str | None = None
    overstayed: bool = False


class Passage(Struct, frozen=True, array_like=True):
    """One vehicle through a gate. `id` is unique in its site; an entry's is its session's.
    `plate_near`: hashes that plates which are nearly the same share (parking/nearplates.py)."""

    time_ms: int
    id: str
    gate_id: str
    direction: Literal["entry", "exit"]
    plate_hash: str | None = None
    plate_near: tuple[str, ...] = ()


class Stay(Struct, frozen=True, array_like=True):
    """An entry without a plate and the exit that closed it."""

    entry: OpenSession
    exit: Passage


class Gates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The passages of the last days, so that one that comes late finds its place among them
    (parking/pairing.py). Lists are sorted by time, then id.

    `stays`: matched without an entry's plate, in the order of entries and of exits alike. `ended`:
    entries without a plate that no exit closed in time. `strays`: exits that closed nothing.
    `plates`: each plate's last passages. `misread`: those of them, sorted, with exits that no entry
    of the same plate precedes: a near plate's may. `counted_at_ms`: when somebody last counted the
    vehicles; earlier passages change nothing any more."""

    stays: list[Stay] = []
    ended: list[OpenSession] = []
    strays: list[Passage] = []
    plates: dict[str, list[Passage]] = {}
    misread: list[str] = []
    counted_at_ms: int = 0


class Site(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One site's whole state. `sessions`: the open ones, sorted by entry. `recent_ids`: of commands
    and of gate events without a sequence. `lower_tick_ms`: of a tick far below the last one, not
    believed yet. `version_floor`: the highest version of what was
    removed; what comes anew counts on from there, for readers apply only a higher one."""

    site_id: str
    run: str = "live"
    parameters: ParametersSet = ParametersSet()
    tick_ms: int = 0
    lower_tick_ms: int | None = None
    slots: dict[str, Slot] = {}
    cameras: dict[str, Camera] = {}
    devices: dict[str, Device] = {}
    sessions: list[OpenSession] = []
    gates: Gates = Gates()
    recent_ids: list[str] = []
    version_floor: int = 0


class Moment(Struct, frozen=True, kw_only=True):
    """The record being applied: what its outputs name as their cause. `restarts`: of the device it
    is from, whose ids begin anew with its boot counter."""

    cause: Cause
    time_ms: int
    camera_id: str | None = None
    frame_ref: FrameRef | None = None
    restarts: int = 0


def output_id(site: Site, moment: Moment, subject: str, to: str) -> str:
    """The id of an output: derived from its cause, so that doing it again gives it again."""
    cause_id = numbered(moment.cause.id, moment.restarts)
    text = f"{site.run}|{cause_id}|{subject}|{to}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def numbered(device_made_id: str, restarts: int) -> str:
    """An id that a device made out of its boot counter, told apart from the one it made of the same
    numbers before the counter began anew."""
    return f"{device_made_id}~{restarts}" if restarts else device_made_id


def too_large(slots: int, sights: int) -> str | None:
    """Why a site of so many slots, named so often by all its cameras, cannot be; None if it can."""
    if slots > SITE_SLOTS:
        return (
            f"the site would have {slots} slots, its former ones included, of {SITE_SLOTS} at most"
        )
    if sights > SITE_SIGHTS:
        return f"the site's cameras would name slots {sights} times, of {SITE_SIGHTS} at most"
    return None


def camera_of(site: Site, camera_id: str) -> Camera:
    """The camera as it is known, or as a new one."""
    return site.cameras.get(camera_id) or Camera(version=site.version_floor)


def silence_limit_ms(site: Site, camera: Camera) -> int:
    """How old a camera's last frame may be before what it saw counts no more."""
    parameters = site.parameters
    return max(parameters.silence_ms, parameters.silence_intervals * camera.interval_ms)
