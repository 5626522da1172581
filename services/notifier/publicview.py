"""The public view of a site: the number of free spaces, its age, and nothing else. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from parking.core.events import SiteSettings, SlotId, SlotKind, Text, TimeMs
from services.notifier.slotviews import counts_of
from services.notifier.views import Counts, SlotView, View

# The same as on the dashboard (dashboard/src/shared/ages.ts).
REFRESH_MS: Final = 2_000
OLD_INTERVALS: Final = 3
# Twice the tracker's usual limit. A running tracker would have called the spaces unknown by then.
EXPIRES_MS: Final = 120_000
EXPIRES_INTERVALS: Final = 10

Unseen: TypeAlias = Literal["no-picture", "view-blocked", "unclear", "not-set-up"]
_REASONS: Final[dict[str, Unseen]] = {
    **dict.fromkeys(
        ("blurred", "covered", "damaged", "dark", "fogged", "frozen", "moved", "partly-blurred"),
        "view-blocked",
    ),
    **dict.fromkeys(("disagree", "no-evidence"), "unclear"),
    **dict.fromkeys(
        ("adopted", "moved-zone", "no-frame", "not observed yet", "opened"), "not-set-up"
    ),
}
"""Why a space is unknown, as the public is told. All other reasons, such as a camera that refuses
the login, are shown as "no-picture" because they concern only the operator."""


class KindView(View, frozen=True, kw_only=True):
    """The spaces of one kind."""

    kind: SlotKind
    counts: Counts


class PublicZone(View, frozen=True, kw_only=True):
    """A zone. The counts are as old as `observed_at_ms`, the newest evidence of the camera that was
    seen longest ago (null: no camera counts). From `old_at_ms` on they are old; from
    `expires_at_ms` on they must not be shown as the present ones. `reason`: why most of the unknown
    spaces are unknown."""

    zone_id: SlotId
    name: Text
    counts: Counts
    kinds: list[KindView]
    observed_at_ms: TimeMs | None
    old_at_ms: TimeMs | None
    expires_at_ms: TimeMs | None
    reason: Unseen | None


class PublicSite(View, frozen=True, kw_only=True):
    """A site. The times are the earliest of its zones; `seen_at_ms`: its newest evidence, even of
    spaces that are now unknown. `time_zone`: IANA name; `directions`: a link to the way there."""

    name: Text
    time_zone: str | None
    directions: str | None
    counts: Counts
    kinds: list[KindView]
    observed_at_ms: TimeMs | None
    old_at_ms: TimeMs | None
    expires_at_ms: TimeMs | None
    seen_at_ms: TimeMs | None
    reason: Unseen | None
    zones: list[PublicZone]


class _Ages(NamedTuple):
    observed_at_ms: int | None
    old_at_ms: int | None
    expires_at_ms: int | None


def public_site(
    name: str,
    settings: SiteSettings,
    zone_names: Mapping[str, str],
    slots: Sequence[SlotView],
    interval_ms: Mapping[str, int],
) -> PublicSite:
    """Return the view of a site with these slots. `interval_ms` is keyed by camera."""
    by_zone = defaultdict[str, list[SlotView]](list)
    for slot in slots:
        by_zone[slot.zone_id].append(slot)
    zones = [
        _zone(zone, zone_names.get(zone, zone), own, interval_ms)
        for zone, own in sorted(by_zone.items())
    ]
    return PublicSite(
        name=name,
        time_zone=settings.time_zone,
        directions=settings.directions,
        counts=_counts(slots),
        kinds=_kinds(slots),
        observed_at_ms=_least(zone.observed_at_ms for zone in zones),
        old_at_ms=_least(zone.old_at_ms for zone in zones),
        expires_at_ms=_least(zone.expires_at_ms for zone in zones),
        seen_at_ms=max((slot.observed_at_ms or 0 for slot in slots), default=0) or None,
        reason=_reason(slots),
        zones=zones,
    )


def _zone(
    zone_id: str, name: str, slots: Sequence[SlotView], interval_ms: Mapping[str, int]
) -> PublicZone:
    ages = _ages(slots, interval_ms)
    return PublicZone(
        zone_id=zone_id,
        name=name,
        counts=_counts(slots),
        kinds=_kinds(slots),
        observed_at_ms=ages.observed_at_ms,
        old_at_ms=ages.old_at_ms,
        expires_at_ms=ages.expires_at_ms,
        reason=_reason(slots),
    )


def _ages(slots: Iterable[SlotView], interval_ms: Mapping[str, int]) -> _Ages:
    """Return the ages of the camera (or the group of cameras) that was seen longest ago. One slot
    that is blocked from view does not make a zone old, because the tracker calls it unknown in
    time."""
    newest_ms = defaultdict[tuple[str, ...], int](int)
    for slot in slots:
        if slot.state in ("free", "occupied") and slot.reason != "corrected":
            cameras = tuple(slot.camera_ids)
            newest_ms[cameras] = max(newest_ms[cameras], slot.observed_at_ms or 0)
    seen = [
        (at_ms, max((interval_ms.get(camera, 0) for camera in cameras), default=0))
        for cameras, at_ms in newest_ms.items()
        if at_ms
    ]
    return _Ages(
        _least(at_ms for at_ms, _ in seen),
        _least(at_ms + OLD_INTERVALS * max(REFRESH_MS, every_ms) for at_ms, every_ms in seen),
        _least(at_ms + max(EXPIRES_MS, EXPIRES_INTERVALS * every_ms) for at_ms, every_ms in seen),
    )


def _least(times_ms: Iterable[int | None]) -> int | None:
    return min((time_ms for time_ms in times_ms if time_ms is not None), default=None)


def _counts(slots: Iterable[SlotView]) -> Counts:
    return counts_of(Counter(slot.state for slot in slots))


def _kinds(slots: Sequence[SlotView]) -> list[KindView]:
    """Return the kinds that the slots have, in the order of the schema."""
    by_kind = {kind: [s for s in slots if s.kind == kind] for kind in get_args(SlotKind)}
    return [KindView(kind=kind, counts=_counts(own)) for kind, own in by_kind.items() if own]


def _reason(slots: Iterable[SlotView]) -> Unseen | None:
    reasons = [_REASONS.get(s.reason, "no-picture") for s in slots if s.state == "unknown"]
    return max(reasons, key=reasons.count, default=None)
