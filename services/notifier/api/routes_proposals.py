"""The route that proposes slots, based on where vehicles stood."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from parking.wire.ports import Clock
from services.notifier.api.routes_history import require
from services.notifier.api.web import ApiError, errors, json_response, returns
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.readiness import ready_state
from services.notifier.slotproposals import SlotProposals, Source, propose_slots

ChosenSource = Annotated[
    Source, Query(description="the newest healthy picture, or the last 24 hours")
]


def proposal_routes(feed: Feed, history: History | None, clock: Clock) -> APIRouter:
    """Return the route. It needs Postgres. Only one request is computed at a time, because each
    needs a processor for a while."""
    router = APIRouter()
    turn = asyncio.Lock()

    @router.get(
        "/api/cameras/{site}/{device}/slot-proposals",
        tags=["cameras"],
        summary="Propose slots from where vehicles stood",
        description=(
            "Proposals are never applied automatically. Correct them and PUT them in a layout."
        ),
        responses=returns(SlotProposals, "The proposals, row by row, from at most 288 frames")
        | errors(404),
    )
    async def slot_proposals(site: str, device: str, source: ChosenSource = "day") -> Response:
        past, camera_id = require(history), f"{site}/{device}"
        if ready_state(feed).camera_view(camera_id) is None:
            raise ApiError(404, "no-camera", f"there is no camera {camera_id!r}")
        async with turn:
            found = await propose_slots(past, camera_id, source, clock.now_ms())
        return json_response(found)

    return router
