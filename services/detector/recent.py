"""What is remembered about each camera between frames. It is bounded, and lost at a restart."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from parking.core.events import DetectionMade, LayoutPublished
from parking.runtime.runner import next_offsets
from parking.vision.imagehealth import Look
from parking.wire.ports import Place, Record
from services.detector.bounded import keep
from services.detector.gate import LastView

CAMERAS_KEPT = 1024


T = TypeVar("T")


@dataclass(slots=True)
class Remembered(Generic[T]):
    """What is remembered about each camera between batches.

    A batch may be delivered again (after a Kafka outage or a rebalance). It must then be judged by
    what was known before it, otherwise a frame would be compared with itself.
    """

    _settled: dict[str, T] = field(default_factory=dict)
    _latest: dict[str, T] = field(default_factory=dict)
    _ends: dict[Place, int] = field(default_factory=dict)

    def before(self, records: Sequence[Record]) -> dict[str, T]:
        """Return the memory for this batch. The caller adds new views to the same dict."""
        again = any(r.offset < self._ends.get((r.topic, r.partition), 0) for r in records)
        if not again:
            self._settled = self._latest
        self._ends |= next_offsets(records)
        self._latest = dict(list(self._settled.items())[-CAMERAS_KEPT:])
        return self._latest


class Looks(Remembered[Look]):
    """Each camera's last look, used to detect a frozen camera."""


class LastViews(Remembered[LastView]):
    """Each camera's last inference, so that an unchanged scene is not searched again."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A camera's last analysed frame, for /overlay."""

    jpeg: bytes
    detection: DetectionMade
    layout: LayoutPublished | None


class Latest:
    """The last analysed frame of the cameras seen most recently."""

    def __init__(self, cameras: int) -> None:
        self._cameras = cameras
        self._shown: OrderedDict[str, Shown] = OrderedDict()

    def keep(self, shown: Shown) -> None:
        """Replace the camera's frame unless a later one is stored."""
        camera_id = shown.detection.camera_id
        newest = self._shown.get(camera_id)
        if newest and newest.detection.frame_ref.offset > shown.detection.frame_ref.offset:
            return
        keep(self._shown, camera_id, shown, self._cameras)

    def of(self, camera_id: str) -> Shown | None:
        """The camera's last frame."""
        return self._shown.get(camera_id)
