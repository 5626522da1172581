"""A site with a simulated camera, whose records are written as ingest and the detector would."""

import asyncio
import itertools
import threading
import time
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from parking.core.events import (
    DetectionMade,
    FrameReceived,
    FrameRef,
    ImageHealth,
    LayoutPublished,
    LayoutSlot,
    Observation,
    ParametersSet,
    Zone,
)
from parking.core.topics import DETECTIONS
from parking.runtime.kafka import KafkaProducer, KafkaSettings, new_producer
from parking.wire import codec
from tools.cli import admin

INTERVAL_MS = 400
TOGGLE_EVERY_FRAMES = 6
WIDTH, HEIGHT = 640, 360


def layout(site_id: str) -> LayoutPublished:
    """Return twelve slots in two zones, on the plan and in the picture of one camera."""
    slots = []
    for index in range(12):
        row, column = divmod(index, 6)
        left, top = 0.06 + column * 0.15, 0.15 + row * 0.42
        x, y = column * 2.6, row * -11.0
        slots.append(
            LayoutSlot(
                slot_id=f"{'AB'[row]}{column + 1}",
                zone_id="AB"[row],
                polygon=[
                    (left, top),
                    (left + 0.12, top),
                    (left + 0.12, top + 0.3),
                    (left, top + 0.3),
                ],
                plan=[(x, y), (x + 2.5, y), (x + 2.5, y + 5), (x, y + 5)],
                kind="accessible" if index == 0 else "standard",
            )
        )
    return LayoutPublished(
        id=f"{site_id}/north/layout/1",
        site_id=site_id,
        time_ms=_now_ms(),
        camera_id=f"{site_id}/north",
        version=1,
        site_name="Station Square",
        camera_name="North",
        interval_ms=INTERVAL_MS,
        zones=[Zone(zone_id="A", name="Row A"), Zone(zone_id="B", name="Row B")],
        slots=slots,
    )


class Feeder:
    """Publishes the layout, then a frame and its detection every 400 ms, while cars come and go. If
    not `published`, the camera has no layout until `draw`. It runs on its own thread, and an error
    there is raised at the end."""

    def __init__(self, bootstrap: str, site_id: str, *, published: bool = True) -> None:
        self._kafka = KafkaSettings(bootstrap)
        self._layout = layout(site_id)
        self._published = published
        # The layout version that the detector knows, and its slots.
        self._known = (1, [slot.slot_id for slot in self._layout.slots]) if published else (0, [])
        self._stop = threading.Event()
        self._silent = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(20)
        if self._error is not None and error is None:
            raise self._error

    def draw(self, version: int, slot_ids: list[str]) -> None:
        """Make the detector see these slots from now on."""
        self._known = (version, slot_ids)

    def silence(self) -> None:
        """Stop sending until `resume`."""
        self._silent.set()

    def resume(self) -> None:
        """Start sending again."""
        self._silent.clear()

    def _run(self) -> None:
        try:
            asyncio.run(self._feed())
        except Exception as error:  # noqa: BLE001 -- raised again by the test's own thread
            self._error = error

    async def _feed(self) -> None:
        if self._published:
            await admin.publish_layouts(self._kafka, [self._layout], "test")
            # The minimum, because the check waits while the camera is silent.
            parameters = ParametersSet(silence_ms=15_000)
            await admin.command_site(self._kafka, self._layout.site_id, parameters, "test")
        producer = new_producer(self._kafka)
        await producer.start()
        try:
            occupied = {slot.slot_id: i % 3 == 0 for i, slot in enumerate(self._layout.slots)}
            for seq in itertools.count(1):
                if self._stop.is_set():
                    return
                if seq % TOGGLE_EVERY_FRAMES == 0:
                    # The last slot does not change: the check closes and reopens it.
                    slot = self._layout.slots[(seq // TOGGLE_EVERY_FRAMES) % 11].slot_id
                    occupied[slot] = not occupied[slot]
                if not self._silent.is_set():
                    await self._one(KafkaProducer(producer), seq, occupied)
                await asyncio.sleep(INTERVAL_MS / 1000)
        finally:
            await producer.stop()

    async def _one(self, producer: KafkaProducer, seq: int, occupied: dict[str, bool]) -> None:
        jpeg = picture(self._layout, occupied, seq)
        frame = FrameReceived(
            id=f"{self._layout.camera_id}/1/{seq}",
            site_id=self._layout.site_id,
            time_ms=_now_ms(),
            camera_id=self._layout.camera_id,
            via="mqtt",
            width=WIDTH,
            height=HEIGHT,
            size_bytes=len(jpeg),
            sha256="0" * 64,
            received_at_ms=_now_ms(),
            time_source="receipt",
            boot_id=1,
            seq=seq,
        )
        [(partition, offset)] = await producer.send([codec.outgoing_frame(frame, jpeg, "test")])
        version, known = self._known
        detection = DetectionMade(
            id=frame.id,
            site_id=frame.site_id,
            time_ms=frame.time_ms,
            camera_id=frame.camera_id,
            frame_ref=FrameRef(frame_id=frame.id, partition=partition, offset=offset),
            width=WIDTH,
            height=HEIGHT,
            layout_version=version,
            model_id="test",
            health=ImageHealth(status="ok", brightness=0.5, sharpness=2.0, detail=0.9),
            boxes=[],
            observations=[
                Observation(
                    slot_id=slot,
                    state="occupied" if occupied.get(slot, False) else "free",
                    confidence=0.93,
                )
                for slot in known
            ],
            timings_ms={},
        )
        await producer.send([codec.outgoing(detection, DETECTIONS, detection.site_id, "test")])


def picture(shown: LayoutPublished, occupied: dict[str, bool], seq: int) -> bytes:
    """Draw a lot: asphalt, lines, and a coloured block for each car."""
    noise = np.random.default_rng(seq).integers(80, 110, (HEIGHT, WIDTH, 1), np.uint8)
    image = np.repeat(noise, 3, axis=2)
    for index, slot in enumerate(shown.slots):
        corners = np.array([(x * WIDTH, y * HEIGHT) for x, y in slot.polygon], np.int32)
        cv2.polylines(image, [corners], isClosed=True, color=(230, 230, 230), thickness=2)
        if occupied[slot.slot_id]:
            (left, top), (right, bottom) = corners.min(0) + 10, corners.max(0) - 10
            colour = (60 + 15 * index, 90, 200 - 14 * index)
            cv2.rectangle(image, (left, top), (right, bottom), colour, thickness=-1)
    encoded, data = cv2.imencode(".jpg", image)
    assert encoded
    return data.tobytes()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
