"""Turn pictures as their orientation says, and back. Pure."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.orientation import UPRIGHT, Orientation

Picture = NDArray[np.uint8]

_CODES: Final = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def as_shown(picture: Picture, orientation: Orientation) -> Picture:
    """The stored picture [H, W] or [H, W, 3], upright; the same array if it is already."""
    if orientation.rotate:
        picture = np.asarray(cv2.rotate(picture, _CODES[orientation.rotate]), np.uint8)
    if orientation.mirror:
        picture = np.asarray(cv2.flip(picture, 1), np.uint8)
    return picture


def as_stored(picture: Picture, orientation: Orientation) -> Picture:
    """The reverse of `as_shown`. Damage runs along the rows that the camera sent."""
    if orientation == UPRIGHT:
        return picture
    if orientation.mirror:  # mirrored pictures are their own reverse, whatever the rotation
        return as_shown(picture, orientation)
    return as_shown(picture, Orientation(-orientation.rotate % 360))
