"""Read a JPEG's size and orientation from its header alone. Pure."""

from typing import Final

from parking.core.errors import Invalid
from parking.core.orientation import UPRIGHT, Orientation, from_exif

_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_UNDECODABLE: Final = "undecodable"


def header_size(jpeg: bytes) -> tuple[int, int]:
    """Return (width, height) of the picture as shown, without decoding. Neither is 0. Raises
    Invalid."""
    stored, orientation = header(jpeg)
    return orientation.size(*stored)


def header(jpeg: bytes) -> tuple[tuple[int, int], Orientation]:
    """Return (width, height) of the picture as stored, and how to show it: the first valid EXIF
    orientation. Raises Invalid."""
    if not jpeg.startswith(b"\xff\xd8"):
        raise Invalid(_UNDECODABLE, "not a JPEG: does not start with FF D8")
    position, orientation = 2, None
    while position + 9 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_HEADERS:
            return _sides(jpeg[position + 5 : position + 9]), orientation or UPRIGHT
        if marker in (_SCAN, _END):
            break
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        if marker == _APP1:
            orientation = orientation or from_exif(jpeg[position + 4 : end])
        position = end
    raise Invalid(_UNDECODABLE, "the JPEG has no frame header")


def _sides(sides: bytes) -> tuple[int, int]:
    width, height = int.from_bytes(sides[2:]), int.from_bytes(sides[:2])
    if not width or not height:  # libjpeg cannot read a height of 0 (set later by DNL)
        raise Invalid(_UNDECODABLE, f"the frame header states {width}x{height} pixels")
    return width, height
