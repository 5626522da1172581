"""Time ranges of the history, in a site's time zone. Pure, except that the time zones are read from
files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parking.core.errors import Invalid

DAYS_MAX: Final = 92
POINTS_MAX: Final = 400
HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
# Each divides a day evenly, so that points are at the same local times every day.
_BUCKETS_MS: Final = tuple(
    minutes * _MINUTE_MS for minutes in (1, 5, 15, 30, 60, 120, 180, 360, 720, 1440)
)
# The first and the last day of each named range, counted back from today.
RANGES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"today": (0, 0), "yesterday": (1, 1), "7d": (6, 0), "30d": (29, 0)}
)


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time from `from_ms` up to, but not including, `to_ms`."""

    from_ms: int
    to_ms: int
    time_zone: str

    @property
    def bucket_ms(self) -> int:
        """The shortest interval that needs at most POINTS_MAX points."""
        length_ms = self.to_ms - self.from_ms
        return next(b for b in _BUCKETS_MS if length_ms <= POINTS_MAX * b)


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises Invalid."""
    if name == "UTC":  # exists without the system's files
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        detail = f"{name!r} is not a time zone known to this computer; use one like Asia/Jakarta"
        raise Invalid("bad-time-zone", detail) from error


def named_span(name: str, time_zone: str, now_ms: int) -> Span:
    """Return a range of RANGES, up to now."""
    today = datetime.fromtimestamp(now_ms / 1000, zone_of(time_zone)).date()
    first, last = (today - timedelta(days=days) for days in RANGES[name])
    return days_span(first, last, time_zone, now_ms)


def days_span(first: date, last: date, time_zone: str, now_ms: int) -> Span:
    """Return the range of whole local days, cut off at now. Raises Invalid."""
    if last < first:
        raise Invalid("bad-range", f"to_day {last} is before from_day {first}")
    if (last - first).days >= DAYS_MAX:
        raise Invalid("bad-range", f"{first} to {last} is more than {DAYS_MAX} days")
    try:
        from_ms = _midnight_ms(first, time_zone)
        to_ms = min(_midnight_ms(last + timedelta(days=1), time_zone), now_ms)
    except (OverflowError, ValueError, OSError) as error:
        raise Invalid("bad-range", f"{first} to {last} is outside the calendar") from error
    if to_ms <= from_ms or from_ms < 0:
        raise Invalid("bad-range", f"{first} is in the future, or before 1970")
    return Span(from_ms, to_ms, time_zone)


def _midnight_ms(day: date, time_zone: str) -> int:
    return round(datetime.combine(day, time(), zone_of(time_zone)).timestamp() * 1000)
