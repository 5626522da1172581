"""`parking cameras`: try the cameras of a file, or look for ONVIF cameras in the network.

    python -m parking cameras check cameras.json --credentials logins.json
    python -m parking cameras discover

`check` asks each camera once, as ingest would, and tells what came; exit status 1 when one failed.
What no option says is ingest's setting (CAMERAS_..., FRAME_MAX_BYTES and FRAME_MAX_PIXELS) or its
default. `discover` sends one multicast question (WS-Discovery)
and lists who answers within a few seconds; it connects to nobody.
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

from parking.errors import Invalid, SettingsError
from parking.networks import Networks
from services.ingest import onvif
from services.ingest.camerafile import Camera
from services.ingest.camerafiles import DiskFiles
from services.ingest.decoder import Decoder
from services.ingest.faults import CameraFault
from services.ingest.jpeg import inspect
from services.ingest.messages import Limits
from services.ingest.puller import Source
from services.ingest.settings import check_settings
from services.ingest.sources import sources

_AT_ONCE: Final = 8
_HEAD: Final = ("camera", "kind", "result", "picture", "bytes", "ms", "address")


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one question to one camera."""

    camera: Camera
    result: str
    picture: str = ""
    size_bytes: int = 0
    took_ms: int = 0

    def row(self) -> tuple[str, ...]:
        """As the table shows it."""
        size = str(self.size_bytes) if self.size_bytes else ""
        took = str(self.took_ms) if self.size_bytes else ""
        one = self.camera
        return (one.camera_id, one.kind, self.result, self.picture, size, took, one.shown)


async def try_all(
    cameras: Sequence[Camera], networks: Networks, limits: Limits, limit_s: float
) -> list[Tried]:
    """Ask each camera for one picture, some at once."""
    decoder = Decoder(limits)
    new_source = sources(networks, limits, limit_s, decoder)
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(camera: Camera) -> Tried:
        async with room:
            return await _try(camera, new_source(camera), limits)

    try:
        return await asyncio.gather(*map(one, cameras))
    finally:
        await decoder.close()


async def _try(camera: Camera, source: Source, limits: Limits) -> Tried:
    started = time.monotonic()
    try:
        async with aclosing(source.pictures(lambda: "picture")) as given:
            jpeg = await anext(given)
        took_ms = round((time.monotonic() - started) * 1000)
        picture = inspect(jpeg, limits.frame_max_bytes, limits.frame_max_pixels)
    except CameraFault as fault:
        return Tried(camera, str(fault))
    except Invalid as error:
        return Tried(camera, str(error))
    except StopAsyncIteration:
        return Tried(camera, "no-picture: the connection ended without one")
    return Tried(camera, "ok", f"{picture.width}x{picture.height}", len(jpeg), took_ms)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(
        prog="parking cameras",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    check = actions.add_parser("check", help="ask each camera of a file once")
    check.add_argument("file", type=Path, help="the cameras file (CAMERAS_FILE)")
    check.add_argument("--credentials", type=Path, help="logins (CAMERAS_CREDENTIALS_FILE)")
    check.add_argument("--networks", help="where cameras may be, by commas (CAMERAS_NETWORKS)")
    check.add_argument("--limit-s", help="seconds a camera may take (CAMERAS_LIMIT_S; 10)")
    discover = actions.add_parser("discover", help="list the ONVIF cameras that answer")
    discover.add_argument("--wait-s", type=float, default=4.0, help="seconds to listen (4)")
    options = parser.parse_args(arguments)
    try:
        return _check(options) if options.action == "check" else _discover(options)
    except SettingsError as error:
        sys.stderr.write("".join(f"parking: {problem}\n" for problem in error.problems))
        return 2


def _check(options: argparse.Namespace) -> int:
    given = {"CAMERAS_FILE": options.file, "CAMERAS_CREDENTIALS_FILE": options.credentials}
    given |= {"CAMERAS_NETWORKS": options.networks, "CAMERAS_LIMIT_S": options.limit_s}
    said = {name: str(value) for name, value in given.items() if value}
    pull, limits = check_settings(os.environ | said)
    cameras = DiskFiles(pull.cameras_file, pull.credentials_file).read() or {}
    tried = asyncio.run(try_all([*cameras.values()], pull.networks, limits, pull.limit_s))
    sys.stdout.write(table([_HEAD, *(one.row() for one in tried)]))
    good = sum(one.result == "ok" for one in tried)
    sys.stdout.write(f"{good} of {len(tried)} cameras give pictures\n")
    return 0 if good == len(tried) else 1


def _discover(options: argparse.Namespace) -> int:
    found = asyncio.run(onvif.discover(options.wait_s))
    rows = [("address", "model", "where it answers"), *(one.row() for one in found)]
    sys.stdout.write(table(rows) if found else "")
    sys.stdout.write(f"{len(found)} ONVIF cameras answered\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
