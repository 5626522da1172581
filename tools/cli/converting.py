"""`parking layout convert`: convert files with drawn slots from one format into another."""

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Final

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished
from parking.core.ids import CAMERA
from parking.core.topics import site_of
from parking.wire import slotfiles
from parking.wire.annotations import listed
from parking.wire.slotfiles import SLOT_FILE_MAX_BYTES, TITLES, WRITERS, SlotFile

_EXAMPLE: Final = "formats: " + "; ".join(TITLES.values())


def convert(options: argparse.Namespace) -> None:
    """Convert a slots file of this or another program."""
    path: Path = options.path
    file = _read(path, options.size, options.picture)
    for note in file.notes:
        print(f"{path}: {note}", file=sys.stderr)
    others = [name for name in file.pictures if name != file.picture]
    if others and options.picture is None:
        names = ", ".join(ascii(name) for name in others[:10])
        print(
            f"{path}: of several pictures, {file.picture!a} is read; --picture chooses another"
            f" ({names})",
            file=sys.stderr,
        )  # fmt: skip -- one sentence
    data = _written(file, options)
    if options.out is None:
        sys.stdout.write(data.decode())
        return
    try:
        options.out.write_bytes(data)
    except OSError as error:
        detail = f"{options.out} cannot be written: {error.strerror}"
        raise Invalid("no-output", detail) from error


def _read(path: Path, size_wh: tuple[int, int] | None, picture: str | None) -> SlotFile:
    try:
        with path.open("rb") as file:
            data = file.read(SLOT_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise Invalid("no-layout", f"{path} cannot be read: {error.strerror}") from error
    if len(data) > SLOT_FILE_MAX_BYTES:
        raise Invalid("bad-slot-file", f"{path} is larger than {SLOT_FILE_MAX_BYTES} bytes")
    try:
        return slotfiles.read(data, size_wh, picture)
    except Invalid as error:
        if error.reason == "no-size":
            raise Invalid("no-size", f"{path}: {error.detail} (--size)") from error
        raise listed(error.reason, str(path), error.faults or [error.detail], _EXAMPLE) from error


def _written(file: SlotFile, options: argparse.Namespace) -> bytes:
    if options.to == "layout":
        return slotfiles.write_layout(_layout(file, options))
    size = options.size or file.size_wh
    if size is None:
        detail = f"{TITLES[options.to]} is in pixels: give the size of the picture, like"
        raise Invalid("no-size", f"{detail} --size 1280x720")
    name = Path(file.picture or "picture").name
    name = name if "." in name else f"{name}.jpg"
    return slotfiles.write(options.to, file.slots, name, (round(size[0]), round(size[1])))


def _layout(file: SlotFile, options: argparse.Namespace) -> LayoutPublished:
    camera_id: str = options.camera or ""
    if not re.fullmatch(CAMERA, camera_id):
        detail = "a layout contains its camera's id: give it, like --camera demo/north"
        raise Invalid("no-camera", detail)
    site_id, _, device = camera_id.partition("/")
    return LayoutPublished(
        id=f"{camera_id}/layout/1",
        site_id=site_of(camera_id),
        time_ms=time.time_ns() // 1_000_000,
        camera_id=camera_id,
        version=1,
        site_name=options.site_name or site_id,
        camera_name=device,
        interval_ms=options.interval_ms,
        zones=file.zones,
        slots=file.slots,
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found or not int(found[1]) or not int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!a} is not WIDTHxHEIGHT in pixels, like 1280x720")
    return int(found[1]), int(found[2])


def options_of(action: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    action.add_argument("path", type=Path, help="a file with slots; its format is recognised")
    action.add_argument("--to", choices=("layout", *WRITERS), default="layout")
    action.add_argument("--out", type=Path, metavar="FILE", help="default: print it")
    size_help = "size of the picture, if the file does not contain it"
    action.add_argument("--size", type=_size, metavar="WIDTHxHEIGHT", help=size_help)
    action.add_argument("--picture", metavar="NAME", help="the picture of the file to read")
    action.add_argument("--camera", metavar="SITE/CAMERA", help="of the layout to write")
    action.add_argument("--site-name", metavar="NAME", help="of the layout to write")
    action.add_argument(
        "--interval-ms", type=int, default=1000, help="milliseconds between its frames (1000)"
    )
    action.set_defaults(run=convert)
