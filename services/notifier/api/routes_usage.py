"""The routes that report how a site was used, computed from the slot changes in Postgres.

Postgres computes the sums, because a month of a large lot has hundreds of thousands of changes.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from parking.core.errors import Invalid
from parking.core.ids import PART
from parking.core.sitesettings import site_settings
from parking.wire.ports import Clock
from services.notifier.api.routes_history import require
from services.notifier.api.web import json_response, returns
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.readiness import ready_state
from services.notifier.spans import DAYS_MAX, HOUR_MS, Span, days_span, named_span
from services.notifier.usage import occupancy, usage
from services.notifier.usageviews import Occupancy, Usage

# Selects a slot's changes in the range, and the earlier ones starting with the last change to free
# or closed. These contain its state at the start of the range, and the start of a stay that ends in
# the range. The last change of a removed slot is to unknown, so it counts up to then.
_CHANGES: Final = """
with changes as (
    select s.slot_id, s.zone_id, s.kind, c.time_ms, c.version, c.id, c.to_state, c.reason
    from slots s
    left join lateral (
        select time_ms from slot_changes
        where run = 'live' and site_id = s.site_id and slot_id = s.slot_id
          and time_ms < %(from_ms)s and to_state in ('free', 'closed')
        order by time_ms desc limit 1
    ) before on true
    cross join lateral (
        select time_ms, version, id, to_state, reason from slot_changes
        where run = 'live' and site_id = s.site_id and slot_id = s.slot_id
          and time_ms >= coalesce(before.time_ms, 0) and time_ms < %(to_ms)s
    ) c
    where s.site_id = %(site)s
)
"""
_INTERVALS: Final = f"""{_CHANGES}, all_intervals as (
    select slot_id, zone_id, kind, to_state as state, reason,
           greatest(time_ms, %(from_ms)s) as since_ms,
           lead(time_ms, 1, %(to_ms)s)
               over (partition by slot_id order by time_ms, version, id) as until_ms
    from changes
), intervals as (
    select * from all_intervals where until_ms > since_ms and reason <> 'removed'
)
"""  # noqa: S608 -- our own texts
_SPLIT: Final = """
from intervals cross join lateral generate_series(
    (since_ms - %(from_ms)s) / %(step_ms)s, (until_ms - 1 - %(from_ms)s) / %(step_ms)s) as step
"""
_SHARE: Final = """sum(least(until_ms, %(from_ms)s + (step + 1) * %(step_ms)s)
    - greatest(since_ms, %(from_ms)s + step * %(step_ms)s))::bigint as ms"""
_OCCUPANCY: Final = (
    f"{_INTERVALS} select step::int as bucket, zone_id, kind, state, {_SHARE} {_SPLIT} "
    "group by 1, 2, 3, 4"
)
_HOURS: Final = f"{_INTERVALS} select step::int as hour, state, {_SHARE} {_SPLIT} group by 1, 2"
_SLOTS: Final = f"""{_INTERVALS}
select slot_id, zone_id, kind,
       coalesce(sum(until_ms - since_ms) filter (where state = 'free'), 0)::bigint as free_ms,
       coalesce(sum(until_ms - since_ms) filter (where state = 'occupied'), 0)::bigint
           as occupied_ms,
       coalesce(sum(until_ms - since_ms) filter (where state = 'unknown'), 0)::bigint as unknown_ms,
       coalesce(sum(until_ms - since_ms) filter (where state = 'closed'), 0)::bigint as closed_ms
from intervals group by 1, 2, 3 order by 1
"""  # noqa: S608 -- as above
# If a slot is unknown in between, that does not end a stay. A stay whose start was not seen has no
# length.
_STAYS: Final = f"""{_CHANGES}, known as (
    select *, lag(to_state) over (partition by slot_id order by time_ms, version, id) as was
    from changes where to_state <> 'unknown'
), stays as (
    select slot_id, zone_id, was, to_state, time_ms as since_ms,
           lead(time_ms) over (partition by slot_id order by time_ms, version, id) as until_ms
    from known where was is distinct from to_state
)
select zone_id, slot_id, count(*) as count,
       percentile_disc(array[0.5, 0.9]) within group (order by until_ms - since_ms) as dwells_ms
from stays where was is not null and to_state = 'occupied' and until_ms >= %(from_ms)s
group by grouping sets ((), (zone_id), (zone_id, slot_id))
"""  # noqa: S608 -- as above


@dataclass(frozen=True, slots=True)
class Days:
    """The requested days, before the site's time zone is known: either a name, or the first and the
    last day. `time_zone` is for a site that has none."""

    name: str
    days: tuple[date, date] | None
    time_zone: str

    def span(self, time_zone: str, now_ms: int) -> Span:
        """Return the range in a time zone. Raises Invalid."""
        if self.days is None:
            return named_span(self.name, time_zone, now_ms)
        return days_span(*self.days, time_zone, now_ms)


def chosen_span(
    range_: Annotated[
        Literal["today", "yesterday", "7d", "30d"],
        Query(alias="range", description="local days up to today; unused with from_day and to_day"),
    ] = "today",
    from_day: Annotated[date | None, Query(description="first local day; needs to_day")] = None,
    to_day: Annotated[
        date | None,
        Query(description=f"last local day, {DAYS_MAX} days in all at most"),
    ] = None,
    time_zone: Annotated[
        str,
        Query(max_length=80, description="IANA name, for a site without a time zone of its own"),
    ] = "UTC",
) -> Days:
    """Read the range from the query. Raises Invalid."""
    if (from_day is None) != (to_day is None):
        raise Invalid("bad-range", "give both from_day and to_day, or neither")
    days = None if from_day is None or to_day is None else (from_day, to_day)
    return Days(range_, days, time_zone)


ChosenDays = Annotated[Days, Depends(chosen_span)]
ChosenSite = Annotated[str, Query(pattern=PART)]


def usage_routes(feed: Feed, history: History | None, clock: Clock) -> APIRouter:
    """Return both routes. They need Postgres."""
    router = APIRouter()

    @router.get(
        "/api/history/occupancy",
        tags=["history"],
        summary="Get how many slots were free or occupied over time, by zone and kind",
        responses=returns(Occupancy, "At most 400 points"),
    )
    async def past_occupancy(site: ChosenSite, days: ChosenDays) -> Response:
        past = require(history)
        span = days.span(_time_zone(feed, site, days), clock.now_ms())
        rows = await past.rows(_OCCUPANCY, _arguments(site, span, span.bucket_ms))
        return json_response(occupancy(site, span, rows))

    @router.get(
        "/api/history/usage",
        tags=["history"],
        summary="Get how a site and its slots were used: stays, their lengths and busy hours",
        responses=returns(Usage, "The usage, with slots sorted by slot_id"),
    )
    async def past_usage(site: ChosenSite, days: ChosenDays) -> Response:
        past = require(history)
        span = days.span(_time_zone(feed, site, days), clock.now_ms())
        arguments = _arguments(site, span, HOUR_MS)
        # One after the other, because a request may take only one of the few connections.
        hours, slots, stays = [
            await past.rows(query, arguments) for query in (_HOURS, _SLOTS, _STAYS)
        ]
        return json_response(usage(site, span, hours, slots, stays))

    return router


def _time_zone(feed: Feed, site_id: str, days: Days) -> str:
    layouts = ready_state(feed).layouts.values()
    settings = site_settings(one for one in layouts if one.site_id == site_id)
    return (settings and settings.time_zone) or days.time_zone


def _arguments(site: str, span: Span, step_ms: int) -> dict[str, Any]:
    return {"site": site, "from_ms": span.from_ms, "to_ms": span.to_ms, "step_ms": step_ms}
