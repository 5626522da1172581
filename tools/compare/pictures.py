"""The picture at the start of a difference, cropped to the slot, with the slot's outline."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parking.core.errors import Invalid
from parking.core.events import FrameReceived, LayoutPublished, Polygon
from parking.core.geometry import polygon_area
from parking.core.topics import FRAMES, LAYOUTS
from services.detector.picture import decode
from tools.compare.timeline import Difference
from tools.record.recording import Kept, Recording

_AROUND: Final = 0.7  # margin on each side, as a share of the slot's size
_LEAST_PX: Final = 96
_SHOWN_PX: Final = 320
_QUALITY: Final = 82
_MAX_PIXELS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Shot:
    """A crop as a data URI of `size_wh` pixels. `outline` holds the slot's corners in it, in
    pixels."""

    frame: FrameReceived
    uri: str
    size_wh: tuple[int, int]
    outline: tuple[tuple[float, float], ...]


class Album:
    """A recording's frames, indexed by slot and time."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._layouts = [k for k in (*recording.before, *recording.records) if k.topic == LAYOUTS]
        self._frames: dict[str, list[Kept]] = {}
        for kept in recording.of(FRAMES):
            if isinstance(kept.event, FrameReceived):
                self._frames.setdefault(kept.event.camera_id, []).append(kept)

    def shot(self, difference: Difference) -> Shot | None:
        """Choose the camera that sees the slot largest and return its first picture of the
        difference, or None if it has no picture during it."""
        best: tuple[float, Kept, Polygon] | None = None
        for camera_id, frames in self._frames.items():
            kept = _first(frames, difference)
            polygon = self._polygon(camera_id, difference.key, kept) if kept else None
            if kept and polygon:
                area = polygon_area(polygon)
                if best is None or area > best[0]:
                    best = (area, kept, polygon)
        return self._cut(best[1], best[2]) if best else None

    def _polygon(self, camera_id: str, key: tuple[str, str], kept: Kept) -> Polygon | None:
        """Return the slot's outline in the layout that was in force at that time, or in the first
        layout if none was in force yet."""
        site_id, slot_id = key
        ours = [
            (layout.at_ms, layout.event)
            for layout in self._layouts
            if isinstance(layout.event, LayoutPublished) and layout.event.camera_id == camera_id
        ]
        if not ours or ours[0][1].site_id != site_id:
            return None
        then = [event for at_ms, event in ours if at_ms <= kept.at_ms] or [ours[0][1]]
        return next((slot.polygon for slot in then[-1].slots if slot.slot_id == slot_id), None)

    def _cut(self, kept: Kept, polygon: Polygon) -> Shot | None:
        frame = kept.event
        if not isinstance(frame, FrameReceived):
            return None
        try:
            picture = decode(self._recording.picture(kept.file or ""), _MAX_PIXELS, None)
        except Invalid:
            return None
        height, width = picture.shape[:2]
        points = np.asarray(polygon, np.float64) * (width, height)
        x0, y0, x1, y1 = _box(points, width, height)
        scale = _SHOWN_PX / max(x1 - x0, y1 - y0)
        size_wh = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(picture[y0:y1, x0:x1], size_wh, interpolation=method)
        _, jpeg = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
        outline = tuple((float(x), float(y)) for x, y in (points - (x0, y0)) * scale)
        uri = "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
        return Shot(frame, uri, size_wh, outline)


def _first(frames: Iterable[Kept], difference: Difference) -> Kept | None:
    start, end = difference.from_ms, difference.to_ms
    return next((k for k in frames if start <= k.event.time_ms <= end), None)


def _box(points: NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int]:
    """Return a square around the slot with a margin, moved so that it stays inside the picture."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = min(width, height, round(max(_LEAST_PX, (high - low).max() * (1 + 2 * _AROUND))))
    x, y = (low + high - side) / 2
    x0, y0 = min(max(0, round(x)), width - side), min(max(0, round(y)), height - side)
    return x0, y0, x0 + side, y0 + side
