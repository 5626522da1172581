"""The routes that show plates. They need a key with the scope `plates`, and each access is
logged."""

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from parking.access.plates import Plates, SitePlates
from parking.core.errors import Invalid
from parking.core.events import SessionChanged
from services.notifier.api.auth import detail, sender
from services.notifier.api.bodies import PlateSearch
from services.notifier.api.routes_devices import Site
from services.notifier.api.web import (
    WRITE_ERRORS,
    ApiError,
    errors,
    json_response,
    read_json,
    returns,
    takes,
)
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.readiness import ready_state
from services.notifier.views import PlatesRead

FOUND_MAX: Final = 100
_SEARCH: Final = """This needs a key with scope `plates`. Only equal plates match: letters and
digits are compared in upper case, and nothing else is. It is a POST so that no plate appears in an
address, because servers log addresses."""
log = logging.getLogger(__name__)

Session = Annotated[str, Query(min_length=1, max_length=300, description="its session_id")]

# If several passages at a gate have the same millisecond, use the one whose id the session has.
_SEALED: Final = """
select s.session_id, entry.id as entry_id, entry.sealed as entry_sealed,
       leaving.id as exit_id, leaving.sealed as exit_sealed
from sessions s
left join plates entry on entry.site_id = s.site_id and entry.direction = 'entry'
  and entry.time_ms = s.entry_at_ms and entry.gate_id = s.entry_gate_id
left join plates leaving on leaving.site_id = s.site_id and leaving.direction = 'exit'
  and leaving.time_ms = s.exit_at_ms and leaving.gate_id = s.exit_gate_id
where s.run = 'live' and s.site_id = %(site)s and s.session_id = %(session)s
order by (entry.id = s.session_id or leaving.id = s.session_id) desc nulls last limit 1
"""


def plate_routes(plates: Plates, history: History | None, feed: Feed) -> APIRouter:
    """Return the routes about plates."""
    router = APIRouter()

    @router.get(
        "/api/sites/{site}/plates",
        tags=["sessions"],
        summary="Get the plates that were read for a session",
        description="This needs a key with scope `plates`.",
        responses=returns(PlatesRead, "The plates, from Postgres") | errors(401, 403, 404, 409),
        openapi_extra={"security": [{"key": []}]},
    )
    async def session_plates(request: Request, site: Site, session: Session) -> Response:
        detail(request, f"of stay {session}")
        who = sender(request).label
        rule = _keeping(plates, site)
        if history is None:
            raise ApiError(503, "no-history", "DATABASE_URL is not set: no plates are available")
        rows = await history.rows(_SEALED, {"site": site, "session": session})
        if not rows:
            raise ApiError(404, "no-session", f"site {site!r} has no session {session!r}")
        log.info("%s reads the plates of session %s", who, session)
        entry, leaving = (_opened(rule, rows[0], which) for which in ("entry", "exit"))
        read = PlatesRead(session_id=session, entry_plate=entry, exit_plate=leaving)
        return json_response(read)

    @router.post(
        "/api/sites/{site}/plates/search",
        tags=["sessions"],
        summary="Find a plate's stays, newest first",
        description=_SEARCH,
        responses=returns(list[SessionChanged], "Matching open stays and those that ended last")
        | WRITE_ERRORS,
        openapi_extra=takes(PlateSearch, {"plate": "B 1234 XYZ"}),
    )
    async def search_plate(request: Request, site: Site) -> Response:
        who = sender(request).label
        body = await read_json(request, PlateSearch)
        sought = _keeping(plates, site).take("search", body.plate, None).plate_hash
        if sought is None:
            raise ApiError(422, "bad-plate", "plate: it has no letters or digits")
        stays = ready_state(feed).sessions(site, None)
        found = [stay for stay in stays if stay.plate_hash == sought][:FOUND_MAX]
        log.info("%s searches a plate at site %s: %d stays", who, site, len(found))
        return json_response(found)

    return router


def _keeping(plates: Plates, site: str) -> SitePlates:
    """Return the rule of a site that keeps plates. Raises ApiError 404."""
    rule = plates.of(site)
    if rule.rule != "text":
        raise ApiError(404, "no-plates", f"site {site!r} keeps no plates")
    return rule


def _opened(rule: SitePlates, row: dict[str, Any], which: str) -> str | None:
    sealed = row[f"{which}_sealed"]
    if sealed is None:
        return None
    try:
        return rule.reveal(row[f"{which}_id"], sealed)
    except Invalid as error:
        raise ApiError(409, error.reason, error.detail) from error
