"""The persister's load from 100 cameras: frames, detections, changes and camera states, in time
order.

Each camera sends one picture per interval, spread evenly. Most detections repeat an earlier result
(`reused_from`), as on a lot where nothing moves. The others hold 40 observations and 25 boxes.
Numbers have as many digits as the detector writes. The same seed makes the same load.
"""

import hashlib
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, NamedTuple

from msgspec.structs import replace

from parking.core.events import (
    Box,
    CameraStatusChanged,
    Cause,
    DetectionMade,
    Effort,
    FrameReceived,
    FrameRef,
    ImageHealth,
    Observation,
    SlotChanged,
)
from parking.core.topics import CAMERA_STATUS, DETECTIONS, SLOT_CHANGES
from parking.wire import codec
from parking.wire.ports import Outgoing

SLOTS: Final = 40
_CAMERAS_A_SITE: Final = 4
_DETECTION_AFTER_MS: Final = 200
_BOOT: Final = 7
_STILL_STAGES: Final = ("queue", "decode", "look", "health", "gate")
_STAGES: Final = (*_STILL_STAGES, "inference", "slots", "match")


@dataclass(frozen=True, slots=True)
class Load:
    """`still` is the share of frames that repeat an earlier result. One frame in `change_every`
    changes a slot."""

    cameras: int = 100
    interval_ms: int = 5_000
    still: float = 0.94
    change_every: int = 50
    picture_bytes: int = 40_000
    seed: int = 1

    @property
    def frames_a_second(self) -> float:
        """Return the frames per second of all cameras together."""
        return self.cameras * 1000 / self.interval_ms


class Timed(NamedTuple):
    """A record and when it is written (Unix milliseconds). `frame_id` is set for a frame."""

    at_ms: int
    message: Outgoing
    frame_id: str = ""


class Feed:
    """The records of a load in time order, from `start_ms` on."""

    def __init__(self, load: Load, start_ms: int) -> None:
        self._load = load
        self._start_ms = start_ms
        self._random = random.Random(load.seed)  # noqa: S311 -- a load, no secret
        self._picture = self._random.randbytes(load.picture_bytes)
        self._judged: dict[str, str] = {}
        self.places: dict[str, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[Timed]:
        """Yield records without end. A frame's detection follows it by 200 ms and names the frame's
        place in `places`."""
        waiting: deque[tuple[int, FrameReceived]] = deque()
        step_ms = self._load.interval_ms / self._load.cameras
        for number in count():
            now_ms = self._start_ms + round(number * step_ms)
            while waiting and (at_ms := waiting[0][1].time_ms + _DETECTION_AFTER_MS) <= now_ms:
                for message in self._answers(*waiting.popleft()):
                    yield Timed(at_ms, message)
            frame, picture = self._frame(number, now_ms), b"%d" % number + self._picture
            frame = replace(frame, sha256=hashlib.sha256(picture).hexdigest())
            waiting.append((number, frame))
            yield Timed(now_ms, codec.outgoing_frame(frame, picture, "bench"), frame.id)

    def _frame(self, number: int, now_ms: int) -> FrameReceived:
        index, seq = number % self._load.cameras, 31_000 + number // self._load.cameras
        camera_id = f"harbour-{index // _CAMERAS_A_SITE:02}/cam-{index:03}"
        return FrameReceived(
            id=f"{camera_id}/{_BOOT}/{seq}",
            site_id=camera_id.split("/")[0],
            time_ms=now_ms,
            camera_id=camera_id,
            via="mqtt",
            width=1280,
            height=720,
            size_bytes=len(self._picture) + 4,
            sha256="0" * 64,
            received_at_ms=now_ms + 35,
            time_source="device",
            captured_at_ms=now_ms,
            boot_id=_BOOT,
            seq=seq,
        )

    def _answers(self, number: int, frame: FrameReceived) -> Iterator[Outgoing]:
        """Yield the records of detector and tracker for a frame."""
        partition, offset = self.places.pop(frame.id, (1, 1_000_000 + number))
        ref = FrameRef(frame_id=frame.id, partition=partition, offset=offset)
        detection = self._detection(frame, ref)
        yield codec.outgoing(detection, DETECTIONS, frame.site_id, "bench")
        status = CameraStatusChanged(
            id=f"{frame.id}/status",
            site_id=frame.site_id,
            time_ms=frame.time_ms,
            camera_id=frame.camera_id,
            status="online",
            reason="frames come",
            health="ok",
            version=number + 1,
            last_frame_at_ms=frame.time_ms,
        )
        yield codec.outgoing(status, CAMERA_STATUS, frame.camera_id, "bench")
        if number % self._load.change_every == 0:
            change = self._change(number, frame, ref)
            yield codec.outgoing(change, SLOT_CHANGES, frame.site_id, "bench")

    def _detection(self, frame: FrameReceived, ref: FrameRef) -> DetectionMade:
        source = self._judged.get(frame.camera_id)
        still = source is not None and self._random.random() < self._load.still
        if not still:
            self._judged[frame.camera_id] = frame.id
        stages = _STILL_STAGES if still else _STAGES
        judged = 0 if still else SLOTS
        return DetectionMade(
            id=frame.id,
            site_id=frame.site_id,
            time_ms=frame.time_ms,
            camera_id=frame.camera_id,
            frame_ref=ref,
            width=frame.width,
            height=frame.height,
            layout_version=3,
            model_id="parking-yolo11n@3f2a91c0+parking-slots@9be01c22",
            health=ImageHealth(
                status="ok",
                brightness=self._share(),
                sharpness=round(self._random.uniform(50, 900), 4),
                detail=self._share(),
            ),
            boxes=[self._box() for _ in range(SLOTS * 5 // 8)],
            observations=[self._observation(n, frame, still) for n in range(SLOTS)],
            timings_ms={stage: round(self._random.uniform(0.1, 20.0), 2) for stage in stages},
            input_size_px=960,
            reused_from=source if still else None,
            effort=Effort(judged=judged, searched="slots" if judged else "nothing"),
        )

    def _box(self) -> Box:
        x, y = self._random.uniform(0, 0.9), self._random.uniform(0, 0.9)
        corners = (self._rounded(x), self._rounded(y), self._rounded(x + 0.07), self._rounded(y))
        return Box(xyxy=corners, confidence=self._share(), label="vehicle")

    def _observation(self, number: int, frame: FrameReceived, still: bool) -> Observation:
        return Observation(
            slot_id=f"{'ABCD'[number // 10]}{number % 10 + 1:02}",
            state="occupied" if number % 8 < 5 else "free",
            confidence=self._share(),
            since_ms=frame.time_ms - 40_000 if still else None,
        )

    def _change(self, number: int, frame: FrameReceived, ref: FrameRef) -> SlotChanged:
        return SlotChanged(
            id=hashlib.sha256(f"change-{number}".encode()).hexdigest()[:32],
            site_id=frame.site_id,
            time_ms=frame.time_ms,
            slot_id=f"A{number % 10 + 1:02}",
            zone_id="A",
            from_state="free",
            to_state="occupied",
            version=number + 1,
            dwell_ms=600_000,
            confidence=self._share(),
            reason="observed",
            cause=Cause(kind="frame", id=frame.id),
            camera_id=frame.camera_id,
            frame_ref=ref,
        )

    def _share(self) -> float:
        return self._rounded(self._random.uniform(0.5, 1))

    def _rounded(self, value: float) -> float:
        return round(min(value, 1.0), 4)
