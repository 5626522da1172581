"""The tracker's state of one site, as immutable values.

The dictionaries keep insertion order, even through JSON, so every fold over the same records gives
the same outputs in the same order. `parking/core/occupancy.py` contains the fold.
"""

import hashlib
from typing import Final, Literal

from msgspec import Struct

from parking.core.events import Cause, FrameRef, Health, ParametersSet, SlotState, Xyxy
from parking.core.passages import Passage, PlatePassages

# For a camera whose layout, and therefore interval, is not known yet.
DEFAULT_INTERVAL_MS: Final = 2_000

# A site's state is one record in Kafka (topics.SITE_MAX_BYTES). Its size depends on the number of
# slots, including former ones, and on how many cameras name each slot.
SITE_SLOTS: Final = 4_000
SITE_SIGHTS: Final = 10_000


REMOVED: Final = "removed"
"""The reason in a removed slot's last change and in a removed camera's last status."""


class Sight(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last evidence that one camera gave for one slot. `streak` is the number of observations
    in a row with this state, counted from when another camera of the slot last changed to the
    opposite. `straddling` lists other slots over which the same vehicle stands."""

    state: Literal["free", "occupied"]
    confidence: float
    time_ms: int
    streak: int
    straddling: list[str] = []


class Slot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A slot as shown, and the sights it is based on. `observed_at_ms` is the time of its latest
    sight when it last changed, or of the last sight withdrawn since. While a person's correction
    holds, `overruled` is the cameras' state when it was made, and `contradicted_at_ms` is the time
    since which all cameras have reported that state again without a break. `straddling` lists other
    slots over which the vehicle stood when the slot became occupied."""

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
    straddling: list[str] = []


class Camera(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera: its adopted layout, its last frames and its last report. `frames` holds the ids of
    the last frames applied, without the camera's own part. `silent` tells that the latest frame is
    older than the silence limit. `late_at_ms` is the tick at which a frame arrived that was already
    too old. `judged_at_ms` is the time of the last frame on which all changes were judged,
    `analysed_every_ms` the smoothed time between such frames, and `load_level` that of the last one
    (`Effort`). `blurred` lists the blurred parts of the last frame, and `blurred_frames` counts how
    many frames in a row had some. `since_ms` is when `status` or `reason` last changed."""

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
    since_ms: int | None = None
    version: int = 0
    reported_at_ms: int = 0


class Device(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device's connection and the gate events it sent. `place` is boot, connection, and 1 once
    that connection ended; only a higher place counts. `gate_runs` holds the applied gate events as
    sorted runs (boot, first seq, last seq). `gate_forgotten` is the highest (boot, seq) of the
    dropped runs, and `gate_events` is what an older version stored instead. `gate_at_ms` is the
    latest time of a gate event, and `gate_heard_ms` is the site's time when the last one was
    applied. `restarts` counts how often its boot counter started over. `offline_reason` is a slug
    that tells why the device is unreachable, if ingest knows."""

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
    """A vehicle that came in and has not left. `gate_id` is empty when a recount added it."""

    session_id: str
    entry_at_ms: int
    gate_id: str
    plate_hash: str | None = None
    overstayed: bool = False


class Stay(Struct, frozen=True, array_like=True):
    """An entry without a plate and the exit that closed it."""

    entry: OpenSession
    exit: Passage


class Gates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The passages of the last days, so that a late one finds its place among them
    (parking/core/pairing.py). Lists are sorted by time, then by id.

    `stays` were matched without the entry's plate and are sorted by both entry and exit. `ended`
    lists entries without a plate that no exit closed in time. `strays` lists exits that closed
    nothing. `plates` holds each plate's last passages. `misread` lists, sorted, the plates with
    exits for which only a near plate may have the entry. `counted_at_ms` is when somebody last
    counted the vehicles; earlier passages no longer change anything.
    """

    stays: list[Stay] = []
    ended: list[OpenSession] = []
    strays: list[Passage] = []
    plates: PlatePassages = PlatePassages()
    misread: list[str] = []
    counted_at_ms: int = 0


class Site(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One site's whole state. `sessions` holds the open sessions, sorted by entry. `recent_ids`
    holds ids of commands and of gate events without a sequence number. `lower_tick_ms` is a tick
    far below the last one that is not accepted yet. `version_floor` is the highest version of what
    was removed; new entries continue from there, because readers apply only higher versions.
    `removed_at_ms` holds when the last removed cameras were removed, oldest first; the entry under
    the site's own id applies to all of its cameras."""

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
    removed_at_ms: dict[str, int] = {}


class Moment(Struct, frozen=True, kw_only=True):
    """The record being applied, which its outputs name as their cause. `restarts` is that of the
    device that sent it, whose ids repeat when its boot counter starts over. `issued_by` is the
    author of a command to a slot."""

    cause: Cause
    time_ms: int
    camera_id: str | None = None
    frame_ref: FrameRef | None = None
    restarts: int = 0
    issued_by: str | None = None


def output_id(site: Site, moment: Moment, subject: str, to: str) -> str:
    """The id of an output, derived from its cause so that applying the record again gives the same
    id."""
    cause_id = numbered(moment.cause.id, moment.restarts)
    text = f"{site.run}|{cause_id}|{subject}|{to}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def numbered(device_made_id: str, restarts: int) -> str:
    """Make an id that contains a device's boot counter distinct from the same id in an earlier run
    of that counter."""
    return f"{device_made_id}~{restarts}" if restarts else device_made_id


def too_large(slots: int, sights: int) -> str | None:
    """Return why a site cannot have this many slots and camera sights of them, or None if it
    can."""
    if slots > SITE_SLOTS:
        return (
            f"the site would have {slots} slots, including former ones; the limit is {SITE_SLOTS}"
        )
    if sights > SITE_SIGHTS:
        return f"the site's cameras would name slots {sights} times; the limit is {SITE_SIGHTS}"
    return None


def camera_of(site: Site, camera_id: str) -> Camera:
    """The camera's state, or a new one if the site does not have it yet."""
    return site.cameras.get(camera_id) or Camera(version=site.version_floor)


def silence_limit_ms(site: Site, camera: Camera) -> int:
    """How old a camera's last frame may be before its evidence no longer counts."""
    parameters = site.parameters
    return max(parameters.silence_ms, parameters.silence_intervals * camera.interval_ms)
