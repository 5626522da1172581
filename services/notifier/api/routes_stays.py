"""The routes that read the stays of vehicles from memory."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from parking.core.events import SessionChanged
from services.notifier.api.paging import Cursor, PageEnd, page, pages, place_after
from services.notifier.api.routes_read import Limit, Site
from services.notifier.feed import Feed
from services.notifier.readiness import ready_state
from services.notifier.state import stay_key

_FILTERS = """`drift=true` returns only reports of gate drift, regardless of `open`: entries above
the capacity (reason `gate-drift`) and exits without an entry. A stay that changes while you read
page by page moves to the front, as does its newest record on the event stream."""


def stay_routes(feed: Feed) -> APIRouter:
    """Return the routes for stays."""
    router = APIRouter()

    @router.get(
        "/api/sessions",
        tags=["sessions"],
        summary="List vehicles' stays, newest first, each in its latest state",
        description=_FILTERS,
        responses=pages(
            list[SessionChanged],
            "All open stays, the last thousand ended ones and the last 200 reports of drift; "
            "`Link` with rel=next leads to older ones",
        ),
    )
    async def sessions(
        request: Request,
        site: Site = None,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
        drift: bool = False,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response:
        place, state = place_after(cursor), ready_state(feed)
        found = state.drift_reports(site) if drift else state.sessions(site, is_open)
        if place is not None:
            end = (place.time_ms, place.id)
            found = [stay for stay in found if stay_key(stay) < end]
        rows = found[:limit]
        last = PageEnd(rows[-1].time_ms, 0, rows[-1].session_id) if len(found) > limit else None
        return page(request, rows, last)

    return router
