"""How a site was used, from the sums that Postgres answers with."""

from datetime import UTC, datetime
from typing import Any

from services.notifier.spans import Span
from services.notifier.usage import occupancy, usage, week_hours
from services.notifier.usageviews import HourUsage, Stays

HOUR = 3_600_000
MONDAY = round(datetime(2026, 5, 18, tzinfo=UTC).timestamp() * 1000)


def test_a_point_is_the_average_number_of_slots_also_where_the_last_bucket_is_cut_off():
    span = Span(MONDAY, MONDAY + 90 * 60_000, "UTC")  # buckets of a minute
    assert span.bucket_ms == 60_000
    short = Span(MONDAY, MONDAY + 90_000, "UTC")
    rows = [
        {"bucket": 0, "zone_id": "A", "kind": "ev", "state": "occupied", "ms": 90_000},
        {"bucket": 1, "zone_id": "A", "kind": "ev", "state": "occupied", "ms": 15_000},
        {"bucket": 1, "zone_id": "A", "kind": "ev", "state": "free", "ms": 45_000},
    ]
    (series,) = occupancy("demo", short, rows).series
    assert (series.occupied, series.free) == ([1.5, 0.5], [0.0, 1.5])


def test_without_changes_there_are_times_and_no_series():
    answer = occupancy("demo", Span(MONDAY, MONDAY + HOUR, "UTC"), [])
    assert (len(answer.starts_ms), answer.series) == (60, [])


def test_hours_are_local_and_those_of_the_same_weekday_add_up():
    week = 7 * 24
    span = Span(MONDAY, MONDAY + 2 * week * HOUR, "Asia/Jakarta")  # UTC+7
    rows = [
        {"hour": 0, "state": "occupied", "ms": HOUR},
        {"hour": week, "state": "free", "ms": 3 * HOUR},
        {"hour": 20, "state": "unknown", "ms": HOUR},
    ]
    assert week_hours(span, rows) == [
        HourUsage(weekday=0, hour=7, occupied_share=0.25),
        HourUsage(weekday=1, hour=3, occupied_share=None),
    ]


def test_stays_go_to_their_slot_their_zone_and_all():
    slot = {"zone_id": "A", "kind": "ev", "free_ms": 1, "occupied_ms": 2, "unknown_ms": 3}
    slots = [slot | {"slot_id": name, "closed_ms": 4} for name in ("A1", "A2")]
    stays: list[dict[str, Any]] = [
        {"zone_id": None, "slot_id": None, "count": 2, "dwells_ms": [5, 9]},
        {"zone_id": "A", "slot_id": None, "count": 2, "dwells_ms": [5, 9]},
        {"zone_id": "A", "slot_id": "A1", "count": 2, "dwells_ms": [5, 9]},
    ]
    both = Stays(count=2, p50_ms=5, p90_ms=9)
    answer = usage("demo", Span(MONDAY, MONDAY + HOUR, "UTC"), [], slots, stays)
    assert (answer.stays, answer.zones[0].slots, answer.zones[0].stays) == (both, 2, both)
    assert [each.stays for each in answer.slots] == [both, Stays()]


def test_a_site_without_stays_has_none():
    nothing = [{"zone_id": None, "slot_id": None, "count": 0, "dwells_ms": None}]
    assert usage("demo", Span(MONDAY, MONDAY + HOUR, "UTC"), [], [], nothing).stays == Stays()
