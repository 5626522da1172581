"""What is held of each camera: what it showed when its slots were judged, and what was said."""

from dataclasses import dataclass, replace

from parking.alignment import Anchor
from parking.events import Box, Observation
from parking.gating import Memory
from services.detector.judging import Known


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """`frame_id`: the frame on which a slot was judged last. `observations`: of each slot what was
    said when it was judged; `since_ms` is the time of that frame. `anchor`: the picture from which
    shifts are measured, for `anchored` pictures by now."""

    memory: Memory
    known: Known
    observations: tuple[Observation, ...]
    boxes: tuple[Box, ...]
    frame_id: str
    anchor: Anchor
    anchored: int = 0

    def again(self) -> "Held":
        """After one more picture that judged nothing."""
        memory = replace(self.memory, repeats=self.memory.repeats + 1)
        return replace(self, memory=memory)
