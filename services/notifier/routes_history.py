"""The routes that read the past, from Postgres, page by page.

A page's `Link: <...>; rel="next"` is the address of the next, older one; without it nothing older
is there. Its cursor is the place of the page's last row, so that rows that come meanwhile neither
shift nor double what follows.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from parking.ids import CAMERA
from parking.topics import site_of
from services.notifier.history import History
from services.notifier.routes_read import Limit, Site, Slot
from services.notifier.views import Capture, PastChange
from services.notifier.web import ApiError, Responses, json_response, returns

_NOW_MS: Final = 2**53
TimeMs = Annotated[int, Query(ge=0, le=_NOW_MS, description="Unix time in milliseconds")]
Cursor = Annotated[
    str | None,
    Query(max_length=600, description="from the `Link` of the page before; all else as there"),
]

_CHANGES: Final = """
select id, site_id, slot_id, zone_id, time_ms, from_state, to_state, version, dwell_ms, confidence,
       reason, camera_id, frame_id, evidence_key, evidence_missing
from slot_changes
where run = 'live' and time_ms between %(from_ms)s and %(to_ms)s
  and (%(site)s::text is null or site_id = %(site)s)
  and (%(slot)s::text is null or slot_id = %(slot)s)
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
# The newest of each of its cameras, and of these the newest.
_CAPTURES_OF_SITE: Final = f"""
select newest.* from cameras c cross join lateral (
  select {_CAPTURE} from captures
  where camera_id = c.camera_id and time_ms between %(from_ms)s and %(to_ms)s and {_OLDER}
  order by time_ms desc, frame_id desc limit %(limit)s) newest
where c.site_id = %(site)s
order by time_ms desc, frame_id desc limit %(limit)s
"""  # noqa: S608 -- as above


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: its last row."""

    time_ms: Annotated[int, msgspec.Meta(ge=0, le=_NOW_MS)]
    version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    id: Annotated[str, msgspec.Meta(max_length=300)]


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows: between two times, newest first, so many, from a cursor on."""

    from_ms: TimeMs = 0
    to_ms: TimeMs = _NOW_MS
    limit: Limit = 100
    cursor: Cursor = None

    def chosen(self) -> dict[str, Any]:
        """As the queries' arguments. Raises ApiError 422 for a cursor that is none."""
        times = {"from_ms": self.from_ms, "to_ms": self.to_ms, "limit": self.limit}
        return times | _after(self.cursor)


def history_routes(history: History | None) -> APIRouter:
    """All of them. Only these need Postgres."""
    router = APIRouter()

    @router.get(
        "/api/history/changes",
        tags=["history"],
        summary="Slot changes of the past, newest first",
        responses=_pages(list[PastChange]),
    )
    async def past_changes(
        request: Request,
        window: Annotated[Window, Depends()],
        site: Site = None,
        slot: Slot = None,
    ) -> Response:
        chosen = {"site": site, "slot": slot} | window.chosen()
        rows = await _there(history).rows(_CHANGES, chosen)
        return _page(request, rows, window.limit, "id")

    @router.get(
        "/api/captures",
        tags=["history"],
        summary="Frames of the past, newest first",
        responses=_pages(list[Capture]),
    )
    async def captures(
        request: Request,
        window: Annotated[Window, Depends()],
        site: Site = None,
        camera: Annotated[str | None, Query(pattern=CAMERA)] = None,
    ) -> Response:
        past = _there(history)
        if camera is not None and site not in (None, site_of(camera)):
            return json_response([])  # and not a search of all that the camera ever took
        query = _CAPTURES if site is None or camera is not None else _CAPTURES_OF_SITE
        rows = await past.rows(query, {"site": site, "camera": camera} | window.chosen())
        return _page(request, rows, window.limit, "frame_id")

    return router


def _pages(type_: Any) -> Responses:
    responses = returns(type_, "From Postgres; `Link` with rel=next leads to older ones")
    link = {
        "description": '<...>; rel="next", where older ones may be',
        "schema": {"type": "string"},
    }
    responses[200]["headers"] = {"Link": link}
    return responses


def _after(cursor: str | None) -> dict[str, Any]:
    """The query's arguments for what comes after a cursor. Raises ApiError 422."""
    if cursor is None:
        return {"version": 0, "id": None}
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=Place)
        if "\0" in place.id:
            raise ValueError("no id")
    except (ValueError, msgspec.MsgspecError) as error:
        detail = "cursor: take it from the Link header of the page before, unchanged"
        raise ApiError(422, "bad-cursor", detail) from error
    return {"to_ms": place.time_ms, "version": place.version, "id": place.id}


def _page(request: Request, rows: Sequence[Mapping[str, Any]], limit: int, name: str) -> Response:
    if len(rows) < limit:
        return json_response(rows)
    last = rows[-1]
    place = Place(last["time_ms"], last.get("version", 0), last[name])
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
    url = request.url.include_query_params(cursor=cursor)
    return json_response(rows, headers={"Link": f'<{url.path}?{url.query}>; rel="next"'})


def _there(history: History | None) -> History:
    if history is None:
        raise ApiError(503, "no-history", "DATABASE_URL is not set: nothing of the past is known")
    return history
