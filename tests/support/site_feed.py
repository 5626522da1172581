"""A site's frames, detections and gate events straight into Kafka, as ingest and the detector write
them, some of them duplicated, and the results expected at the end."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from parking.core.events import DetectionMade, FrameReceived, FrameRef
from parking.core.topics import DETECTIONS, GATE_EVENTS, SITE_COMMANDS
from parking.wire import codec
from parking.wire.ports import Outgoing
from tests.support.persisting import jpeg
from tests.support.tracker_log import as_record, send
from tests.support.tracking import Teller
from tools.stack.infra import Infra

CAMERAS = "ab"
SLOTS = "123"


@dataclass
class Feed:
    """`frames` and `gates` are the ids of the records that Kafka has accepted. The feed's time
    begins `behind_ms` ago and runs `speed` times as fast, up to now."""

    infra: Infra
    site: str
    behind_ms: int = 0
    speed: float = 1.0
    frames: set[str] = field(default_factory=set)
    gates: set[str] = field(default_factory=set)
    turn: int = 0

    def __post_init__(self) -> None:
        self._began_ms = time.time_ns() // 1_000_000
        self.teller = Teller(self.site)
        self.teller.now_ms = self.now_ms()

    def now_ms(self) -> int:
        """Return the site's time."""
        now_ms = time.time_ns() // 1_000_000
        passed_ms = round(self.speed * (now_ms - self._began_ms))
        return min(now_ms, self._began_ms - self.behind_ms + passed_ms)

    def begin(self, **parameters: Any) -> None:
        """Set up two cameras that see the same three slots."""
        adopted = [self.teller.parameters(**parameters)] if parameters else []
        adopted += [self.teller.adopt(camera, *SLOTS) for camera in CAMERAS]
        send(self.infra, [as_record(command, SITE_COMMANDS) for command in adopted])

    def rounds(self, count: int = 3) -> None:
        """Write rounds. Each has two frames, the observations on them, a passage, and copies of two
        of these records."""
        times = []
        for _ in range(count):
            self.turn += 1
            seen = {slot: "of"[(self.turn // 3 + int(slot)) % 2] for slot in SLOTS}
            self.teller.now_ms = max(self.teller.now_ms - 900, self.now_ms())
            made = [self.teller.see(camera, seen) for camera in CAMERAS]
            times.append((made, self.teller.gate("entry" if self.turn % 3 else "exit", self.turn)))
        pictures = [picture(detection) for made, _ in times for detection in made]
        places = iter(send(self.infra, pictures))
        records: list[Outgoing] = []
        for made, passage in times:
            gate = as_record(passage, GATE_EVENTS)
            seen_in = [as_record(placed(one, *next(places)), DETECTIONS) for one in made]
            records += [*seen_in, gate, seen_in[0], gate]
        send(self.infra, records)
        self.frames |= {one.id for made, _ in times for one in made}
        self.gates |= {passage.id for _, passage in times}


def picture(seen: DetectionMade) -> Outgoing:
    """Return the frame of a detection. Its picture is not readable."""
    data = jpeg(seen.frame_ref.offset)
    frame = FrameReceived(
        id=seen.id,
        site_id=seen.site_id,
        time_ms=seen.time_ms,
        camera_id=seen.camera_id,
        via="mqtt",
        width=640,
        height=480,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        received_at_ms=seen.time_ms,
        time_source="device",
    )
    return codec.outgoing_frame(frame, data, "test")


def placed(seen: DetectionMade, partition: int, offset: int) -> DetectionMade:
    """Return the detection with its frame's offset."""
    ref = FrameRef(frame_id=seen.id, partition=partition, offset=offset)
    return replace(seen, frame_ref=ref)
