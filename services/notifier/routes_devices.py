"""The routes about devices: which there are, how they are, what opens the broker to them.

All need a key with scope `devices`: whoever has it decides who may speak for a camera."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from parking.devices import Address, Devices, Secrets, configuration
from parking.errors import Invalid, Retryable
from parking.events import CameraStatusChanged
from parking.ids import PART
from services.notifier.auth import Door
from services.notifier.bodies import NewDevice
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.views import DeviceSecret, DeviceView
from services.notifier.web import (
    WRITE_ERRORS,
    ApiError,
    Responses,
    json_response,
    read_json,
    returns,
    takes,
)

SCOPE: Final = "devices"
log = logging.getLogger(__name__)

_STATUS: Final = {"device-exists": 409, "no-device": 404}
_NEEDS_KEY: Final[dict[str, Any]] = {"security": [{"key": []}]}
_DONE: Final[Responses] = {204: {"description": "Done"}}
Site = Annotated[str, Path(pattern=PART)]
Device = Annotated[str, Path(pattern=PART)]
Http = Annotated[bool, Query(description="give it a key to post pictures, if it has none")]

# From each device to its newest rows, by indexes alone.
_TOLD: Final = """
select known.device_id, last.time_ms as last_seen_ms, status.kind as state,
       status.time_ms as state_since_ms, status.reason as state_reason, newest.telemetry,
       replay.time_ms as replayed_at_ms
from devices known
join lateral (
  select time_ms from device_events e where e.device_id = known.device_id
  order by time_ms desc limit 1) last on true
left join lateral (
  select kind, time_ms, reason from device_events e
  where e.device_id = known.device_id and kind in ('online', 'offline')
  order by time_ms desc limit 1) status on true
left join lateral (
  select telemetry from device_events e
  where e.device_id = known.device_id and kind = 'telemetry'
  order by time_ms desc limit 1) newest on true
left join lateral (
  select time_ms from device_events e
  where e.device_id = known.device_id and reason = 'replay'
  order by time_ms desc limit 1) replay on true
where known.site_id = %(site)s
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What these routes need; `devices` and `address` None where they are not set."""

    door: Door
    devices: Devices | None
    address: Address | None
    feed: Feed
    history: History | None

    async def views(self, site: str) -> list[DeviceView]:
        """Every device that may connect or has told of itself, by name."""
        known, posting = await self._file(
            lambda devices: (set(devices.names(site)), set(devices.posting(site)))
        )
        told = {row["device_id"]: row for row in await self._told(site)}
        statuses = self.feed.state.statuses
        cameras = {name for name in statuses if name.split("/")[0] == site}
        return [
            _view(name, (name in known, name in posting), told.get(name, {}), statuses.get(name))
            for name in sorted(known | posting | told.keys() | cameras)
        ]

    async def secret(self, change: Callable[[Devices], Secrets], device_id: str) -> Response:
        """A device's new password, and key, with all else it is told."""
        if self.address is None:
            detail = "DEVICE_MQTT_URL is not set: the device could not be told its broker"
            raise ApiError(503, "no-address", detail)
        secrets = await self._file(change)
        return json_response(DeviceSecret(**configuration(device_id, secrets, self.address)), 201)

    async def forget(self, device_id: str) -> Response:
        """Revoke."""
        await self._file(lambda devices: devices.revoke(device_id))
        return Response(status_code=204)

    async def _file(self, work: Callable[[Devices], Any]) -> Any:
        if self.devices is None:
            detail = "DEVICES_FILE is not set: the broker's users are not known here"
            raise ApiError(503, "no-devices-file", detail)
        try:
            return await asyncio.to_thread(work, self.devices)
        except OSError as error:
            detail = f"the file of passwords, or of keys, cannot be used: {error.strerror}"
            raise ApiError(503, "no-devices-file", detail) from error
        except Invalid as error:
            raise ApiError(_STATUS.get(error.reason, 422), error.reason, error.detail) from error

    async def _told(self, site: str) -> Any:
        """Nothing while Postgres is away: whoever must shut a device out cannot wait for it."""
        if self.history is None:
            return []
        try:
            return await self.history.rows(_TOLD, {"site": site})
        except Retryable as error:
            log.warning("devices are shown without what they told: %s", error)
            return []


def device_routes(fleet: Fleet) -> APIRouter:
    """All of them."""
    router = APIRouter()
    path = "/api/sites/{site}/devices"
    secret = returns(DeviceSecret, "Shown this once", 201) | WRITE_ERRORS

    @router.get(
        path,
        tags=["devices"],
        summary="Devices, and how they are",
        responses=returns(list[DeviceView], "By name") | WRITE_ERRORS,
        openapi_extra=_NEEDS_KEY,
    )
    async def devices(request: Request, site: Site) -> Response:
        fleet.door.holder(request, SCOPE)
        return json_response(await fleet.views(site))

    @router.post(
        path,
        status_code=201,
        tags=["devices"],
        summary="Let a device in",
        responses=secret,
        openapi_extra=takes(NewDevice, {"device": "gate-2"}),
    )
    async def add_device(request: Request, site: Site) -> Response:
        fleet.door.holder(request, SCOPE)
        new = await read_json(request, NewDevice)
        name = f"{site}/{new.device}"
        return await fleet.secret(lambda devices: devices.add(name, http=new.http), name)

    @router.post(
        path + "/{device}/rotate",
        status_code=201,
        tags=["devices"],
        summary="Another password, and another key if it has one: those before stop working",
        responses=secret,
        openapi_extra=_NEEDS_KEY,
    )
    async def rotate_device(
        request: Request, site: Site, device: Device, http: Http = False
    ) -> Response:
        fleet.door.holder(request, SCOPE)
        name = f"{site}/{device}"
        return await fleet.secret(lambda devices: devices.rotate(name, http=http), name)

    @router.delete(
        path + "/{device}",
        status_code=204,
        tags=["devices"],
        summary="Shut a device out, by every door: its connection ends and it cannot come back",
        responses=_DONE | WRITE_ERRORS,
        openapi_extra=_NEEDS_KEY,
    )
    async def revoke_device(request: Request, site: Site, device: Device) -> Response:
        fleet.door.holder(request, SCOPE)
        return await fleet.forget(f"{site}/{device}")

    return router


def _view(
    name: str, doors: tuple[bool, bool], told: Mapping[str, Any], camera: CameraStatusChanged | None
) -> DeviceView:
    """`doors`: whether the broker and the HTTP intake know it; `told`: a row of _TOLD."""
    facts = {key: told[key] for key in _FACTS if key in told}
    telemetry = told.get("telemetry") or {}
    facts |= {key: telemetry[key] for key in _TELEMETRY if key in telemetry}
    last_frame_at_ms = camera.last_frame_at_ms if camera else None
    may_connect, may_post = doors
    return DeviceView(
        device_id=name,
        may_connect=may_connect,
        may_post=may_post,
        last_frame_at_ms=last_frame_at_ms,
        **facts,
    )


_FACTS: Final = ("state", "state_since_ms", "state_reason", "last_seen_ms", "replayed_at_ms")
_TELEMETRY: Final = (
    "rssi_dbm",
    "heap_free_bytes",
    "uptime_s",
    "firmware",
    "frames_dropped",
    "gate_events_waiting",
    "gate_events_lost",
    "gate_edges_lost",
)
