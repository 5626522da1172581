"""The routes that read history from Postgres, page by page (paging.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from parking.core.events import CauseKind
from parking.core.ids import CAMERA
from parking.core.topics import site_of
from services.notifier.api.paging import LATEST_MS, Cursor, PageEnd, page, pages, place_after
from services.notifier.api.routes_read import Limit, Site, Slot
from services.notifier.api.web import ApiError, json_response
from services.notifier.history import History
from services.notifier.views import Capture, PastChange

Part = TypeVar("Part")
TimeMs = Annotated[int, Query(ge=0, le=LATEST_MS, description="Unix time in milliseconds")]
_DESCRIPTION: Final = "The rows, from Postgres; `Link` with rel=next leads to older ones"

_CHANGES: Final = """
select id, site_id, slot_id, zone_id, time_ms, from_state, to_state, version, dwell_ms, confidence,
       reason, cause_kind, camera_id, frame_id, evidence_key, evidence_missing
from slot_changes
where run = 'live' and time_ms between %(from_ms)s and %(to_ms)s
  and (%(site)s::text is null or site_id = %(site)s)
  and (%(slot)s::text is null or slot_id = %(slot)s)
  and (%(zone)s::text is null or zone_id = %(zone)s)
  and (%(cause)s::text is null or cause_kind = %(cause)s)
  and (%(id)s::text is null or (time_ms, version, id) < (%(to_ms)s, %(version)s, %(id)s))
order by time_ms desc, version desc, id desc limit %(limit)s
"""
_CAPTURE: Final = (
    "frame_id, site_id, camera_id, time_ms, status, skipped_for, width, height, sha256, object_key"
)
_OLDER: Final = "(%(id)s::text is null or (time_ms, frame_id) < (%(to_ms)s, %(id)s))"
_CAPTURES: Final = f"""
select {_CAPTURE} from captures
where time_ms between %(from_ms)s and %(to_ms)s
  and (%(camera)s::text is null or camera_id = %(camera)s)
  and {_OLDER}
order by time_ms desc, frame_id desc limit %(limit)s
"""  # noqa: S608 -- names of our own code only
# Takes the newest rows of each of the site's cameras, and of these the newest.
_CAPTURES_OF_SITE: Final = f"""
select newest.* from cameras c cross join lateral (
  select {_CAPTURE} from captures
  where camera_id = c.camera_id and time_ms between %(from_ms)s and %(to_ms)s and {_OLDER}
  order by time_ms desc, frame_id desc limit %(limit)s) newest
where c.site_id = %(site)s
order by time_ms desc, frame_id desc limit %(limit)s
"""  # noqa: S608 -- as above


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows to read: between two times, newest first, up to a limit, after a cursor."""

    from_ms: TimeMs = 0
    to_ms: TimeMs = LATEST_MS
    limit: Limit = 100
    cursor: Cursor = None

    def chosen(self) -> dict[str, Any]:
        """Return the arguments of the queries. Raises ApiError 422 for an invalid cursor."""
        times = {"from_ms": self.from_ms, "to_ms": self.to_ms, "limit": self.limit}
        place = place_after(self.cursor)
        if place is None:
            return times | {"version": 0, "id": None}
        return times | {"to_ms": place.time_ms, "version": place.version, "id": place.id}


def history_routes(history: History | None) -> APIRouter:
    """Return the routes about history. Only these routes need Postgres."""
    router = APIRouter()

    @router.get(
        "/api/history/changes",
        tags=["history"],
        summary="List past slot changes, newest first",
        responses=pages(list[PastChange], _DESCRIPTION),
    )
    async def past_changes(
        request: Request,
        window: Annotated[Window, Depends()],
        site: Site = None,
        slot: Slot = None,
        zone: Slot = None,
        cause: Annotated[
            CauseKind | None, Query(description="id of the record that caused the change")
        ] = None,
    ) -> Response:
        chosen = {"site": site, "slot": slot, "zone": zone, "cause": cause} | window.chosen()
        rows = await require(history).rows(_CHANGES, chosen)
        return _page(request, rows, window.limit, "id")

    @router.get(
        "/api/captures",
        tags=["history"],
        summary="List past frames, newest first",
        responses=pages(list[Capture], _DESCRIPTION),
    )
    async def captures(
        request: Request,
        window: Annotated[Window, Depends()],
        site: Site = None,
        camera: Annotated[str | None, Query(pattern=CAMERA)] = None,
    ) -> Response:
        past = require(history)
        if camera is not None and site not in (None, site_of(camera)):
            return json_response([])  # instead of searching all that the camera ever took
        query = _CAPTURES if site is None or camera is not None else _CAPTURES_OF_SITE
        rows = await past.rows(query, {"site": site, "camera": camera} | window.chosen())
        return _page(request, rows, window.limit, "frame_id")

    return router


def _page(request: Request, rows: Sequence[Mapping[str, Any]], limit: int, name: str) -> Response:
    if len(rows) < limit:
        return page(request, rows, None)
    last = rows[-1]
    return page(request, rows, PageEnd(last["time_ms"], last.get("version", 0), last[name]))


def require(part: Part | None) -> Part:
    """Return the part that reads Postgres. Raises ApiError 503 without DATABASE_URL."""
    if part is None:
        raise ApiError(503, "no-history", "DATABASE_URL is not set: there is no history")
    return part
