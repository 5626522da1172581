"""What is remembered about each camera: its picture when its slots were judged, and the result."""

from dataclasses import dataclass, replace

from parking.core.events import Box, Observation
from parking.vision.alignment import Anchor
from parking.vision.gating import Memory
from services.detector.judging import Known


@dataclass(frozen=True, slots=True, eq=False)
class LastView:
    """`frame_id` is the frame on which a slot was judged last. `observations` holds each slot's
    last judgement, whose `since_ms` is the time of that frame. `anchor` is the picture from which
    shifts are measured; it has been in use for `anchored` pictures."""

    memory: Memory
    known: Known
    observations: tuple[Observation, ...]
    boxes: tuple[Box, ...]
    frame_id: str
    anchor: Anchor
    anchored: int = 0

    def again(self) -> "LastView":
        """Return the view after one more picture on which nothing was judged."""
        memory = replace(self.memory, repeats=self.memory.repeats + 1)
        return replace(self, memory=memory)
