"""The route that asks the detector about outlines that somebody is drawing."""

from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import Meta, Struct

from parking.wire.previews import Outlines, PreviewOrder, SlotPreview
from services.notifier.api.web import (
    LAYOUT_MAX_BYTES,
    WRITE_ERRORS,
    ApiError,
    json_response,
    read_json,
    returns,
    takes,
)
from services.notifier.pictures import Pictures
from services.notifier.previews import Previews

_OUTLINE: Final = [[0.1, 0.5], [0.2, 0.5], [0.22, 0.7], [0.09, 0.7]]


class PreviewWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outlines, and `X-Frame-Offset` of the picture (latest.jpg) that they are drawn on."""

    frame_offset: Annotated[int, Meta(ge=0, le=2**53)]
    outlines: Outlines


def preview_routes(pictures: Pictures, previews: Previews | None) -> APIRouter:
    """`previews` None: the detector's address is not known."""
    router = APIRouter()

    @router.post(
        "/api/cameras/{site}/{device}/slot-preview",
        tags=["cameras"],
        summary="What the detector says of outlines that are not published",
        description="One at a time: 503 `busy` while the detector is busy, `no-detector` without"
        " one.",
        responses=returns(SlotPreview, "Of each outline, in their order") | WRITE_ERRORS,
        openapi_extra=takes(PreviewWish, {"frame_offset": 12345, "outlines": [_OUTLINE]}),
    )
    async def slot_preview(request: Request, site: str, device: str) -> Response:
        wish = await read_json(request, PreviewWish, LAYOUT_MAX_BYTES)
        if previews is None:
            detail = "DETECTOR_URL is not set: the detector is not known here"
            raise ApiError(503, "no-detector", detail)
        camera_id = f"{site}/{device}"
        picture = await pictures.at(camera_id, wish.frame_offset)
        order = PreviewOrder(camera_id=camera_id, jpeg=picture.jpeg, outlines=wish.outlines)
        return json_response(await previews.judge(order))

    return router
