"""From JPEG bytes to pixels, or a reason why not.

Ingest has checked the picture's structure; a frame may still come from another writer, or have
been damaged inside its compressed data. OpenCV fills what is missing with grey and says nothing,
so the header is read before decoding and the last block is looked at afterwards.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.errors import Invalid
from parking.jpeghead import header_size as header_size
from parking.reference import small_grey as small_grey

Picture = NDArray[np.uint8]

_MISSING_GREY: Final = 128
_BLOCK_PX: Final = 8
_UNDECODABLE: Final = "undecodable"


def decode(
    jpeg: bytes | None,
    max_pixels: int,
    expected_wh: tuple[int, int] | None,
    *,
    halve: bool = False,
) -> Picture:
    """BGR pixels [H, W, 3]; with `halve` at half the size (rounded up), which costs libjpeg less
    than half. Raises Invalid: `empty`, `too-many-pixels`, `size-differs` from what the metadata
    say, or `undecodable`."""
    if not jpeg:
        raise Invalid("empty", "a frame without a picture")
    size_wh = header_size(jpeg)
    if size_wh[0] * size_wh[1] > max_pixels:
        raise Invalid(
            "too-many-pixels", f"{size_wh[0]}x{size_wh[1]}; at most {max_pixels} pixels are taken"
        )
    if expected_wh is not None and size_wh != expected_wh:
        raise Invalid("size-differs", f"the picture is {size_wh}, its metadata say {expected_wh}")
    parts = 2 if halve else 1
    try:
        # Without the flag OpenCV would turn the picture by an EXIF tag that the slots know not of.
        how = cv2.IMREAD_REDUCED_COLOR_2 if halve else cv2.IMREAD_COLOR
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), how | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise Invalid(_UNDECODABLE, str(error)[:400]) from error
    if decoded is None:
        raise Invalid(_UNDECODABLE, "OpenCV cannot decode it")
    picture = np.asarray(decoded, np.uint8)
    if picture.shape != (-(-size_wh[1] // parts), -(-size_wh[0] // parts), 3):
        raise Invalid(_UNDECODABLE, f"decoded to {picture.shape}, the header says {size_wh}")
    # What the data do not reach, libjpeg leaves at exactly this grey; a real corner is never it.
    block_px = _BLOCK_PX // parts
    if (picture[-block_px:, -block_px:] == _MISSING_GREY).all():
        raise Invalid(_UNDECODABLE, "the picture's end is missing: its last block is blank")
    return picture
