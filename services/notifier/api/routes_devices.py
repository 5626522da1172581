"""Routes for devices: list, add, renew and revoke.

All of them need a key with the scope `devices`, because its holder decides who may publish as a
camera.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from parking.access.devices import Address, Devices, Secrets, configuration
from parking.core.errors import Invalid, Retryable
from parking.core.events import CameraStatusChanged
from parking.core.ids import PART
from services.notifier.api.bodies import NewDevice
from services.notifier.api.web import (
    DONE,
    WRITE_ERRORS,
    ApiError,
    json_response,
    read_json,
    returns,
    takes,
)
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.views import DeviceSecret, DeviceView

log = logging.getLogger(__name__)

_STATUS: Final = {"device-exists": 409, "no-device": 404}
_NEEDS_KEY: Final[dict[str, Any]] = {"security": [{"key": []}]}
Site = Annotated[str, Path(pattern=PART)]
Device = Annotated[str, Path(pattern=PART)]
Http = Annotated[
    bool, Query(description="create a key for posting pictures if the device has none")
]

# Finds each device's newest rows using indexes alone.
_REPORTS: Final = """
select known.device_id, last.time_ms as last_seen_ms, status.kind as state,
       status.time_ms as state_since_ms, status.reason as state_reason,
       starts_with(status.id, known.device_id || '/pull/') as polled, newest.telemetry,
       replay.time_ms as replayed_at_ms, limited.time_ms as rate_limited_at_ms
from devices known
join lateral (
  select time_ms from device_events e where e.device_id = known.device_id
  order by time_ms desc limit 1) last on true
left join lateral (
  select id, kind, time_ms, reason from device_events e
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
left join lateral (
  select time_ms from device_events e
  where e.device_id = known.device_id and reason = 'rate'
  order by time_ms desc limit 1) limited on true
where known.site_id = %(site)s
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What these routes need. `devices` and `address` are None if they are not set."""

    devices: Devices | None
    address: Address | None
    feed: Feed
    history: History | None

    async def views(self, site: str) -> list[DeviceView]:
        """Return every device that may connect or has reported, by name."""
        known, posting = await self._file(
            lambda devices: (set(devices.names(site)), set(devices.posting(site)))
        )
        reports = {row["device_id"]: row for row in await self._reports(site)}
        statuses = self.feed.state.statuses
        cameras = {name for name in statuses if name.split("/")[0] == site}
        return [
            _view(name, (name in known, name in posting), reports.get(name, {}), statuses.get(name))
            for name in sorted(known | posting | reports.keys() | cameras)
        ]

    async def secret(self, change: Callable[[Devices], Secrets], device_id: str) -> Response:
        """Return the response with a device's new password and key, and the rest of its
        configuration."""
        if self.address is None:
            detail = "DEVICE_MQTT_URL is not set: the broker's address for devices is unknown"
            raise ApiError(503, "no-address", detail)
        secrets = await self._file(change)
        return json_response(DeviceSecret(**configuration(device_id, secrets, self.address)), 201)

    async def forget(self, device_id: str) -> Response:
        """Revoke a device."""
        await self._file(lambda devices: devices.revoke(device_id))
        return Response(status_code=204)

    async def _file(self, work: Callable[[Devices], Any]) -> Any:
        if self.devices is None:
            detail = "DEVICES_FILE is not set: the list of the broker's users is not available here"
            raise ApiError(503, "no-devices-file", detail)
        try:
            return await asyncio.to_thread(work, self.devices)
        except OSError as error:
            detail = f"the file of passwords, or of keys, cannot be used: {error.strerror}"
            raise ApiError(503, "no-devices-file", detail) from error
        except Invalid as error:
            raise ApiError(_STATUS.get(error.reason, 422), error.reason, error.detail) from error

    async def _reports(self, site: str) -> Any:
        """Return the devices' reports. They are empty while Postgres is down, because revoking a
        device must not depend on it."""
        if self.history is None:
            return []
        try:
            return await self.history.rows(_REPORTS, {"site": site})
        except Retryable as error:
            log.warning("devices are shown without their reports: %s", error)
            return []


def device_routes(fleet: Fleet) -> APIRouter:
    """Return the routes for devices."""
    router = APIRouter()
    path = "/api/sites/{site}/devices"
    secret = (
        returns(DeviceSecret, "The password and key, which are shown only once", 201) | WRITE_ERRORS
    )

    @router.get(
        path,
        tags=["devices"],
        summary="List devices and their condition",
        responses=returns(list[DeviceView], "Sorted by name") | WRITE_ERRORS,
        openapi_extra=_NEEDS_KEY,
    )
    async def devices(site: Site) -> Response:
        return json_response(await fleet.views(site))

    @router.post(
        path,
        status_code=201,
        tags=["devices"],
        summary="Add a device",
        responses=secret,
        openapi_extra=takes(NewDevice, {"device": "gate-2"}),
    )
    async def add_device(request: Request, site: Site) -> Response:
        new = await read_json(request, NewDevice)
        name = f"{site}/{new.device}"
        return await fleet.secret(lambda devices: devices.add(name, http=new.http), name)

    @router.post(
        path + "/{device}/rotate",
        status_code=201,
        tags=["devices"],
        summary=(
            "Replace a device's password, and its key if it has one; the old ones stop working"
        ),
        responses=secret,
        openapi_extra=_NEEDS_KEY,
    )
    async def rotate_device(site: Site, device: Device, http: Http = False) -> Response:
        name = f"{site}/{device}"
        return await fleet.secret(lambda devices: devices.rotate(name, http=http), name)

    @router.delete(
        path + "/{device}",
        status_code=204,
        tags=["devices"],
        summary="Revoke a device for MQTT and HTTP; its connection ends and it cannot reconnect",
        responses=DONE | WRITE_ERRORS,
        openapi_extra=_NEEDS_KEY,
    )
    async def revoke_device(site: Site, device: Device) -> Response:
        return await fleet.forget(f"{site}/{device}")

    return router


def _view(
    name: str,
    doors: tuple[bool, bool],
    reports: Mapping[str, Any],
    camera: CameraStatusChanged | None,
) -> DeviceView:
    """Return a device's view. `doors` says whether the broker and the HTTP intake know it; `report`
    is a row of `_REPORTS`."""
    facts = {key: reports[key] for key in _FACTS if reports.get(key) is not None}
    telemetry = reports.get("telemetry") or {}
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


_FACTS: Final = (
    "polled",
    "state",
    "state_since_ms",
    "state_reason",
    "last_seen_ms",
    "replayed_at_ms",
    "rate_limited_at_ms",
)
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
