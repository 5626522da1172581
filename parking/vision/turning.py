"""Turn pictures according to their orientation, and back. Pure."""

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
    """The stored picture [H, W] or [H, W, 3], turned upright. Returns the same array if it already
    is."""
    if orientation.rotate:
        picture = np.asarray(cv2.rotate(picture, _CODES[orientation.rotate]), np.uint8)
    if orientation.mirror:
        picture = np.asarray(cv2.flip(picture, 1), np.uint8)
    return picture


def as_stored(picture: Picture, orientation: Orientation) -> Picture:
    """The reverse of `as_shown`. It is needed because damage runs along the rows that the camera
    sent."""
    if orientation == UPRIGHT:
        return picture
    if orientation.mirror:  # mirrored orientations are their own inverse, whatever the rotation
        return as_shown(picture, orientation)
    return as_shown(picture, Orientation(-orientation.rotate % 360))
