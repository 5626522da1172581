"""How a site was used, computed from the sums that Postgres returns. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from parking.core.events import SlotKind
from services.notifier.spans import HOUR_MS, Span, zone_of
from services.notifier.usageviews import (
    HourUsage,
    Occupancy,
    OccupancySeries,
    SlotUsage,
    Stays,
    Usage,
    ZoneUsage,
)

Row = Mapping[str, Any]
_STATES: Final = ("free", "occupied", "unknown", "closed")
NO_STAYS: Final = Stays()


def occupancy(site_id: str, span: Span, rows: Iterable[Row]) -> Occupancy:
    """Build the series from rows of bucket, zone_id, kind, state and ms (the sum over slots)."""
    bucket_ms = span.bucket_ms
    starts_ms = list(range(span.from_ms, span.to_ms, bucket_ms))
    sums: dict[tuple[str, SlotKind], dict[str, list[float]]] = {}
    for row in rows:
        group = sums.setdefault(
            (row["zone_id"], row["kind"]), {state: [0.0] * len(starts_ms) for state in _STATES}
        )
        length_ms = min(bucket_ms, span.to_ms - starts_ms[row["bucket"]])
        group[row["state"]][row["bucket"]] = round(row["ms"] / length_ms, 3)
    return Occupancy(
        site_id=site_id,
        time_zone=span.time_zone,
        from_ms=span.from_ms,
        to_ms=span.to_ms,
        bucket_ms=bucket_ms,
        starts_ms=starts_ms,
        series=[
            OccupancySeries(zone_id=zone_id, kind=kind, **states)
            for (zone_id, kind), states in sorted(sums.items())
        ],
    )


def usage(
    site_id: str, span: Span, hours: Iterable[Row], slots: Iterable[Row], stays: Iterable[Row]
) -> Usage:
    """Combine the rows of three queries: ms by hour and state; ms by slot and state; and stays by
    slot, by zone (no slot_id) and in total (no zone_id)."""
    ended = {(row["zone_id"], row["slot_id"]): _stays(row) for row in stays}
    by_slot = [_slot(row, ended) for row in slots]
    return Usage(
        site_id=site_id,
        time_zone=span.time_zone,
        from_ms=span.from_ms,
        to_ms=span.to_ms,
        stays=ended.get((None, None), NO_STAYS),
        zones=_zones(by_slot, ended),
        slots=by_slot,
        hours=week_hours(span, hours),
    )


def week_hours(span: Span, rows: Iterable[Row]) -> list[HourUsage]:
    """Sum rows of hour (counted from the start of the range), state and ms by local hour of the
    week. Clock changes are followed to the hour."""
    zone = zone_of(span.time_zone)
    free_ms: dict[tuple[int, int], int] = defaultdict(int)
    occupied_ms: dict[tuple[int, int], int] = defaultdict(int)
    places = set()
    for row in rows:
        at = datetime.fromtimestamp((span.from_ms + row["hour"] * HOUR_MS) / 1000, zone)
        place = (at.weekday(), at.hour)
        places.add(place)
        if row["state"] in ("free", "occupied"):
            (free_ms if row["state"] == "free" else occupied_ms)[place] += row["ms"]
    return [
        HourUsage(
            weekday=place[0],
            hour=place[1],
            occupied_share=_share(occupied_ms[place], free_ms[place]),
        )
        for place in sorted(places)
    ]


def _share(occupied_ms: int, free_ms: int) -> float | None:
    known_ms = occupied_ms + free_ms
    return round(occupied_ms / known_ms, 4) if known_ms else None


def _stays(row: Row) -> Stays:
    p50_ms, p90_ms = row["dwells_ms"] or (None, None)
    return Stays(count=row["count"], p50_ms=p50_ms, p90_ms=p90_ms)


def _slot(row: Row, ended: Mapping[tuple[Any, Any], Stays]) -> SlotUsage:
    return SlotUsage(**row, stays=ended.get((row["zone_id"], row["slot_id"]), NO_STAYS))


def _zones(slots: Iterable[SlotUsage], ended: Mapping[tuple[Any, Any], Stays]) -> list[ZoneUsage]:
    counts: dict[str, int] = defaultdict(int)
    for slot in slots:
        counts[slot.zone_id] += 1
    return [
        ZoneUsage(zone_id=zone_id, slots=count, stays=ended.get((zone_id, None), NO_STAYS))
        for zone_id, count in sorted(counts.items())
    ]
