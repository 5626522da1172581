"""The routes that show a site at one moment of the past."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response

from parking.core.ids import CAMERA, PART
from services.notifier.api.routes_history import TimeMs, require
from services.notifier.api.web import errors, json_response, returns, streams
from services.notifier.moments import Moments
from services.notifier.usageviews import CameraMoment, SiteMoment, SlotMoment


def moment_routes(moments: Moments | None) -> APIRouter:
    """Return both routes. They need Postgres; pictures also need the object store."""
    router = APIRouter()

    @router.get(
        "/api/history/moment",
        tags=["history"],
        summary=(
            "Get a site at one moment: each slot's state and each camera's newest stored picture"
        ),
        responses=returns(SiteMoment, "Slots sorted by slot_id, pictures by camera_id"),
    )
    async def site_moment(site: Annotated[str, Query(pattern=PART)], at_ms: TimeMs) -> Response:
        found = await require(moments).moment(site, at_ms)
        return json_response(
            SiteMoment(
                site_id=site,
                time_ms=at_ms,
                previous_ms=found.previous_ms,
                next_ms=found.next_ms,
                slots=[SlotMoment(**row) for row in found.slots],
                pictures=[_view(row["camera_id"], row["time_ms"]) for row in found.pictures],
            )
        )

    @router.get(
        "/api/history/moment.jpg",
        tags=["history"],
        summary="Get a camera's newest stored picture at one moment",
        responses=streams("image/jpeg", "The picture as the camera sent it")
        | errors(404, 422, 503),
    )
    async def camera_moment(
        camera: Annotated[str, Query(pattern=CAMERA)], at_ms: TimeMs
    ) -> Response:
        jpeg = await require(moments).picture(camera, at_ms)
        return Response(jpeg, headers={"Cache-Control": "no-store"}, media_type="image/jpeg")

    return router


def _view(camera_id: str, time_ms: int) -> CameraMoment:
    query = urlencode({"camera": camera_id, "at_ms": time_ms})
    url = f"/api/v1/history/moment.jpg?{query}"
    return CameraMoment(camera_id=camera_id, time_ms=time_ms, url=url)
