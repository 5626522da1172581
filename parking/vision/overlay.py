"""Draw what the system sees on a picture: slots, vehicles and a caption.

A slot's state has a colour, a pattern and a letter, so that no reader has to rely on colour: free =
green outline, F; occupied = vermilion with hatching, O; unknown = amber with dots, ?; closed = blue
with a cross, X. The colours can be told apart with the common kinds of colour blindness.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.events import Box, SlotState

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Bgr = tuple[int, int, int]

_FILL: Final = 0.45
_STEP_PX: Final = 9
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_WHITE: Final[Bgr] = (255, 255, 255)
_BLACK: Final[Bgr] = (0, 0, 0)
_BOX: Final[Bgr] = (255, 255, 0)


@dataclass(frozen=True, slots=True)
class Mark:
    """One slot to draw: its outline normalised to 0..1, its state, and its label."""

    polygon: Sequence[tuple[float, float]]
    state: SlotState
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    colour: Bgr
    letter: str
    pattern: Callable[[NDArray[np.intp], NDArray[np.intp]], Mask]


_LOOKS: Final[dict[SlotState, _Look]] = {
    "free": _Look((115, 158, 0), "F", lambda x, y: np.zeros(np.broadcast(x, y).shape, bool)),
    "occupied": _Look((0, 94, 213), "O", lambda x, y: (x + y) % _STEP_PX < 3),
    "unknown": _Look((0, 159, 230), "?", lambda x, y: (x % _STEP_PX < 3) & (y % _STEP_PX < 3)),
    "closed": _Look(
        (178, 114, 0), "X", lambda x, y: ((x + y) % _STEP_PX < 2) | ((x - y) % _STEP_PX < 2)
    ),
}


def draw(picture: Picture, marks: Sequence[Mark], boxes: Sequence[Box], caption: str) -> Picture:
    """A copy of the BGR picture with everything drawn on it. The caption gets its own bar."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    scale = max(0.4, width / 1600)
    for mark in marks:
        _slot(canvas, mark, scale)
    for box in boxes:
        x0, y0, x1, y1 = np.multiply(box.xyxy, (width, height, width, height)).round().astype(int)
        cv2.rectangle(canvas, (int(x0), int(y0)), (int(x1), int(y1)), _BOX, 1, cv2.LINE_AA)
    if caption:
        _caption(canvas, caption, scale)
    return canvas


def encode(picture: Picture, quality: int = 80) -> bytes:
    """The picture as JPEG."""
    done, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded")
    return data.tobytes()


def _slot(canvas: Picture, mark: Mark, scale: float) -> None:
    look = _LOOKS[mark.state]
    height, width = canvas.shape[:2]
    outline = np.multiply(mark.polygon, (width - 1, height - 1)).round().astype(np.int32)
    x, y, w, h = cv2.boundingRect(outline)
    part = canvas[y : y + h, x : x + w]
    inside = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(inside, [outline - (x, y)], 1)
    rows, columns = np.arange(y, y + part.shape[0])[:, None], np.arange(x, x + part.shape[1])
    drawn = (inside > 0) & look.pattern(columns, rows)
    part[drawn] = (part[drawn] * (1 - _FILL) + np.multiply(look.colour, _FILL)).astype(np.uint8)
    cv2.polylines(canvas, [outline], True, _BLACK, 3, cv2.LINE_AA)
    cv2.polylines(canvas, [outline], True, look.colour, 2, cv2.LINE_AA)
    text = f"{mark.label} {look.letter}".strip()
    (text_w, text_h), _ = cv2.getTextSize(text, _FONT, scale, 1)
    middle = outline.mean(axis=0)
    _text(canvas, text, (int(middle[0] - text_w / 2), int(middle[1] + text_h / 2)), scale)


def _text(canvas: Picture, text: str, origin: tuple[int, int], scale: float) -> None:
    cv2.putText(canvas, text, origin, _FONT, scale, _BLACK, 3, cv2.LINE_AA)
    cv2.putText(canvas, text, origin, _FONT, scale, _WHITE, 1, cv2.LINE_AA)


def _caption(canvas: Picture, caption: str, scale: float) -> None:
    bar = round(34 * scale)
    canvas[:bar] = canvas[:bar] // 3
    plain = caption.encode("ascii", "replace").decode()  # OpenCV's fonts have only ASCII
    _text(canvas, plain, (round(8 * scale), round(bar * 0.72)), scale * 0.9)
