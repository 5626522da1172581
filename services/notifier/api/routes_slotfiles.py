"""Read files with drawn slots for the editor, and write them from its drawing. Nothing is
stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, ParamSpec, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from msgspec import Meta, Struct

from parking.core.events import LayoutSlot
from parking.core.lots import MAX_SLOTS
from parking.wire import slotfiles
from parking.wire.slotfiles import ENDINGS, SLOT_FILE_MAX_BYTES, WrittenElsewhere
from services.notifier.api.web import (
    LAYOUT_MAX_BYTES,
    WRITE_ERRORS,
    ApiError,
    json_response,
    read_file,
    read_json,
    returns,
    takes,
)
from services.notifier.views import SlotFileView

P = ParamSpec("P")
T = TypeVar("T")

_MEDIA: Final = {"xml": "application/xml", "csv": "text/csv", "json": "application/json"}
_LONGEST_NAME: Final = 500
_PLACES: Final = 4
"""How many files are held at a time; further files are refused."""

Pixels = Annotated[int, Query(ge=1, le=100_000, description="of the camera's picture")]
Picture = Annotated[
    str | None,
    Query(max_length=_LONGEST_NAME, description="which picture of the file; default: the first"),
]


class DrawnSlots(Struct, frozen=True, kw_only=True):
    """The slots to write, as in a layout."""

    slots: Annotated[list[LayoutSlot], Meta(max_length=MAX_SLOTS)]


_SLOT: Final = {"slot_id": "A1", "zone_id": "A", "polygon": [[0.1, 0.5], [0.2, 0.5], [0.2, 0.7]]}
_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "security": [{"key": []}],
}


class _Desk:
    """Limits the memory and the processors that files need."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_PLACES)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Reserve a place for one file. Raises ApiError 503 if all are taken."""
        if self._places.locked():
            raise ApiError(503, "busy", "other files are being converted", {"Retry-After": "2"})
        async with self._places:
            yield

    async def convert(self, work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
        """Do the work in a thread, one piece of work at a time."""
        async with self._turn:
            return await asyncio.to_thread(work, *arguments, **more)


def slot_file_routes() -> APIRouter:
    """Return the routes. Only one file is converted at a time, because each needs a processor for a
    while."""
    router = APIRouter()
    desk = _Desk()

    @router.post(
        "/api/cameras/{site}/{device}/slot-file",
        tags=["cameras"],
        summary="Read slots from a file of this or another program",
        description="Formats: " + "; ".join(slotfiles.TITLES.values()) + ". Files that do not tell"
        " the size of their picture are read as drawn on one of `width` and `height`. 422 lists"
        " every fault with its place.",
        responses=returns(SlotFileView, "The slots of one picture; nothing is stored")
        | WRITE_ERRORS,
        openapi_extra=_FILE,
    )
    async def read_slot_file(
        request: Request,
        site: str,  # noqa: ARG001 -- the gate reads it
        device: str,  # noqa: ARG001
        width: Pixels,
        height: Pixels,
        picture: Picture = None,
    ) -> Response:
        async with desk.place():
            data = await read_file(request, SLOT_FILE_MAX_BYTES)
            file = await desk.convert(slotfiles.read, data, (width, height), picture)
        size_wh = file.size_wh or (0, 0)
        view = SlotFileView(
            format=file.format,
            picture=file.picture[:_LONGEST_NAME],
            pictures=[name[:_LONGEST_NAME] for name in file.pictures[:MAX_SLOTS]],
            width=size_wh[0],
            height=size_wh[1],
            slots=file.slots,
            zones=file.zones,
            notes=file.notes,
        )
        return json_response(view)

    @router.post(
        "/api/cameras/{site}/{device}/slot-file/{format}",
        tags=["cameras"],
        summary="Write slots to a file for another program",
        description="A layout is a file by itself, so GET it.",
        responses=_written() | WRITE_ERRORS,
        openapi_extra=takes(DrawnSlots, {"slots": [_SLOT]}),
    )
    async def write_slot_file(
        request: Request, site: str, device: str, format: str, width: Pixels, height: Pixels
    ) -> Response:
        chosen = _format(format)
        async with desk.place():
            drawn = await read_json(request, DrawnSlots, LAYOUT_MAX_BYTES)
            size_wh = (width, height)
            picture = f"{device}.jpg"
            data = await desk.convert(slotfiles.write, chosen, drawn.slots, picture, size_wh)
        name = f"{site}-{device}{ENDINGS[chosen]}"
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        media = _MEDIA.get(name.rpartition(".")[2], "application/geo+json")
        return Response(data, 200, headers, media)

    return router


def _format(name: str) -> WrittenElsewhere:
    for known in slotfiles.WRITERS:
        if name == known:
            return known
    known_names = ", ".join(slotfiles.WRITERS)
    raise ApiError(404, "no-format", f"there is no format {name[:40]!r}; there are {known_names}")


def _written() -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "format": "binary"}}
    media = (*_MEDIA.values(), "application/geo+json")
    return {200: {"description": "The file", "content": dict.fromkeys(media, schema)}}
