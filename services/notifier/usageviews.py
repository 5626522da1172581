"""The API's views of how a site was used. All durations and times are in milliseconds."""

from parking.core.events import Id, SiteId, SlotId, SlotKind, SlotState, TimeMs
from services.notifier.views import View


class OccupancySeries(View, frozen=True, kw_only=True):
    """Slots of one zone and kind: how many were in each state on average, one value for each start
    in `Occupancy.starts_ms`. A slot counts from its first report on."""

    zone_id: SlotId
    kind: SlotKind
    free: list[float]
    occupied: list[float]
    unknown: list[float]
    closed: list[float]


class Occupancy(View, frozen=True, kw_only=True):
    """A site's slots over time. Each point covers `bucket_ms`; the last may be shorter."""

    site_id: SiteId
    time_zone: str
    from_ms: TimeMs
    to_ms: TimeMs
    bucket_ms: int
    starts_ms: list[TimeMs]
    series: list[OccupancySeries]


class Stays(View, frozen=True, kw_only=True):
    """Stays of vehicles in slots that ended in the range: how many, and how long half (`p50_ms`)
    and nine in ten (`p90_ms`) of them lasted at most. Null if there were none. A slot that is
    unknown for a while does not end a stay."""

    count: int = 0
    p50_ms: int | None = None
    p90_ms: int | None = None


class SlotUsage(View, frozen=True, kw_only=True):
    """One slot in the range: how long it was in each state, and its stays."""

    slot_id: SlotId
    zone_id: SlotId
    kind: SlotKind
    free_ms: int
    occupied_ms: int
    unknown_ms: int
    closed_ms: int
    stays: Stays


class ZoneUsage(View, frozen=True, kw_only=True):
    """The slots and the stays of one zone in the range."""

    zone_id: SlotId
    slots: int
    stays: Stays


class HourUsage(View, frozen=True, kw_only=True):
    """The share of the slots occupied in one hour of the week (`weekday` 0: Monday), on average
    over the range, of those known to be free or occupied. Null: none was known."""

    weekday: int
    hour: int
    occupied_share: float | None


class Usage(View, frozen=True, kw_only=True):
    """How a site was used. `hours`: the hours of the range, in the site's time zone."""

    site_id: SiteId
    time_zone: str
    from_ms: TimeMs
    to_ms: TimeMs
    stays: Stays
    zones: list[ZoneUsage]
    slots: list[SlotUsage]
    hours: list[HourUsage]


class StoredPicture(View, frozen=True, kw_only=True):
    """A camera's stored picture: when it was taken, and the path of its JPEG."""

    frame_id: Id | None
    time_ms: TimeMs
    url: str


class ChangePictures(View, frozen=True, kw_only=True):
    """The stored pictures of a slot's change: `after` caused it, `before` is the same camera's
    newest stored one before it. `missing`: the reason for no `after`."""

    before: StoredPicture | None
    after: StoredPicture | None
    missing: str | None


class SlotMoment(View, frozen=True, kw_only=True):
    """A slot's state at a moment, since when it had it, and why."""

    slot_id: SlotId
    zone_id: SlotId
    kind: SlotKind
    state: SlotState
    since_ms: TimeMs
    reason: str


class CameraMoment(View, frozen=True, kw_only=True):
    """A camera's newest stored picture at a moment: when it was taken, and the path of its
    JPEG."""

    camera_id: str
    time_ms: TimeMs
    url: str


class SiteMoment(View, frozen=True, kw_only=True):
    """A site at a moment. `previous_ms` and `next_ms` are the times of the changes before and after
    it, null if there are none. A slot without an earlier report is missing, and so is a camera
    without a stored picture of the day before."""

    site_id: SiteId
    time_ms: TimeMs
    previous_ms: TimeMs | None
    next_ms: TimeMs | None
    slots: list[SlotMoment]
    pictures: list[CameraMoment]
