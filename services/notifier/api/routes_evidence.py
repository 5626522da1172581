"""The routes that show the stored pictures of a slot's change."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.notifier.api.auth import sender
from services.notifier.api.web import ApiError, errors, json_response, returns, streams
from services.notifier.evidence import Evidence, Stored, Which
from services.notifier.usageviews import ChangePictures, StoredPicture

Change = Annotated[str, Query(max_length=300, pattern="^[^\\x00]+$", description="the change's id")]


def evidence_routes(evidence: Evidence | None) -> APIRouter:
    """Return both routes. They need Postgres and the object store."""
    router = APIRouter()

    @router.get(
        "/api/history/evidence",
        tags=["history"],
        summary="Get the stored pictures before and after a slot's change",
        responses=returns(ChangePictures, "The pictures; null if none is stored") | errors(404),
    )
    async def change_evidence(request: Request, change: Change) -> Response:
        pictures = await _require(evidence).pictures(change, sender(request).sites)
        return json_response(
            ChangePictures(
                before=_view(pictures.before, change, "before"),
                after=_view(pictures.after, change, "after"),
                missing=pictures.missing,
            )
        )

    @router.get(
        "/api/history/picture.jpg",
        tags=["history"],
        summary="Get a stored picture of a slot's change",
        responses=streams("image/jpeg", "The picture as the camera sent it")
        | errors(404, 422, 503),
    )
    async def change_picture(request: Request, change: Change, which: Which) -> Response:
        jpeg = await _require(evidence).picture(change, which, sender(request).sites)
        return Response(jpeg, headers={"Cache-Control": "no-store"}, media_type="image/jpeg")

    return router


def _view(stored: Stored | None, change: str, which: Which) -> StoredPicture | None:
    if stored is None:
        return None
    query = urlencode({"change": change, "which": which})
    return StoredPicture(
        frame_id=stored.frame_id,
        time_ms=stored.time_ms,
        url=f"/api/v1/history/picture.jpg?{query}",
    )


def _require(evidence: Evidence | None) -> Evidence:
    if evidence is None:
        detail = "DATABASE_URL or S3_BUCKET is not set: there are no stored pictures"
        raise ApiError(503, "no-pictures", detail)
    return evidence
