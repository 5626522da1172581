"""The route that shows plates, to whoever has a key with scope `plates`; each look is logged."""

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from parking.errors import Invalid
from parking.plates import Plates, SitePlates
from services.notifier.auth import Door
from services.notifier.history import History
from services.notifier.routes_devices import Site
from services.notifier.views import PlatesRead
from services.notifier.web import ApiError, errors, json_response, returns

SCOPE: Final = "plates"
log = logging.getLogger(__name__)

Session = Annotated[str, Query(min_length=1, max_length=300, description="its session_id")]

# Of several passages at a gate in the same millisecond, the one that the session is named after.
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


def plate_routes(door: Door, plates: Plates, history: History | None) -> APIRouter:
    """The one there is."""
    router = APIRouter()

    @router.get(
        "/api/sites/{site}/plates",
        tags=["sessions"],
        summary="The plates read of a session",
        description="Needs a key with scope `plates`.",
        responses=returns(PlatesRead, "From Postgres") | errors(401, 403, 404, 409),
        openapi_extra={"security": [{"key": []}]},
    )
    async def session_plates(request: Request, site: Site, session: Session) -> Response:
        who = door.holder(request, SCOPE).name
        rule = plates.of(site)
        if rule.rule != "text":
            raise ApiError(404, "no-plates", f"site {site!r} keeps no plates")
        if history is None:
            raise ApiError(503, "no-history", "DATABASE_URL is not set: no plate is known")
        rows = await history.rows(_SEALED, {"site": site, "session": session})
        if not rows:
            raise ApiError(404, "no-session", f"site {site!r} has no session {session!r}")
        log.info("key %s looks at the plates of session %s", who, session)
        entry, leaving = (_opened(rule, rows[0], which) for which in ("entry", "exit"))
        read = PlatesRead(session_id=session, entry_plate=entry, exit_plate=leaving)
        return json_response(read)

    return router


def _opened(rule: SitePlates, row: dict[str, Any], which: str) -> str | None:
    sealed = row[f"{which}_sealed"]
    if sealed is None:
        return None
    try:
        return rule.reveal(row[f"{which}_id"], sealed)
    except Invalid as error:
        raise ApiError(409, error.reason, error.detail) from error
