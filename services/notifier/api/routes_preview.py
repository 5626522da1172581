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
    """The outlines, and the `X-Frame-Offset` of the picture (latest.jpg) on which they are
    drawn."""

    frame_offset: Annotated[int, Meta(ge=0, le=2**53)]
    outlines: Outlines


def preview_routes(pictures: Pictures, previews: Previews | None) -> APIRouter:
    """Return the route. `previews` is None if the detector's address is not known."""
    router = APIRouter()

    @router.post(
        "/api/cameras/{site}/{device}/slot-preview",
        tags=["cameras"],
        summary="Ask the detector for the states of outlines that are not published yet",
        description=(
            "Only one request is judged at a time. The response is 503 `busy` while the "
            "detector is busy, and 503 `no-detector` if there is none."
        ),
        responses=returns(SlotPreview, "The state of each outline, in the order of the request")
        | WRITE_ERRORS,
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
