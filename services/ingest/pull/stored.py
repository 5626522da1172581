"""The cameras that were added on the page: parking.cameras as a table."""

import logging
from typing import Any, Final

from parking.access.camera_logins import LoginKey
from parking.core.errors import Invalid
from parking.core.events import CameraConfigured
from parking.core.topics import CAMERAS, site_of
from parking.wire import codec
from parking.wire.camera_sources import CameraSource, Credential, NewSource
from parking.wire.ports import Outgoing, Record
from services.ingest.pull.camerafile import MAX_CAMERAS, Camera, polled
from services.ingest.pull.puller import CameraFiles

SOURCE: Final = "ingest"
MAX_CAMERAS_OF_A_SITE: Final = 64
IN_FILE: Final = "it is also in the cameras file, whose entry is used: remove it from one of them"
log = logging.getLogger(__name__)


class StoredCameras:
    """The latest record of each camera. `ready` means that the topic was read to its end, `changed`
    that something changed since somebody last cleared it."""

    def __init__(self, key: LoginKey) -> None:
        self.ready = False
        self.changed = True
        self._key = key
        self._latest: dict[str, CameraConfigured] = {}

    def apply(self, record: Record) -> None:
        """Apply a record. One that cannot be used is logged and skipped."""
        try:
            event = codec.decode(record)
        except Invalid as error:
            log.error("%s, offset %d is skipped: %s", record.topic, record.offset, error)
            return
        if isinstance(event, CameraConfigured):
            self.take(event)

    def take(self, event: CameraConfigured) -> None:
        """Apply an event if its version is higher."""
        if event.version > self.version(event.camera_id):
            self._latest[event.camera_id] = event
            self.changed = True

    def version(self, camera_id: str) -> int:
        """Return the version of the latest record, even of a removed camera; 0 if there never was
        one."""
        latest = self._latest.get(camera_id)
        return latest.version if latest else 0

    def find(self, camera_id: str) -> CameraConfigured | None:
        """Return the camera's record, or None if there is none or the camera was removed."""
        latest = self._latest.get(camera_id)
        return latest if latest and not latest.removed else None

    def all(self) -> list[CameraConfigured]:
        """Return all cameras that were not removed, by name."""
        return [one for _, one in sorted(self._latest.items()) if not one.removed]

    def cameras(self) -> dict[str, Camera]:
        """Return the cameras that can be polled; the others are logged. Returns None before the
        topic's end has been read, because an earlier version may come first."""
        found: dict[str, Camera] = {}
        for event in self.all() if self.ready else ():
            try:
                found[event.camera_id] = self._camera(event)
            except Invalid as error:
                log.error("camera %s is not polled: %s", event.camera_id, error.detail)
        return found

    def view(self, event: CameraConfigured, *, in_file: bool) -> CameraSource:
        """Return the camera as the page shows it."""
        fault = IN_FILE if in_file else None
        try:
            self._camera(event)
        except Invalid as error:
            fault = error.detail
        return CameraSource(
            camera_id=event.camera_id,
            version=event.version,
            kind=event.kind,
            url=event.url,
            interval_s=event.interval_s,
            has_login=event.sealed is not None,
            fault=fault,
        )

    def login(self, camera_id: str, source: NewSource) -> Credential | None:
        """Return the login to use. Raises Invalid("sealed-otherwise") when the stored login may not
        be kept with this address."""
        stored = self.find(camera_id)
        if not source.keep_login or stored is None or stored.sealed is None:
            return source.login
        return self._key.reveal(stored.sealed, camera_id, source.url)

    def configured(self, camera_id: str, source: NewSource, now_ms: int) -> CameraConfigured:
        """Return the camera's next version. Raises Invalid: `bad-camera`, `sealed-otherwise`,
        `source-changed`, `too-many`."""
        self.require_version(camera_id, source.version)
        if self.find(camera_id) is None:
            self._require_room(site_of(camera_id))
        login = self.login(camera_id, source)
        polled(camera_id, source, login)
        return CameraConfigured(
            **self._head(camera_id, now_ms),
            kind=source.kind,
            url=source.url,
            interval_s=source.interval_s,
            sealed=self._key.seal(login, camera_id, source.url) if login else None,
        )

    def _require_room(self, site_id: str) -> None:
        here = [event for event in self.all() if event.site_id == site_id]
        if len(here) >= MAX_CAMERAS_OF_A_SITE:
            raise Invalid("too-many", f"at most {MAX_CAMERAS_OF_A_SITE} cameras for each site")
        if len(self.all()) >= MAX_CAMERAS:
            raise Invalid("too-many", f"at most {MAX_CAMERAS} cameras can be added")

    def removed(self, camera_id: str, now_ms: int) -> CameraConfigured:
        """Return the last version of an existing camera, without its address and login."""
        stored = self._latest[camera_id]
        return CameraConfigured(
            **self._head(camera_id, now_ms),
            kind=stored.kind,
            url="",
            interval_s=stored.interval_s,
            removed=True,
        )

    def require_version(self, camera_id: str, version: int) -> None:
        """Raises Invalid("source-changed") when another version is in force; 0 means that there
        must be no camera."""
        stored = self.find(camera_id)
        in_force = stored.version if stored else 0
        if version == in_force:
            return
        words = f"version {in_force} is in force, not {version}: load the page again"
        if version == 0:
            words = "it was already added: change it, or choose another name"
        elif in_force == 0:
            words = "somebody removed it meanwhile"
        raise Invalid("source-changed", f"{camera_id}: {words}")

    def _camera(self, event: CameraConfigured) -> Camera:
        login = None
        if event.sealed is not None:
            login = self._key.reveal(event.sealed, event.camera_id, event.url)
        source = NewSource(
            version=event.version, kind=event.kind, url=event.url, interval_s=event.interval_s
        )
        return polled(event.camera_id, source, login)

    def _head(self, camera_id: str, now_ms: int) -> dict[str, Any]:
        version = self.version(camera_id) + 1
        return {
            "id": f"{camera_id}/source/{version}",
            "site_id": site_of(camera_id),
            "time_ms": now_ms,
            "camera_id": camera_id,
            "version": version,
        }


def record_of(event: CameraConfigured) -> Outgoing:
    """Return the record for parking.cameras."""
    return codec.outgoing(event, CAMERAS, event.camera_id, SOURCE)


class AllCameras:
    """puller.CameraFiles over the cameras file and the page's cameras. A camera that is in both is
    polled as the file says."""

    def __init__(self, files: CameraFiles | None, stored: StoredCameras | None) -> None:
        self._files = files
        self._stored = stored
        self.in_file: dict[str, Camera] = {}

    def read(self) -> dict[str, Camera] | None:
        """Return all cameras, or None when nothing has changed. Raises SettingsError for an invalid
        file; the page's cameras are then read at the next call."""
        fresh = self._files.read() if self._files else None
        changed = self._stored is not None and self._stored.ready and self._stored.changed
        if fresh is None and not changed:
            return None
        if fresh is not None:
            self.in_file = fresh
        if self._stored is None:
            return self.in_file
        self._stored.changed = not self._stored.ready
        return {**self._stored.cameras(), **self.in_file}
