"""Helpers for the detector's tests: generated pictures, frames as Kafka records, and a detector
with predictable results."""

import os
from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from parking.core.errors import Invalid
from parking.core.events import (
    DeadLettered,
    DetectionMade,
    FrameReceived,
    LayoutPublished,
    LayoutSlot,
    Zone,
)
from parking.core.topics import LAYOUTS
from parking.runtime.memory import ManualClock
from parking.vision.imagehealth import Look
from parking.wire import codec
from parking.wire.ports import Boxes, Outgoing, Record
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.handler import Tools
from services.detector.judging import Judge
from services.detector.layouts import Layouts
from services.detector.model import Facts
from services.detector.picture import Picture
from services.detector.recent import Latest, Looks
from services.detector.settings import DEFAULT_MODEL

SLOTS = {"A1": (0.1, 0.2), "A2": (0.4, 0.2), "A3": (0.7, 0.2)}
SLOT_WH = (0.2, 0.6)
USUAL = Options()


def model_file() -> Path:
    """Return the shipped model, or the one named by MODEL_FILE."""
    path = Path(os.environ.get("MODEL_FILE", DEFAULT_MODEL))
    if not path.is_file():
        pytest.fail(f"{path} is missing: it is part of the repository")
    return path


def scene(
    occupied: Sequence[str] = (),
    seed: int = 0,
    size_wh: tuple[int, int] = (480, 270),
    ground: int | None = None,
) -> Picture:
    """Draw a lot of tarmac with pure white vehicles on it, dirty in the middle, because an area
    without any detail counts as covered. Every seed has a different grain, which is equally large
    at every size, because tarmac without grain in a small picture looks blurred. The ground depends
    on the seed too, or is `ground`."""
    return _drawn(tuple(occupied), seed, size_wh, ground).copy()


@lru_cache(maxsize=32)  # drawing takes longer than most of what is tested with the picture
def _drawn(
    occupied: tuple[str, ...], seed: int, size_wh: tuple[int, int], ground: int | None
) -> Picture:
    width, height = size_wh
    rng = np.random.default_rng(seed)
    below = rng if ground is None else np.random.default_rng(ground)
    rough = cv2.resize(below.integers(40, 160, (17, 30, 3), np.uint8), size_wh)
    grain = cv2.resize(rng.normal(0, 8, (270, 480, 3)), size_wh, interpolation=cv2.INTER_NEAREST)
    picture: Picture = np.clip(rough + grain, 0, 200).astype(np.uint8)
    for slot_id in occupied:
        x, y = SLOTS[slot_id]
        corner = (round((x + SLOT_WH[0]) * width), round((y + SLOT_WH[1]) * height))
        roof = (
            slice(round((y + 0.12) * height), round((y + 0.48) * height)),
            slice(round((x + 0.04) * width), round((x + 0.16) * width)),
        )
        dirt = picture[roof].copy()
        cv2.rectangle(picture, (round(x * width), round(y * height)), corner, (255,) * 3, -1)
        picture[roof] = dirt
    return picture


def jpeg(picture: Picture, quality: int = 90) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])


def layout(camera_id: str = "demo/north", version: int = 1, **more: Any) -> LayoutPublished:
    w, h = SLOT_WH
    return LayoutPublished(
        id=f"{camera_id}/layout/{version}",
        site_id=camera_id.split("/")[0],
        time_ms=1,
        camera_id=camera_id,
        version=version,
        site_name="Demo",
        camera_name="North",
        interval_ms=1000,
        zones=[Zone(zone_id="lot", name="Lot")],
        slots=[
            LayoutSlot(
                slot_id=slot_id,
                zone_id="lot",
                polygon=[(x, y), (x + w, y), (x + w, y + h), (x, y + h)],
            )
            for slot_id, (x, y) in SLOTS.items()
        ],
        **more,
    )


def frame(data: bytes, seq: int, camera_id: str = "demo/north", **more: Any) -> Outgoing:
    """Return a frame as ingest writes it. Its metadata say 480x270 unless set otherwise."""
    fields: dict[str, Any] = {
        "id": f"{camera_id}/1/{seq}",
        "site_id": camera_id.split("/")[0],
        "time_ms": 1_700_000_000_000 + seq,
        "camera_id": camera_id,
        "via": "mqtt",
        "width": 480,
        "height": 270,
        "size_bytes": max(1, len(data)),
        "sha256": "0" * 64,
        "received_at_ms": 1_700_000_000_000 + seq,
        "time_source": "device",
    } | more
    return codec.outgoing_frame(FrameReceived(**fields), data, "test")


def record(message: Outgoing, offset: int, partition: int = 0) -> Record:
    return Record(
        message.topic, partition, offset, message.key, message.value, message.headers, 1_000
    )


class WhiteDetector:
    """A ports.Detector for which everything pure white is a vehicle, with a score of 0.9."""

    model_id = "white@00000000"

    def __init__(self) -> None:
        self.sizes_px: list[int] = []

    def detect(self, images_bgr: Sequence[Picture], size_px: int) -> list[Boxes]:
        self.sizes_px += [size_px] * len(images_bgr)
        return [self._one(image) for image in images_bgr]

    def _one(self, image: Picture) -> Boxes:
        white = np.asarray(cv2.inRange(image, (226,) * 3, (255,) * 3), np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(white)
        rows = [row for row in stats[1:].tolist() if row[4] > 200]
        height, width = image.shape[:2]
        xyxy = [
            (x / width, y / height, (x + w) / width, (y + h) / height) for x, y, w, h, _ in rows
        ]
        return Boxes(np.array(xyxy, np.float32).reshape(-1, 4), np.full(len(rows), 0.9, np.float32))


def analyser(detector: WhiteDetector | None = None, options: Options = USUAL) -> Analyser:
    return Analyser(Judge(Facts(), None, detector or WhiteDetector()), options, lambda: None)


def tools(*layouts: LayoutPublished, skip: bool = True, options: Options = USUAL) -> Tools:
    analyse = analyser(options=options)

    async def at_once(
        jobs: Sequence[Job], looks: dict[str, Look], last_views: dict[str, LastView]
    ) -> AsyncGenerator[Finding | Invalid]:
        for result in analyse.each(jobs, looks, last_views):
            yield result

    known = Layouts()
    for number, one in enumerate(layouts):
        known.apply(record(codec.outgoing(one, LAYOUTS, one.camera_id, "t"), number))
    return Tools(at_once, analyse.model_id, known, Looks(), Latest(4), ManualClock(), skip)


def detections(written: Sequence[Outgoing]) -> list[DetectionMade]:
    events = [codec.decode(record(message, 0)) for message in written]
    return [event for event in events if isinstance(event, DetectionMade)]


def reasons(written: Sequence[Outgoing]) -> list[str]:
    events = [codec.decode(record(message, 0)) for message in written]
    return [event.reason for event in events if isinstance(event, DeadLettered)]


def states(event: DetectionMade) -> dict[str, str]:
    return {seen.slot_id: seen.state for seen in event.observations}


EMPTY = jpeg(scene())
BROKEN = EMPTY[: len(EMPTY) // 2] + b"\xff\xd9"
