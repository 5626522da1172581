"""Read and check a folder's annotations.json (its form is in parking/core/lots.py).

Only the fields in use are checked, because a data set may have others.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from parking.core.errors import Invalid
from parking.wire import jsontext
from parking.wire.typefaults import faults

NAME: Final = "annotations.json"
EXAMPLE: Final = "demo/annotations.json is an example"
_FAULTS_SHOWN: Final = 20

Name = str | int
Pixels = Annotated[float, Meta(gt=0)]
Outline = Annotated[list[tuple[float, float]], Meta(min_length=3)]


class _Slot(Struct, frozen=True, kw_only=True):
    id: Name
    polygon: Outline
    occupied: Literal[0, 1] | bool | None = None


class _Shot(Struct, frozen=True, kw_only=True):
    file: str
    camera: Name
    timestamp: str | None = None


class _Frame(_Shot, frozen=True, kw_only=True):
    width: Pixels
    height: Pixels
    slots: list[_Slot]


class _Place(Struct, frozen=True, kw_only=True):
    zone: Name = "lot"
    plan: list[tuple[float, float]] | None = None


class _Site(Struct, frozen=True, kw_only=True):
    id: Name | None = None
    name: Name | None = None
    zones: dict[str, Name] | None = None
    slots: dict[str, _Place] | None = None


class _Named(Struct, frozen=True, kw_only=True):
    name: Name | None = None


class _Passage(Struct, frozen=True, kw_only=True):
    frame: int
    direction: Literal["entry", "exit"]


class _File(Struct, frozen=True, kw_only=True):
    dataset: Name | None = None
    site: _Site | None = None
    cameras: dict[str, _Named] | None = None
    gate: list[_Passage] | None = None


class Footage(_File, frozen=True, kw_only=True):
    """The fields that are needed to play its pictures."""

    frames: list[_Shot]


class Annotations(_File, frozen=True, kw_only=True):
    """The fields that are needed to use its slots."""

    frames: list[_Frame]


def load(folder: Path, of: type[_File] = Annotations) -> dict[str, Any]:
    """Return the folder's annotations, checked as this type. Raises Invalid `no-annotations` or
    `bad-annotations`, which names the file and lists its faults, one per line."""
    file = folder / NAME
    try:
        data = file.read_bytes()
    except OSError as error:
        detail = (
            f"{file} cannot be read: {error.strerror}; a folder of footage needs one ({EXAMPLE})"
        )
        raise Invalid("no-annotations", detail) from error
    return checked(data, str(file), of)


def read_from(folder: Path) -> Callable[[str], bytes]:
    """Return a reader of the files that a folder's annotations name. The reader raises OSError."""
    return lambda name: (folder / name).read_bytes()


def checked(data: bytes, where: str, of: type[_File] = Annotations) -> dict[str, Any]:
    """The annotations in these bytes. Raises Invalid("bad-annotations")."""
    try:
        value = jsontext.parse(data)
    except Invalid as error:
        raise Invalid("bad-annotations", f"{where}, {error.detail}") from error
    try:
        msgspec.convert(value, of)
    except msgspec.ValidationError as error:
        found = faults(value, of) or [str(error)]
        raise listed("bad-annotations", where, found, EXAMPLE) from error
    return dict(value)


def listed(reason: str, where: str, found: list[str], example: str) -> Invalid:
    """A file's faults as one error, one per line, followed by the expected form."""
    lines = [f"{where}: {fault}" for fault in found[:_FAULTS_SHOWN]]
    more = len(found) - len(lines)
    lines += [f"... and {more} more"] if more > 0 else []
    return Invalid(reason, "\n  ".join([*lines, f"({example})"]), found)
