"""`parking cameras`: check the cameras of a file, or find ONVIF cameras and their streams.

    parking cameras check cameras.json --credentials logins.json
    parking cameras discover [--profiles --credentials logins.json --login NAME]
    parking cameras probe 192.168.1.20 --credentials logins.json --login NAME

`check` polls each camera once, as ingest does, and prints the result. The exit status is 1 if a
camera failed and 2 if the files or settings are wrong. Without options, ingest's settings apply
(CAMERAS_..., FRAME_MAX_BYTES, FRAME_MAX_PIXELS). `discover` sends one WS-Discovery multicast and
lists the cameras that answer within a few seconds; with `--profiles` it also probes each. `probe`
asks a camera over ONVIF for its profiles and prints their stream and snapshot addresses.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parking.core.errors import Invalid, SettingsError
from services.ingest.jpeg import inspect
from services.ingest.messages import Limits
from services.ingest.pull import media, onvif
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.camerafiles import DiskFiles
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.networks import SiteNetworks
from services.ingest.pull.puller import Source
from services.ingest.pull.sources import sources
from services.ingest.pull.streams import Streams
from services.ingest.settings import check_settings
from tools.cli import probing

_AT_ONCE: Final = 8
_HEAD: Final = ("camera", "kind", "result", "picture", "bytes", "ms", "address")


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of polling one camera once."""

    camera: Camera
    result: str
    picture: str = ""
    size_bytes: int = 0
    took_ms: int = 0

    def row(self) -> tuple[str, ...]:
        """Return the cells of its table row."""
        size = str(self.size_bytes) if self.size_bytes else ""
        took = str(self.took_ms) if self.size_bytes else ""
        one = self.camera
        return (one.camera_id, one.kind, self.result, self.picture, size, took, one.shown)


async def try_all(
    cameras: Sequence[Camera], networks: SiteNetworks, limits: Limits, limit_s: float
) -> list[Tried]:
    """Poll each camera once, several at a time."""
    streams = Streams(limits)
    new_source = sources(networks, limits, limit_s, streams)
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(camera: Camera) -> Tried:
        async with room:
            return await _try(camera, new_source(camera), limits)

    try:
        return await asyncio.gather(*map(one, cameras))
    finally:
        await streams.close()


async def _try(camera: Camera, source: Source, limits: Limits) -> Tried:
    started = time.monotonic()
    try:
        async with aclosing(source.pictures(lambda: "picture")) as given:
            jpeg = await anext(given)
        took_ms = round((time.monotonic() - started) * 1000)
        size = (limits.frame_max_bytes, limits.frame_max_pixels)
        picture = inspect(jpeg, *size, camera.turn)
    except CameraFault as fault:
        return Tried(camera, str(fault))
    except Invalid as error:
        return Tried(camera, str(error))
    except StopAsyncIteration:
        return Tried(camera, "no-picture: the connection ended before a picture came")
    return Tried(camera, "ok", f"{picture.width}x{picture.height}", len(jpeg), took_ms)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def parser(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `parking cameras`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    check = actions.add_parser("check", help="poll each camera of a file once")
    check.add_argument("file", type=Path, help="the cameras file (CAMERAS_FILE)")
    probing.reaching(check)
    check.set_defaults(run=_check)
    discover = actions.add_parser("discover", help="list the ONVIF cameras that answer")
    discover.add_argument("--wait-s", type=float, default=4.0, help="seconds to listen (4)")
    discover.add_argument("--profiles", action="store_true", help="probe each camera that answers")
    probe = actions.add_parser("probe", help="list an ONVIF camera's profiles and addresses")
    probe.add_argument("camera", nargs="+", help="its host, or the URL of its device service")
    for one in (discover, probe):
        probing.reaching(one)
        one.add_argument("--login", help="the name of the login in the credentials file")
    discover.set_defaults(run=_discover)
    probe.set_defaults(run=_probe)


def _check(options: argparse.Namespace) -> None:
    given = {"CAMERAS_FILE": str(options.file)} | probing.overrides(options)
    try:
        pull, limits = check_settings(os.environ | given)
        cameras = DiskFiles(options.file, pull.credentials_file).read() or {}
    except SettingsError as error:
        probing.stop(error)
    polled = [camera for camera in cameras.values() if camera.kind != "device"]
    tried = asyncio.run(try_all(polled, pull.networks, limits, pull.limit_s))
    sys.stdout.write(table([_HEAD, *(one.row() for one in tried)]))
    good = sum(one.result == "ok" for one in tried)
    sys.stdout.write(f"{good} of {len(tried)} cameras sent a picture\n")
    if good < len(tried):
        sys.exit(1)


def _discover(options: argparse.Namespace) -> None:
    try:
        found = asyncio.run(onvif.discover(options.wait_s))
    except OSError as error:
        sys.stderr.write(f"parking: the request cannot be sent ({error.strerror})\n")
        sys.exit(1)
    rows = [("address", "model", "address"), *(one.row() for one in found)]
    sys.stdout.write(table(rows) if found else "")
    sys.stdout.write(f"{len(found)} ONVIF cameras answered\n")
    if options.profiles and found:
        _print_probed(
            options, [media.web_url(one.service, probing.url_of(one.address)) for one in found]
        )


def _probe(options: argparse.Namespace) -> None:
    _print_probed(options, [probing.url_of(camera) for camera in options.camera])


def _print_probed(options: argparse.Namespace, urls: Sequence[str]) -> None:
    try:
        how = probing.read_how(options, os.environ)
    except SettingsError as error:
        probing.stop(error)
    probed = asyncio.run(probing.probe_all([url for url in urls if url], how))
    sys.stdout.write(table([probing.HEAD, *(row for one in probed for row in one.rows())]))
    if not all(one.profiles for one in probed):
        sys.exit(1)
