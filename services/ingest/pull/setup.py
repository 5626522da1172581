"""The page's cameras, for the notifier: list, find, try, change, remove (`/ingest/v1/cameras/...`).

Only ingest opens connections to cameras (pull/networks.py limits where to), and only ingest has the
key to their logins. The routes need an API key with the scope `cameras`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from parking.access.bearer import Bearer
from parking.core.errors import Invalid, Retryable
from parking.core.events import CameraConfigured
from parking.core.topics import HTTP_CAMERAS, site_of
from parking.wire.camera_sources import AskedCamera, CameraSource, NewSource
from parking.wire.ports import Clock, Producer
from parking.wire.reading import read
from services.ingest.door import Denied, read_body, require_key
from services.ingest.messages import Limits
from services.ingest.pull.camerafile import Camera, polled
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.finding import Finder
from services.ingest.pull.pulled import checked
from services.ingest.pull.puller import Puller, Source
from services.ingest.pull.stored import AllCameras, StoredCameras, record_of

TRIES_AT_ONCE: Final = 4
TRY_LIMIT_S: Final = 45.0
_BODY_MAX_BYTES: Final = 16_384
_STATUS: Final = {"source-changed": 409, "camera-exists": 409, "bad-json": 400, "no-source": 404}
_REASONS: Final = {"no-network": "no-network"}
_NO_STORE: Final = {"Cache-Control": "no-store"}
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setup:
    """What these routes need. `room` limits how many cameras are tried or searched for at a time;
    `trying` holds the sites for which that happens, at most one at a time for each site."""

    stored: StoredCameras
    cameras: AllCameras
    puller: Puller
    producer: Producer
    new_source: Callable[[Camera], Source]
    finder: Finder
    limits: Limits
    clock: Clock
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRIES_AT_ONCE))
    trying: set[str] = field(default_factory=set)

    def sources(self, site_id: str) -> list[CameraSource]:
        """Return all polled cameras of a site: first those of the page, then those of the file."""
        in_file = self.cameras.in_file
        added = [one for one in self.stored.all() if one.site_id == site_id]
        names = {one.camera_id for one in added}
        listed = [
            _of_file(camera)
            for name, camera in sorted(in_file.items())
            if site_of(name) == site_id and name not in names
        ]
        views = [self.stored.view(one, in_file=one.camera_id in in_file) for one in added]
        return views + [one for one in listed if one is not None]

    async def put(self, camera_id: str, source: NewSource) -> CameraSource:
        """Store a camera, or its next version. Raises Invalid, Retryable."""
        async with self.lock:
            self._require_ready()
            if camera_id in self.cameras.in_file:
                raise Invalid(
                    "camera-exists", f"{camera_id} is in the cameras file: change it there"
                )
            event = self.stored.configured(camera_id, source, self.clock.now_ms())
            await self._write(event)
            return self.stored.view(event, in_file=False)

    async def remove(self, camera_id: str) -> None:
        """Stop polling a camera. Raises Invalid("no-source"), Retryable."""
        async with self.lock:
            self._require_ready()
            if self.stored.find(camera_id) is None:
                raise Invalid(
                    "no-source", f"{camera_id} was not added here, or was already removed"
                )
            await self._write(self.stored.removed(camera_id, self.clock.now_ms()))

    @asynccontextmanager
    async def turn(self, site_id: str) -> AsyncIterator[None]:
        """Reserve a place to try a camera or to search for cameras. Raises Denied."""
        if self.room.locked() or site_id in self.trying:
            raise Denied(503, "busy", "another camera is being tried: try again soon")
        self.trying.add(site_id)
        try:
            async with self.room:
                yield
        finally:
            self.trying.discard(site_id)

    async def attempt(self, camera_id: str, source: NewSource) -> bytes:
        """Return one picture, polled in the same way as ingest will poll it. Raises Invalid,
        CameraFault, Retryable."""
        if source.keep_login:
            self._require_ready()
        camera = polled(camera_id, source, self.stored.login(camera_id, source))
        try:
            async with (
                asyncio.timeout(TRY_LIMIT_S),
                aclosing(self.new_source(camera).pictures(lambda: "picture")) as given,
            ):
                jpeg = await anext(given)
        except StopAsyncIteration:
            raise CameraFault("no-picture", "the connection ended before a picture came") from None
        except TimeoutError:
            raise CameraFault("timeout", "the camera did not send a picture in time") from None
        return checked(jpeg, self.limits, camera.turn)

    async def _write(self, event: CameraConfigured) -> None:
        await self.producer.send([record_of(event)])
        self.stored.take(event)
        self.puller.refresh()
        log.info("camera %s: version %d of its source", event.camera_id, event.version)

    def _require_ready(self) -> None:
        if not self.stored.ready:
            raise Retryable("the cameras have not been read from Kafka yet: try again soon")


def setup_routes(bearer: Bearer, setup: Setup | None) -> APIRouter:
    """Return the routes; without `setup` they answer with what is missing."""
    router = APIRouter()
    path = HTTP_CAMERAS + "/{site}/{camera}"

    def entered(request: Request) -> Setup:
        require_key(bearer, request, "cameras")
        if setup is None:
            detail = "set CAMERAS_KEY_FILE of ingest, so that it can keep logins encrypted"
            raise Denied(503, "no-cameras-key", detail)
        return setup

    @router.get(HTTP_CAMERAS + "/{site}")
    async def sources(request: Request, site: str) -> Response:
        return _json(entered(request).sources(site))

    @router.put(path)
    async def put_source(request: Request, site: str, camera: str) -> Response:
        async with _answering():
            found = entered(request)
            source = await _body(request, NewSource)
            return _json(await found.put(_named(site, camera), source))

    @router.delete(path)
    async def remove_source(request: Request, site: str, camera: str) -> Response:
        async with _answering():
            await entered(request).remove(_named(site, camera))
            return Response(status_code=204)

    @router.post(path + "/try")
    async def try_source(request: Request, site: str, camera: str) -> Response:
        async with _answering():
            found, body = entered(request), await _body(request, NewSource)
            async with found.turn(site):
                jpeg = await found.attempt(_named(site, camera), body)
            return Response(jpeg, 200, _NO_STORE, "image/jpeg")

    @router.post(HTTP_CAMERAS + "/{site}/find")
    async def find_cameras(request: Request, site: str) -> Response:
        async with _answering():
            own = entered(request)
            async with own.turn(site):
                return _json(await own.finder.find(site))

    @router.post(HTTP_CAMERAS + "/{site}/profiles")
    async def list_profiles(request: Request, site: str) -> Response:
        async with _answering():
            own, asked = entered(request), await _body(request, AskedCamera)
            async with own.turn(site):
                return _json(await own.finder.profiles(site, asked))

    return router


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Turn our exceptions into answers."""
    try:
        yield
    except CameraFault as fault:
        raise Denied(422, fault.reason, fault.detail) from fault
    except Invalid as error:
        raise Denied(_STATUS.get(error.reason, 422), error.reason, error.detail) from error
    except Retryable as error:
        raise Denied(503, _REASONS.get(error.reason, "kafka-away"), str(error)) from error


def _named(site: str, camera: str) -> str:
    camera_id = f"{site}/{camera}"
    site_of(camera_id)
    return camera_id


def _of_file(camera: Camera) -> CameraSource | None:
    if camera.kind == "device":
        return None
    return CameraSource(
        camera_id=camera.camera_id,
        version=0,
        kind=camera.kind,
        url=camera.shown,
        interval_s=camera.interval_s,
        has_login=camera.credential is not None,
    )


async def _body(request: Request, of: type[T]) -> T:
    """Return the body. Raises Invalid, whose text contains no value of the body."""
    return read(await read_body(request, _BODY_MAX_BYTES), of)


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), 200, _NO_STORE, "application/json")
