"""How a picture must be turned to be shown upright, as in EXIF. Pure.

Ingest writes a camera's orientation into each of its JPEGs as the EXIF tag that browsers and
viewers respect. Everything after ingest (sizes, outlines, references) refers to the picture as
shown.
"""

from dataclasses import dataclass
from typing import Final, Literal

_HEADER: Final = b"Exif\0\0"
_ORDERS: Final[dict[bytes, Literal["little", "big"]]] = {b"II*\0": "little", b"MM\0*": "big"}
_TAG, _SHORT = 0x0112, 3
_ENTRY_BYTES: Final = 12
_MAX_ENTRIES: Final = 200


@dataclass(frozen=True, slots=True)
class Orientation:
    """Turn the stored picture clockwise by `rotate` degrees, then mirror it left to right."""

    rotate: int = 0
    mirror: bool = False

    @property
    def exif(self) -> int:
        """The value of the EXIF tag, 1 to 8."""
        return _EXIF[self.rotate, self.mirror]

    @property
    def swaps_sides(self) -> bool:
        """Whether the width becomes the height."""
        return self.rotate in (90, 270)

    def then(self, other: "Orientation") -> "Orientation":
        """This one, followed by the other."""
        back = -other.rotate if self.mirror else other.rotate
        return Orientation((self.rotate + back) % 360, self.mirror != other.mirror)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown."""
        return (height, width) if self.swaps_sides else (width, height)


UPRIGHT: Final = Orientation()
_BY_EXIF: Final = {
    1: UPRIGHT,
    2: Orientation(0, True),
    3: Orientation(180),
    4: Orientation(180, True),
    5: Orientation(90, True),
    6: Orientation(90),
    7: Orientation(270, True),
    8: Orientation(270),
}
_EXIF: Final = {(one.rotate, one.mirror): value for value, one in _BY_EXIF.items()}


def from_exif(body: bytes) -> Orientation | None:
    """The orientation in an APP1 segment's body, or None if it is not EXIF or contains no valid
    orientation."""
    tiff = body.removeprefix(_HEADER)
    order = _ORDERS.get(tiff[:4]) if len(tiff) < len(body) else None
    if order is None:
        return None

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    start = number(4, 4)
    for index in range(min(number(start, 2), _MAX_ENTRIES)):
        at = start + 2 + index * _ENTRY_BYTES
        if at + _ENTRY_BYTES > len(tiff):
            return None
        if number(at, 2) == _TAG and number(at + 2, 2) == _SHORT:
            return _BY_EXIF.get(number(at + 8, 2))
    return None


def exif_segment(orientation: Orientation) -> bytes:
    """A JPEG's APP1 segment that contains the orientation and nothing else."""
    entry = _TAG.to_bytes(2) + _SHORT.to_bytes(2) + b"\0\0\0\1" + bytes((0, orientation.exif, 0, 0))
    body = _HEADER + b"MM\0*\0\0\0\x08" + b"\0\1" + entry + b"\0\0\0\0"
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body
