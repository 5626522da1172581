"""What is remembered of each camera between frames; bounded, and lost at a restart."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from parking.events import DetectionMade, LayoutPublished
from parking.imagehealth import Look
from parking.ports import Place, Record
from parking.runner import next_offsets
from services.detector.bounded import keep
from services.detector.gate import Held

CAMERAS_KEPT = 1024


T = TypeVar("T")


@dataclass(slots=True)
class Remembered(Generic[T]):
    """What is remembered of each camera between batches.

    A batch may come again (Kafka was away, a rebalance); it must then be judged by what was known
    before it, or a frame would be found equal to itself.
    """

    _settled: dict[str, T] = field(default_factory=dict)
    _latest: dict[str, T] = field(default_factory=dict)
    _ends: dict[Place, int] = field(default_factory=dict)

    def before(self, records: Sequence[Record]) -> dict[str, T]:
        """What to judge this batch by. The caller puts what is new into the same dict."""
        again = any(r.offset < self._ends.get((r.topic, r.partition), 0) for r in records)
        if not again:
            self._settled = self._latest
        self._ends |= next_offsets(records)
        self._latest = dict(list(self._settled.items())[-CAMERAS_KEPT:])
        return self._latest


class Looks(Remembered[Look]):
    """Each camera's last look, so that a camera that freezes is noticed."""


class Helds(Remembered[Held]):
    """Each camera's last inference, so that a scene that stands still is not searched again."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A camera's last analysed frame, for /overlay."""

    jpeg: bytes
    detection: DetectionMade
    layout: LayoutPublished | None


class Latest:
    """The last analysed frame of the cameras seen last."""

    def __init__(self, cameras: int) -> None:
        self._cameras = cameras
        self._shown: OrderedDict[str, Shown] = OrderedDict()

    def keep(self, shown: Shown) -> None:
        """Replace the camera's frame unless it holds a later one."""
        camera_id = shown.detection.camera_id
        held = self._shown.get(camera_id)
        if held and held.detection.frame_ref.offset > shown.detection.frame_ref.offset:
            return
        keep(self._shown, camera_id, shown, self._cameras)

    def of(self, camera_id: str) -> Shown | None:
        """The camera's last frame."""
        return self._shown.get(camera_id)
