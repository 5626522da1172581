"""The routes that read the versions of a camera's layout. A PUT of an older version rolls back to
it."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from parking.core.events import LayoutPublished
from services.notifier.api.paging import LATEST_MS
from services.notifier.api.routes_history import require
from services.notifier.api.web import ApiError, errors, json_response, returns
from services.notifier.history import History
from services.notifier.views import LayoutVersion

MOST: Final = 100
# Versions count within one log, so those of a Kafka that was wiped are not included.
_VERSIONS: Final = """
select l.version, l.time_ms, jsonb_array_length(l.body->'slots') as slots,
       coalesce((l.body->>'removed')::boolean, false) as removed
from cameras c join layouts l on l.log_id = c.layout_log_id and l.camera_id = c.camera_id
where c.camera_id = %(camera)s
order by l.version desc limit %(limit)s
"""
_VERSION: Final = """
select l.body
from cameras c join layouts l on l.log_id = c.layout_log_id and l.camera_id = c.camera_id
where c.camera_id = %(camera)s and l.version = %(version)s
"""


def version_routes(history: History | None) -> APIRouter:
    """Return both routes. They need Postgres."""
    router = APIRouter()

    @router.get(
        "/api/cameras/{site}/{device}/layout/versions",
        tags=["cameras"],
        summary="List the versions of the camera's layout, newest first",
        responses=returns(list[LayoutVersion], f"{MOST} at most"),
    )
    async def layout_versions(site: str, device: str) -> Response:
        arguments = {"camera": f"{site}/{device}", "limit": MOST}
        return json_response(await require(history).rows(_VERSIONS, arguments))

    @router.get(
        "/api/cameras/{site}/{device}/layout/versions/{version}",
        tags=["cameras"],
        summary="Get one version of the camera's layout",
        description="To roll back, PUT it as the camera's next layout.",
        responses=returns(LayoutPublished, "The layout as it was published") | errors(404),
    )
    async def layout_version(
        site: str, device: str, version: Annotated[int, Path(ge=1, le=LATEST_MS)]
    ) -> Response:
        arguments = {"camera": f"{site}/{device}", "version": version}
        rows = await require(history).rows(_VERSION, arguments)
        if not rows:
            detail = f"version {version} of {arguments['camera']!r} is not stored"
            raise ApiError(404, "no-version", detail)
        return json_response(rows[0]["body"])

    return router
