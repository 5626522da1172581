"""How large a JPEG says it is, read from its header alone. Pure."""

from typing import Final

from parking.errors import Invalid

_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END = 0xDA, 0xD9
_UNDECODABLE: Final = "undecodable"


def header_size(jpeg: bytes) -> tuple[int, int]:
    """(width, height) as the frame header says, without decoding; neither is 0. Raises Invalid."""
    if not jpeg.startswith(b"\xff\xd8"):
        raise Invalid(_UNDECODABLE, "not a JPEG: does not begin with FF D8")
    position = 2
    while position + 9 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_HEADERS:
            sides = jpeg[position + 5 : position + 9]
            width, height = int.from_bytes(sides[2:]), int.from_bytes(sides[:2])
            if not width or not height:  # a height of 0 (told later, by DNL) libjpeg cannot read
                raise Invalid(_UNDECODABLE, f"the frame header says {width}x{height} pixels")
            return width, height
        if marker in (_SCAN, _END):
            break
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4])
    raise Invalid(_UNDECODABLE, "the JPEG has no frame header")
