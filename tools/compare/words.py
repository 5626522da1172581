"""Format numbers and times for people."""

from datetime import UTC, datetime
from typing import Final

from tools.compare.timeline import Shown

MISSING: Final = "-"


def clock(time_ms: int, *, day: bool = False) -> str:
    """Format a time, UTC."""
    form = "%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S"
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)


def span(from_ms: int, to_ms: int) -> str:
    """Format a span, UTC. The day appears once if both ends share it."""
    same = time_day(from_ms) == time_day(to_ms)
    return f"{clock(from_ms, day=True)} to {clock(to_ms, day=not same)} UTC"


def time_day(time_ms: int) -> int:
    """Return the days since 1970, UTC."""
    return time_ms // 86_400_000


def duration(seconds: float) -> str:
    """Format a duration."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def percent(share: float | None, digits: int = 1) -> str:
    """Format a share of one as a percentage."""
    return MISSING if share is None else f"{share * 100:.{digits}f} %"


def pair_of_percent(a: float | None, b: float | None) -> tuple[str, str]:
    """Format two shares with one unit."""
    return percent(a).removesuffix(" %"), percent(b)


def confidence(value: float | None) -> str:
    """Format a confidence."""
    return "" if value is None else f"{value:.2f}"


def shown(one: Shown) -> str:
    """Format a state and its confidence, or the reason for unknown."""
    if one.state == "unknown":
        return f"unknown ({one.reason})" if one.reason else "unknown"
    sure = confidence(one.confidence)
    return f"{one.state} ({sure})" if sure else one.state
