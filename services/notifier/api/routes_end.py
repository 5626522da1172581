"""The routes that remove and rename cameras, slots, zones and sites.

Each publishes the next version of the layouts concerned. A removal is also a command to the
tracker, which reports the removal and deletes the records from the compacted topics. The author is
recorded in parking.site-commands (`issued_by`) and in the log. History in Postgres and evidence are
kept.
"""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from parking.core import changes
from parking.core.changes import Change, Layouts
from parking.core.errors import Invalid
from parking.core.ids import NAME
from parking.core.topics import LAYOUTS, SITE_COMMANDS
from parking.wire import codec
from services.notifier.api import commands
from services.notifier.api.auth import sender
from services.notifier.api.bodies import CameraChange, Renaming, SlotRenaming
from services.notifier.api.preconditions import require_site
from services.notifier.api.routes_devices import Device, Site
from services.notifier.api.routes_write import Writer
from services.notifier.api.web import (
    WRITE_ERRORS,
    ApiError,
    json_response,
    read_json,
    returns,
    takes,
)
from services.notifier.readiness import ready_state
from services.notifier.views import Accepted

Name = Annotated[str, Path(pattern=NAME)]
_STATUS: Final = {
    "no-site": 404,
    "no-layout": 404,
    "no-slot": 404,
    "no-zone": 404,
    "slot-exists": 409,
    "camera-exists": 409,
}
_KEY: Final[dict[str, Any]] = {"security": [{"key": []}]}
_DONE: Final = (
    returns(Accepted, "The change is durable; its effect appears on the event stream", 202)
    | WRITE_ERRORS
)
_RENAMED: Final = {"name": "Row A, by the lift"}
log = logging.getLogger(__name__)


def end_routes(writer: Writer) -> APIRouter:
    """Return the routes that remove and rename."""
    router = APIRouter()
    _removals(router, writer)
    _renamings(router, writer)
    return router


def _removals(router: APIRouter, writer: Writer) -> None:
    @router.delete(
        "/api/cameras/{site}/{device}",
        status_code=202,
        tags=["cameras"],
        summary="Remove a camera and the slots that no other camera sees",
        description=(
            "A camera that is still sending half a minute later reappears without a layout, "
            "so revoke its device first. To keep a camera but take it out of service, "
            "publish a layout without slots."
        ),
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_camera(request: Request, site: Site, device: Device) -> Response:
        camera_id = f"{site}/{device}"
        who = sender(request).name
        ready_state(writer.feed)
        if camera_id not in writer.feed.state.camera_ids(site):
            raise ApiError(404, "no-camera", f"there is no camera {camera_id!r}")
        return await _change(
            writer, site, who, lambda site_layouts: changes.without_camera(site_layouts, camera_id)
        )

    @router.delete(
        "/api/sites/{site}",
        status_code=202,
        tags=["sites"],
        summary="Remove a site: all its cameras, slots and open stays",
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_site(request: Request, site: Site) -> Response:
        who = sender(request).name
        return await _change(writer, site, who, changes.without_site)

    @router.delete(
        "/api/sites/{site}/slots/{slot}",
        status_code=202,
        tags=["slots"],
        summary="Take a slot out of every layout",
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_slot(request: Request, site: Site, slot: Name) -> Response:
        who = sender(request).name
        return await _change(
            writer, site, who, lambda site_layouts: changes.without_slot(site_layouts, slot)
        )

    @router.delete(
        "/api/sites/{site}/zones/{zone}",
        status_code=202,
        tags=["sites"],
        summary="Remove a zone and its slots from every layout",
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_zone(request: Request, site: Site, zone: Name) -> Response:
        who = sender(request).name
        return await _change(
            writer, site, who, lambda site_layouts: changes.without_zone(site_layouts, zone)
        )


def _renamings(router: APIRouter, writer: Writer) -> None:
    @router.patch(
        "/api/cameras/{site}/{device}",
        status_code=202,
        tags=["cameras"],
        summary="Rename a camera, or move its view to another device",
        responses=_DONE,
        openapi_extra=takes(CameraChange, {"name": "North, on the mast"}),
    )
    async def change_camera(request: Request, site: Site, device: Device) -> Response:
        who = sender(request).name
        body, camera_id = await read_json(request, CameraChange), f"{site}/{device}"
        if (body.name is None) == (body.device is None):
            raise ApiError(422, "bad-schema", "name or device: exactly one of them")
        if body.device is not None:
            new_id = f"{site}/{body.device}"
            return await _change(
                writer,
                site,
                who,
                lambda site_layouts: changes.with_camera_id(site_layouts, camera_id, new_id),
            )
        name = body.name or ""
        return await _change(
            writer,
            site,
            who,
            lambda site_layouts: changes.with_camera_name(site_layouts, camera_id, name),
        )

    @router.patch(
        "/api/sites/{site}",
        status_code=202,
        tags=["sites"],
        summary="Rename a site; its id stays the same",
        responses=_DONE,
        openapi_extra=takes(Renaming, {"name": "Lot at the station"}),
    )
    async def rename_site(request: Request, site: Site) -> Response:
        who, body = sender(request).name, await read_json(request, Renaming)
        return await _change(
            writer, site, who, lambda site_layouts: changes.with_site_name(site_layouts, body.name)
        )

    @router.patch(
        "/api/sites/{site}/zones/{zone}",
        status_code=202,
        tags=["sites"],
        summary="Rename a zone; its id stays the same",
        responses=_DONE,
        openapi_extra=takes(Renaming, _RENAMED),
    )
    async def rename_zone(request: Request, site: Site, zone: Name) -> Response:
        who, body = sender(request).name, await read_json(request, Renaming)
        return await _change(
            writer,
            site,
            who,
            lambda site_layouts: changes.with_zone_name(site_layouts, zone, body.name),
        )

    @router.patch(
        "/api/sites/{site}/slots/{slot}",
        status_code=202,
        tags=["slots"],
        summary="Change a slot's id; its history stays under the old one",
        responses=_DONE,
        openapi_extra=takes(SlotRenaming, {"slot_id": "B07"}),
    )
    async def rename_slot(request: Request, site: Site, slot: Name) -> Response:
        who, body = sender(request).name, await read_json(request, SlotRenaming)
        return await _change(
            writer,
            site,
            who,
            lambda site_layouts: changes.with_slot_id(site_layouts, slot, body.slot_id),
        )


async def _change(
    writer: Writer, site_id: str, who: str, decide: Callable[[Layouts], Change]
) -> Response:
    """Write the records of a change: the layouts, their adoption, then the removals."""
    require_site(writer.feed, site_id)
    async with writer.layout_lock:
        state, now_ms = writer.feed.state, writer.clock.now_ms()
        site_layouts = [one for one in state.layouts.values() if one.site_id == site_id]
        try:
            written = commands.change(state, site_id, decide(site_layouts), who, now_ms)
        except Invalid as error:
            status = _STATUS.get(error.reason, 422)
            raise ApiError(status, error.reason, error.detail, faults=error.faults) from error
        for one in written.layouts:
            await writer.send(codec.outgoing(one, LAYOUTS, one.camera_id, commands.SOURCE))
            await writer.in_force(one)
        for command in written.commands:
            await writer.send(codec.outgoing(command, SITE_COMMANDS, site_id, commands.SOURCE))
    log.info("%s changed site %s: %s", ascii(who), site_id, written.summary)
    return json_response(Accepted(id=written.id), 202)
