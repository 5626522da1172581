"""The cameras file and the credentials file on disk, reloaded when either changes."""

import stat
from pathlib import Path
from typing import Final

from parking.core.errors import SettingsError
from services.ingest.pull.camerafile import Camera, Credential, read_cameras, read_credentials

_MAX_BYTES: Final = 1_000_000


class DiskFiles:
    """puller.CameraFiles on disk. Without `credentials` no camera needs a login."""

    def __init__(self, cameras: Path, credentials: Path | None) -> None:
        self._cameras = cameras
        self._credentials = credentials
        self._stamp: object = None

    def read(self) -> dict[str, Camera] | None:
        """Return all cameras, or None when neither file has changed since the last call, even if
        that call raised an error. Raises SettingsError with every fault."""
        stamp = [_stamp(path) for path in (self._cameras, self._credentials) if path]
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        problems: list[str] = []
        credentials: dict[str, Credential] = {}
        try:
            credentials = read_logins(self._credentials) if self._credentials else {}
        except SettingsError as error:
            problems += error.problems
        try:
            text = _text(self._cameras)
        except SettingsError as error:  # it names the path
            raise SettingsError(problems + error.problems) from error
        try:
            cameras = read_cameras(text, credentials)
        except SettingsError as error:
            problems += [f"{self._cameras.name}: {problem}" for problem in error.problems]
        if problems:
            raise SettingsError(problems)
        return cameras


def read_logins(path: Path) -> dict[str, Credential]:
    """Read the credentials file. Raises SettingsError with every fault, and when other users can
    read the file."""
    text = _text(path)
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not str(path).startswith("/run/secrets/"):
        raise SettingsError([f"{path} is open to others: chmod 600 it"])
    try:
        return read_credentials(text)
    except SettingsError as error:
        raise SettingsError([f"{path.name}: {problem}" for problem in error.problems]) from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from error
    if len(text) > _MAX_BYTES:
        raise SettingsError([f"{path} is larger than {_MAX_BYTES} bytes"])
    return text
