"""The tracker's state of one site, as immutable values.

The dictionaries keep insertion order, through JSON too, so that every fold over the same records
gives the same outputs in the same order. `parking/core/occupancy.py` contains the fold.
"""

import hashlib
from typing import Final, Literal

from msgspec import Struct

from parking.core.events import Cause, FrameRef, Health, ParametersSet, SlotState, Xyxy
from parking.core.passages import Passage, PlatePassages

# For a camera whose layout, and so its interval, is not known yet.
DEFAULT_INTERVAL_MS: Final = 2_000

# A site's state is one record in Kafka (topics.SITE_MAX_BYTES). Its size depends on the number of
# slots, including former ones, and on how many cameras name each.
SITE_SLOTS: Final = 4_000
SITE_SIGHTS: Final = 10_000


REMOVED: Final = "removed"
"""The last reason of a removed slot's change and of a removed camera's status."""


class Sight(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last evidence one camera gave of one slot. `streak`: the number of observations in a row
    with this state, counted from when another camera of the slot last changed to the opposite.
    `straddling`: other slots over which the same vehicle stands."""

    state: Literal["free", "occupied"]
    confidence: float
    time_ms: int
    streak: int
    straddling: list[str] = []


class Slot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A slot as shown, and the sights it is based on. `observed_at_ms`: time of its newest sight
    when it last changed, or of the last one withdrawn since. `overruled`: while a person's
    correction holds, the cameras' state when it was made; `contradicted_at_ms`: since when all
    cameras have reported that state again without a break. `straddling`: other slots over which the
    vehicle stood when the slot became occupied."""

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
    """A camera: its adopted layout, its last frames, and its last report. `frames`: ids of the last
    frames applied, without the camera's own part. `silent`: the newest frame is older than the
    silence limit; `late_at_ms`: the tick at which a frame arrived that was already too old.
    `judged_at_ms`: time of the last frame on which all changes were judged; `analysed_every_ms`:
    smoothed time between such frames; `load_level`: that of the last one (`Effort`). `blurred`:
    blurred parts of the last frame; `blurred_frames`: how many frames in a row had some.
    `since_ms`: when `status` or `reason` last changed."""

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
    """A device's connection and the gate events it sent. `place`: boot, connection, and 1 once that
    connection ended; only a higher one counts. `gate_runs`: the applied gate events, as sorted runs
    (boot, first seq, last seq); `gate_forgotten`: the highest (boot, seq) of the dropped runs;
    `gate_events`: what an older version stored instead. `gate_at_ms`: the latest time of a gate
    event; `gate_heard_ms`: the site's time when the last one was applied. `restarts`: how often its
    boot counter began again. `offline_reason`: slug of why it cannot be reached, if ingest knows
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
    (parking/core/pairing.py). Lists are sorted by time, then id.

    `stays`: matched without the entry's plate, sorted by entry and by exit alike. `ended`: entries
    without a plate that no exit closed in time. `strays`: exits that closed nothing. `plates`: each
    plate's last passages. `misread`: sorted plates that have exits without an earlier entry, which
    a near plate may have. `counted_at_ms`: when somebody last counted the vehicles; earlier
    passages change nothing any more.
    """

    stays: list[Stay] = []
    ended: list[OpenSession] = []
    strays: list[Passage] = []
    plates: PlatePassages = PlatePassages()
    misread: list[str] = []
    counted_at_ms: int = 0


class Site(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One site's whole state. `sessions`: the open ones, sorted by entry. `recent_ids`: of commands
    and of gate events without a sequence number. `lower_tick_ms`: a tick far below the last one,
    not accepted yet. `version_floor`: the highest version of what was removed; new entries continue
    from there, because readers apply only a higher one. `removed_at_ms`: when the cameras removed
    last were removed, oldest first, and under the site's id all of them."""

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
    """The record being applied, which its outputs name as their cause. `restarts`: of the device
    that sent it, whose ids repeat when its boot counter begins again. `issued_by`: the author of a
    command to a slot."""

    cause: Cause
    time_ms: int
    camera_id: str | None = None
    frame_ref: FrameRef | None = None
    restarts: int = 0
    issued_by: str | None = None


def output_id(site: Site, moment: Moment, subject: str, to: str) -> str:
    """The id of an output, derived from its cause: applying the record again gives the same id."""
    cause_id = numbered(moment.cause.id, moment.restarts)
    text = f"{site.run}|{cause_id}|{subject}|{to}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def numbered(device_made_id: str, restarts: int) -> str:
    """An id that contains a device's boot counter, made distinct from the same id of an earlier run
    of that counter."""
    return f"{device_made_id}~{restarts}" if restarts else device_made_id


def too_large(slots: int, sights: int) -> str | None:
    """Return why a site cannot have so many slots, named so often by its cameras; None if it
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
