"""The routes that remove and rename: cameras, slots, zones, sites.

Each is the next version of the layouts concerned, and for what goes altogether a command to the
tracker, which tells its end and takes it out of the compacted topics. Who asked stands in
parking.site-commands (`issued_by`) and in the log. History in Postgres and evidence stay.
"""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from parking import changes, codec
from parking.changes import Change, Layouts
from parking.errors import Invalid
from parking.ids import NAME
from parking.topics import LAYOUTS, SITE_COMMANDS
from services.notifier import commands
from services.notifier.bodies import CameraChange, Renaming, SlotRenaming
from services.notifier.routes_devices import Device, Site
from services.notifier.routes_write import Writer
from services.notifier.views import Accepted
from services.notifier.web import WRITE_ERRORS, ApiError, json_response, read_json, returns, takes

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
    returns(Accepted, "Durable; its effect shows on the event stream", 202) | WRITE_ERRORS
)
_RENAMED: Final = {"name": "Row A, by the lift"}
log = logging.getLogger(__name__)


def end_routes(writer: Writer) -> APIRouter:
    """All of them."""
    router = APIRouter()
    _removals(router, writer)
    _renamings(router, writer)
    return router


def _removals(router: APIRouter, writer: Writer) -> None:
    @router.delete(
        "/api/cameras/{site}/{device}",
        status_code=202,
        tags=["cameras"],
        summary="Take a camera away: it leaves with the slots that no other camera sees",
        description="One that still sends comes back as a camera without a layout: shut its device"
        " out first. To keep a camera but out of service, publish a layout without slots.",
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_camera(request: Request, site: Site, device: Device) -> Response:
        camera_id = f"{site}/{device}"
        who = writer.door.writer(request).name
        _ = writer.feed.ring
        if camera_id not in writer.feed.state.camera_ids(site):
            raise ApiError(404, "no-camera", f"there is no camera {camera_id!r}")
        return await _change(
            writer, site, who, lambda held: changes.without_camera(held, camera_id)
        )

    @router.delete(
        "/api/sites/{site}",
        status_code=202,
        tags=["sites"],
        summary="Take a site away: all its cameras, slots and open stays",
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_site(request: Request, site: Site) -> Response:
        who = writer.door.writer(request).name
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
        who = writer.door.writer(request).name
        return await _change(writer, site, who, lambda held: changes.without_slot(held, slot))

    @router.delete(
        "/api/sites/{site}/zones/{zone}",
        status_code=202,
        tags=["sites"],
        summary="Take a zone and its slots out of every layout",
        responses=_DONE,
        openapi_extra=_KEY,
    )
    async def remove_zone(request: Request, site: Site, zone: Name) -> Response:
        who = writer.door.writer(request).name
        return await _change(writer, site, who, lambda held: changes.without_zone(held, zone))


def _renamings(router: APIRouter, writer: Writer) -> None:
    @router.patch(
        "/api/cameras/{site}/{device}",
        status_code=202,
        tags=["cameras"],
        summary="Call a camera otherwise, or give its view to another device",
        responses=_DONE,
        openapi_extra=takes(CameraChange, {"name": "North, on the mast"}),
    )
    async def change_camera(request: Request, site: Site, device: Device) -> Response:
        who = writer.door.writer(request).name
        body, camera_id = await read_json(request, CameraChange), f"{site}/{device}"
        if (body.name is None) == (body.device is None):
            raise ApiError(422, "bad-schema", "name or device: exactly one of them")
        if body.device is not None:
            new_id = f"{site}/{body.device}"
            return await _change(
                writer, site, who, lambda held: changes.with_camera_id(held, camera_id, new_id)
            )
        name = body.name or ""
        return await _change(
            writer, site, who, lambda held: changes.with_camera_name(held, camera_id, name)
        )

    @router.patch(
        "/api/sites/{site}",
        status_code=202,
        tags=["sites"],
        summary="Call a site otherwise; its id stays",
        responses=_DONE,
        openapi_extra=takes(Renaming, {"name": "Lot at the station"}),
    )
    async def rename_site(request: Request, site: Site) -> Response:
        who, body = writer.door.writer(request).name, await read_json(request, Renaming)
        return await _change(
            writer, site, who, lambda held: changes.with_site_name(held, body.name)
        )

    @router.patch(
        "/api/sites/{site}/zones/{zone}",
        status_code=202,
        tags=["sites"],
        summary="Call a zone otherwise; its id stays",
        responses=_DONE,
        openapi_extra=takes(Renaming, _RENAMED),
    )
    async def rename_zone(request: Request, site: Site, zone: Name) -> Response:
        who, body = writer.door.writer(request).name, await read_json(request, Renaming)
        return await _change(
            writer, site, who, lambda held: changes.with_zone_name(held, zone, body.name)
        )

    @router.patch(
        "/api/sites/{site}/slots/{slot}",
        status_code=202,
        tags=["slots"],
        summary="Give a slot another id; its history stays under the old one",
        responses=_DONE,
        openapi_extra=takes(SlotRenaming, {"slot_id": "B07"}),
    )
    async def rename_slot(request: Request, site: Site, slot: Name) -> Response:
        who, body = writer.door.writer(request).name, await read_json(request, SlotRenaming)
        return await _change(
            writer, site, who, lambda held: changes.with_slot_id(held, slot, body.slot_id)
        )


async def _change(
    writer: Writer, site_id: str, who: str, decide: Callable[[Layouts], Change]
) -> Response:
    """Write what a change comes to: the layouts, their adoption, then what goes altogether."""
    _ = writer.feed.ring  # not before the sites are known
    if site_id not in writer.feed.state.site_ids():
        raise ApiError(404, "no-site", f"there is no site {site_id!r}")
    async with writer.layout_lock:
        state, now_ms = writer.feed.state, writer.clock.now_ms()
        held = [one for one in state.layouts.values() if one.site_id == site_id]
        try:
            written = commands.change(state, site_id, decide(held), who, now_ms)
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
