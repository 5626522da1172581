"""Draw proposals over a picture, for a person to judge."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from parking.vision.proposals import SINGLES, Proposal
from tools.propose.recording import Picture

_ROWS: Final = ((230, 159, 0), (115, 158, 0), (0, 159, 230), (178, 114, 0))
_ALONE: Final = (0, 94, 213)
_FILLED: Final = (167, 121, 204)
_WHITE: Final = (255, 255, 255)
_BLACK: Final = (0, 0, 0)


def draw(picture: Picture, proposals: Sequence[Proposal]) -> Picture:
    """Return a copy with each outline, its name and its confidence in percent. Neighbouring rows
    differ in colour. Single places are vermilion, and filled gaps are thin and pink."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    zones = list(dict.fromkeys(one.zone_id for one in proposals))
    scale = max(0.32, width / 3200)
    for one in proposals:
        outline = np.round(np.multiply(one.polygon, (width - 1, height - 1))).astype(np.int32)
        colour = _ROWS[zones.index(one.zone_id) % len(_ROWS)]
        colour = _ALONE if one.zone_id == SINGLES else _FILLED if not one.frames else colour
        cv2.polylines(canvas, [outline], True, colour, 1 if not one.frames else 2, cv2.LINE_AA)
        text = f"{one.slot_id} {one.confidence * 100:.0f}"
        (text_w, text_h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        middle = outline.mean(axis=0)
        at = (int(middle[0] - text_w / 2), int(middle[1] + text_h / 2))
        for shade, thick in ((_BLACK, 3), (_WHITE, 1)):
            cv2.putText(
                canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, shade, thick, cv2.LINE_AA
            )
    return canvas
