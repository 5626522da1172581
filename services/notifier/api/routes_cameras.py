"""Routes for polled cameras (list, find, try, add, change, stop) and for uploaded pictures.

Ingest does the work. A login is passed on to ingest and is never returned.
"""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from parking.wire.camera_sources import (
    AskedCamera,
    CameraSource,
    FoundCamera,
    NewSource,
    StreamProfile,
)
from services.notifier.api.routes_devices import Device, Site
from services.notifier.api.web import (
    DONE,
    WRITE_ERRORS,
    ApiError,
    json_response,
    read_jpeg,
    read_json,
    returns,
    streams,
    takes,
    takes_jpeg,
)
from services.notifier.cameras import PolledCameras
from services.notifier.pictures import Pictures
from services.notifier.refusals import NotFound
from services.notifier.views import Accepted

UPLOADED: Final = "api"
"""The FrameReceived.via of an uploaded picture."""
_KEY: Final[dict[str, Any]] = {"security": [{"key": []}]}
_EXAMPLE: Final = {
    "version": 0,
    "kind": "rtsp",
    "url": "rtsp://192.168.1.30/stream2",
    "interval_s": 5,
    "login": {"username": "parking", "password": "..."},
}

_ASKED: Final = {
    "service": "http://192.168.1.30/onvif/device_service",
    "login": {"username": "parking", "password": "..."},
}


def camera_routes(cameras: PolledCameras | None, pictures: Pictures) -> APIRouter:
    """Return all camera routes. `cameras` is None if ingest's address is not known."""
    router = APIRouter()
    path = "/api/cameras/{site}/{device}/source"

    @router.get(
        "/api/sites/{site}/sources",
        tags=["cameras"],
        summary="List the polled cameras, without their logins",
        responses=returns(
            list[CameraSource], "Cameras added in the page, then those of the cameras file"
        )
        | WRITE_ERRORS,
        openapi_extra=_KEY,
    )
    async def camera_sources(site: Site) -> Response:
        return json_response(await _known(cameras).sources(site))

    @router.post(
        "/api/sites/{site}/sources/find",
        tags=["cameras"],
        summary="Search ingest's network for ONVIF cameras, which takes a few seconds",
        description="Only cameras in an allowed network are listed.",
        responses=returns(list[FoundCamera], "The cameras that answered") | WRITE_ERRORS,
        openapi_extra=_KEY,
    )
    async def find_cameras(site: Site) -> Response:
        return json_response(await _known(cameras).find(site))

    @router.post(
        "/api/sites/{site}/sources/profiles",
        tags=["cameras"],
        summary=(
            "Ask an ONVIF camera for its streams and their addresses, without storing anything"
        ),
        description="If the camera does not answer, the response is 422 with the reason.",
        responses=returns(list[StreamProfile], "The camera's profiles") | WRITE_ERRORS,
        openapi_extra=takes(AskedCamera, _ASKED),
    )
    async def list_profiles(request: Request, site: Site) -> Response:
        asked = await read_json(request, AskedCamera)
        return json_response(await _known(cameras).profiles(site, asked))

    @router.put(
        path,
        tags=["cameras"],
        summary="Add a polled camera, or change one",
        description=(
            "`version` 0 adds a camera. Otherwise it is the version that this one replaces. "
            "If another version is in force, the response is 409 and nothing is written. "
            "`keep_login` keeps the stored login as long as scheme, host and port stay the "
            "same."
        ),
        responses=returns(CameraSource, "The camera is stored, and polled from now on")
        | WRITE_ERRORS,
        openapi_extra=takes(NewSource, _EXAMPLE),
    )
    async def put_camera_source(request: Request, site: Site, device: Device) -> Response:
        source = await read_json(request, NewSource)
        return json_response(await _known(cameras).put(f"{site}/{device}", source))

    @router.post(
        path + "/try",
        tags=["cameras"],
        summary="Poll a camera once, as ingest would, without storing anything",
        description="If there is no picture, the response is 422 with the reason.",
        responses=streams("image/jpeg", "The picture") | WRITE_ERRORS,
        openapi_extra=takes(NewSource, _EXAMPLE),
    )
    async def try_camera_source(request: Request, site: Site, device: Device) -> Response:
        source = await read_json(request, NewSource)
        jpeg = await _known(cameras).attempt(f"{site}/{device}", source)
        return Response(jpeg, 200, {"Cache-Control": "no-store"}, "image/jpeg")

    @router.delete(
        path,
        status_code=204,
        tags=["cameras"],
        summary="Stop polling a camera and delete its login",
        description="The camera stays listed as offline until it is removed as well.",
        responses=DONE | WRITE_ERRORS,
        openapi_extra=_KEY,
    )
    async def remove_camera_source(site: Site, device: Device) -> Response:
        await _known(cameras).remove(f"{site}/{device}")
        return Response(status_code=204)

    @router.post(
        "/api/cameras/{site}/{device}/picture",
        status_code=202,
        tags=["cameras"],
        summary="Upload a picture, to try the system without a camera",
        description=(
            "It counts as taken now and becomes the camera's newest picture. Send it again "
            "to have it judged again, because a slot needs as many observations as the "
            "site's parameters say. For a camera that sends pictures itself, the response "
            "is 409."
        ),
        responses=returns(Accepted, "The picture is durable and will soon be judged", 202)
        | WRITE_ERRORS,
        openapi_extra=takes_jpeg(),
    )
    async def upload_picture(request: Request, site: str, device: Device) -> Response:
        ingest, camera_id = _known(cameras), f"{site}/{device}"
        await _require_still(pictures, camera_id)
        jpeg = await read_jpeg(request, ingest.ingest.picture_max_bytes)
        return json_response(await ingest.upload(camera_id, jpeg), 202)

    return router


async def _require_still(pictures: Pictures, camera_id: str) -> None:
    """Require that the camera's newest picture was uploaded. Raises ApiError 409 otherwise, because
    the upload would be mixed with the camera's own pictures."""
    try:
        newest = await pictures.latest(camera_id)
    except NotFound:
        return
    if newest.frame.via != UPLOADED:
        detail = f"{camera_id} sends pictures itself: choose another name"
        raise ApiError(409, "camera-sends", detail)


def _known(cameras: PolledCameras | None) -> PolledCameras:
    if cameras is None:
        detail = "LIVE_URL is not set: ingest, which polls cameras, is not known here"
        raise ApiError(503, "no-ingest", detail)
    return cameras
