"""Ask ONVIF cameras for their profiles, for `parking cameras probe` and `discover --profiles`."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from parking.core.errors import SettingsError
from services.ingest.pull.camerafile import Credential
from services.ingest.pull.camerafiles import read_logins
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.media import Profile
from services.ingest.pull.networks import Networks
from services.ingest.pull.onvifcam import OnvifDevice
from services.ingest.settings import probe_settings

HEAD: Final = ("camera", "profile", "codec", "picture", "rate", "stream", "snapshot")
_USUAL_PATH: Final = "/onvif/device_service"
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class How:
    """How to reach the cameras. `login` is the same for all."""

    networks: Networks
    limit_s: float
    login: Credential | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """A camera's profiles, or the reason why there are none."""

    url: str
    profiles: Sequence[Profile] = ()
    fault: str = ""

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the table."""
        if not self.profiles:
            return [(self.url, self.fault, "", "", "", "", "")]
        return [(self.url, *_cells(profile)) for profile in self.profiles]


def _cells(one: Profile) -> tuple[str, ...]:
    size = f"{one.width}x{one.height}" if one.width else ""
    rate = str(one.rate) if one.rate else ""
    return (one.name or one.token, one.codec, size, rate, one.stream, one.snapshot)


def reaching(parser: argparse.ArgumentParser) -> None:
    """Add the options that set how cameras are reached."""
    parser.add_argument("--credentials", type=Path, help="logins (CAMERAS_CREDENTIALS_FILE)")
    parser.add_argument("--networks", help="comma-separated networks (CAMERAS_NETWORKS)")
    parser.add_argument("--limit-s", help="seconds to wait for a camera (CAMERAS_LIMIT_S; 10)")


def overrides(options: argparse.Namespace) -> dict[str, str]:
    """Return the settings that the options override."""
    given = {
        "CAMERAS_CREDENTIALS_FILE": options.credentials,
        "CAMERAS_NETWORKS": options.networks,
        "CAMERAS_LIMIT_S": options.limit_s,
    }
    return {name: str(value) for name, value in given.items() if value}


def stop(error: SettingsError) -> NoReturn:
    """Print the problems and exit with status 2."""
    sys.stderr.write("".join(f"parking: {problem}\n" for problem in error.problems))
    sys.exit(2)


def read_how(options: argparse.Namespace, environ: Mapping[str, str]) -> How:
    """Read it from options and settings. Raises SettingsError."""
    file, networks, limit_s = probe_settings(dict(environ) | overrides(options))
    if not options.login:
        return How(networks, limit_s)
    logins = read_logins(file) if file else {}
    if options.login not in logins:
        raise SettingsError([f"--login: {options.login!r} is not in the credentials file"])
    return How(networks, limit_s, logins[options.login])


def url_of(camera: str) -> str:
    """Return a device service's URL, given that URL or a host."""
    if "://" in camera:
        return camera
    host = f"[{camera}]" if camera.count(":") > 1 and not camera.startswith("[") else camera
    return f"http://{host}{_USUAL_PATH}"


async def probe_all(urls: Sequence[str], how: How) -> list[Probed]:
    """Ask each camera, several at a time."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(url: str) -> Probed:
        async with room:
            try:
                device = OnvifDevice(url, how.networks, how.limit_s, how.login)
                return Probed(url, await device.profiles())
            except CameraFault as fault:
                return Probed(url, fault=str(fault))

    return await asyncio.gather(*map(one, urls))
