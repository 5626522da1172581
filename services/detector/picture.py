"""Decode a JPEG, or say why not.

Ingest has checked the picture's structure. A frame may still come from another writer, or have been
damaged inside its compressed data. OpenCV fills missing parts with grey and reports nothing. So the
header is read before decoding, the last block is checked afterwards, and libjpeg's warnings are
read (complaints.py). Pictures are decoded as stored, because damage runs along stored rows, and
then turned as their EXIF orientation says.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.errors import Invalid
from parking.core.jpeghead import header
from parking.core.jpeghead import header_size as header_size
from parking.core.orientation import Orientation
from parking.runtime.complaints import damage_in, listen
from parking.vision.imagehealth import LONG_SIDE_PX
from parking.vision.reference import small_grey as small_grey
from parking.vision.turning import as_shown

Picture = NDArray[np.uint8]

_MISSING_GREY: Final = 128
_BLOCK_PX: Final = 8
_UNDECODABLE: Final = "undecodable"
_COLOUR: Final = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2}
_GREY: Final = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def decode(
    jpeg: bytes | None,
    max_pixels: int,
    expected_wh: tuple[int, int] | None,
    *,
    halve: bool = False,
) -> Picture:
    """Return BGR pixels [H, W, 3], upright. With `halve` the picture has half the size (rounded
    up), which costs less than half. Raises Invalid: `empty`, `too-many-pixels`, `size-differs`
    (from the metadata), or `undecodable`."""
    data, size_wh, orientation = _checked(jpeg, max_pixels, expected_wh)
    parts = 2 if halve else 1
    picture, _ = listen(lambda: _pixels(data, size_wh, parts, _COLOUR[parts]))
    _require_end(picture, parts)
    return as_shown(picture, orientation)


def decode_grey(
    jpeg: bytes | None, max_pixels: int, expected_wh: tuple[int, int] | None
) -> tuple[Picture, str | None]:
    """Return the small grey picture [H, W] for health and change gate, upright, in half the time of
    a full decode, and libjpeg's complaint about it. Raises Invalid like `decode`."""
    data, size_wh, orientation = _checked(jpeg, max_pixels, expected_wh)
    parts = next((p for p in (8, 4, 2) if max(size_wh) >= p * LONG_SIDE_PX), 1)
    picture, decoder_text = listen(lambda: _pixels(data, size_wh, parts, _GREY[parts]))
    if _ends_blank(picture, parts):  # grey alone may match by chance, but colours settle it
        decode(jpeg, max_pixels, expected_wh)
    return as_shown(small_grey(picture), orientation), damage_in(decoder_text, jpeg or b"")


def _checked(
    jpeg: bytes | None, max_pixels: int, expected_wh: tuple[int, int] | None
) -> tuple[NDArray[np.uint8], tuple[int, int], Orientation]:
    """Return the bytes, and the stored size and the orientation from the header."""
    if not jpeg:
        raise Invalid("empty", "a frame without a picture")
    size_wh, orientation = header(jpeg)
    if size_wh[0] * size_wh[1] > max_pixels:
        raise Invalid(
            "too-many-pixels", f"{size_wh[0]}x{size_wh[1]}; at most {max_pixels} pixels are allowed"
        )
    shown_wh = orientation.size(*size_wh)
    if expected_wh is not None and shown_wh != expected_wh:
        raise Invalid(
            "size-differs", f"the picture is {shown_wh}, its metadata state {expected_wh}"
        )
    return np.frombuffer(jpeg, np.uint8), size_wh, orientation


def _pixels(data: NDArray[np.uint8], size_wh: tuple[int, int], parts: int, flags: int) -> Picture:
    """Return the pixels, decoded at 1/`parts` of the picture's size."""
    try:
        decoded = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise Invalid(_UNDECODABLE, str(error)[:400]) from error
    if decoded is None:
        raise Invalid(_UNDECODABLE, "OpenCV cannot decode it")
    picture = np.asarray(decoded, np.uint8)
    if picture.shape[:2] != (-(-size_wh[1] // parts), -(-size_wh[0] // parts)):
        raise Invalid(_UNDECODABLE, f"decoded to {picture.shape}, the header states {size_wh}")
    return picture


def _ends_blank(picture: Picture, parts: int) -> bool:
    """Return whether the last block is blank: libjpeg leaves areas without data at exactly this
    grey, which a real corner never has."""
    block_px = _BLOCK_PX // parts
    return bool((picture[-block_px:, -block_px:] == _MISSING_GREY).all())


def _require_end(picture: Picture, parts: int) -> None:
    if _ends_blank(picture, parts):
        raise Invalid(_UNDECODABLE, "the picture's end is missing: its last block is blank")
