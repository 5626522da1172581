"""Ranges of local days and the lengths of their buckets."""

from datetime import UTC, date, datetime

import pytest

from parking.core.errors import Invalid
from services.notifier.spans import (
    POINTS_MAX,
    Span,
    days_span,
    named_span,
)

HOUR = 3_600_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW = ms("2026-05-20T18:30")  # 01:30 of the next day in Jakarta


@pytest.mark.parametrize(
    ("name", "time_zone", "start", "end"),
    [
        ("today", "UTC", "2026-05-20T00:00", "2026-05-20T18:30"),
        ("today", "Asia/Jakarta", "2026-05-20T17:00", "2026-05-20T18:30"),
        ("yesterday", "UTC", "2026-05-19T00:00", "2026-05-20T00:00"),
        ("7d", "Asia/Jakarta", "2026-05-14T17:00", "2026-05-20T18:30"),
        ("30d", "UTC", "2026-04-21T00:00", "2026-05-20T18:30"),
    ],
)
def test_a_named_range_is_of_local_days_up_to_now(name: str, time_zone: str, start: str, end: str):
    assert named_span(name, time_zone, NOW) == Span(ms(start), ms(end), time_zone)


def test_a_day_on_which_the_clocks_change_is_shorter():
    day = date(2026, 3, 29)
    span = days_span(day, day, "Europe/Berlin", NOW)
    assert span.to_ms - span.from_ms == 23 * HOUR


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-05-02", "2026-05-01", "before"),
        ("2026-02-01", "2026-05-04", "more than 92 days"),
        ("2026-05-21", "2026-05-21", "future"),
        ("1969-01-01", "1969-01-02", "1970"),
        ("9999-12-31", "9999-12-31", "calendar"),
    ],
)
def test_a_range_without_an_answer_is_refused(first: str, last: str, words: str):
    with pytest.raises(Invalid, match=words):
        days_span(date.fromisoformat(first), date.fromisoformat(last), "UTC", NOW)


def test_92_days_are_allowed_and_keep_within_the_points():
    span = days_span(date(2026, 2, 1), date(2026, 5, 3), "UTC", NOW)
    assert (span.to_ms - span.from_ms) / span.bucket_ms <= POINTS_MAX
    assert span.bucket_ms == 6 * HOUR


def test_buckets_of_a_day_are_minutes():
    assert named_span("yesterday", "UTC", NOW).bucket_ms == 5 * 60_000


@pytest.mark.parametrize("name", ["Asia/Jakata", "../../etc/passwd", "", "a\0b"])
def test_an_unknown_time_zone_is_refused(name: str):
    with pytest.raises(Invalid, match="not a time zone"):
        named_span("today", name, NOW)
