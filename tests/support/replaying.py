"""Helpers for tests of recording, replaying and comparing: a small generated lot by `Teller`, whose
pictures give predictable detections."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from parking.core import lots
from parking.core.events import Event, FrameReceived, SlotChanged, TickElapsed
from parking.core.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    LAYOUTS,
    SITE_COMMANDS,
    SLOT_CHANGES,
)
from tests.support.detector_tools import SLOTS, jpeg, layout, scene
from tools.record.archive import ArchiveWriter
from tools.record.recording import Kept, Recording

CAMERA = "demo/north"
START_MS = 1_780_000_000_000
EVERY_MS = 1_000
TOPIC_OF = {
    "parking.layout-published.v1": LAYOUTS,
    "parking.site-commanded.v1": SITE_COMMANDS,
    "parking.device-reported.v1": DEVICE_EVENTS,
    "parking.gate-event-received.v1": GATE_EVENTS,
    "parking.frame-received.v1": FRAMES,
    "parking.detection-made.v1": DETECTIONS,
    "parking.tick-elapsed.v1": DETECTIONS,
    "parking.slot-changed.v1": SLOT_CHANGES,
}


def kept(event: Event, offset: int, at_ms: int | None = None, file: str | None = None) -> Kept:
    """An event as a record of its topic."""
    when = event.time_ms if at_ms is None else at_ms
    return Kept(TOPIC_OF[event.TYPE], 0, offset, when, event, file)


@cache
def picture(occupied: tuple[str, ...], seed: int) -> bytes:
    """The lot with these slots occupied."""
    return jpeg(scene(occupied, seed))


def frame(data: bytes, number: int, **more: Any) -> FrameReceived:
    """Its record as ingest would write it."""
    fields: dict[str, Any] = {
        "id": f"{CAMERA}/1/{number}",
        "site_id": "demo",
        "time_ms": START_MS + number * EVERY_MS,
        "camera_id": CAMERA,
        "via": "mqtt",
        "width": 480,
        "height": 270,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "received_at_ms": START_MS + number * EVERY_MS,
        "time_source": "device",
    }
    return FrameReceived(**(fields | more))


def tick(number: float) -> TickElapsed:
    time_ms = START_MS + round(number * EVERY_MS)
    return TickElapsed(id=f"demo/tick/{time_ms}", site_id="demo", time_ms=time_ms)


STORY = ("", "", "", "A1", "A1", "A1", "A1", "", "A1", "", "", "", "", "", "")
"""Which slot is occupied in each picture: one gap of one picture, and a departure."""


def recording(story: Sequence[str] = STORY, **more: Any) -> Recording:
    """A camera's pictures, a tick after each, and its layout adopted before."""
    pictures = [picture((slot,) if slot else (), n) for n, slot in enumerate(story, 1)]
    files = {f"frames/{CAMERA}/0-{n:012}.jpg": data for n, data in enumerate(pictures, 1)}
    records = [
        kept(frame(data, n), n, file=f"frames/{CAMERA}/0-{n:012}.jpg")
        for n, data in enumerate(pictures, 1)
    ]
    records += [kept(tick(n + 0.5), n) for n in range(1, len(story) + 1)]
    plan = layout(CAMERA)
    fields: dict[str, Any] = {
        "name": "made",
        "sites": ("demo",),
        "records": sorted(records, key=lambda one: one.order),
        "picture": files.__getitem__,
        "before": [
            kept(plan, 0, START_MS - 2),
            kept(lots.adoption(plan, "test"), 0, START_MS - 1),
        ],
    }
    return Recording(**(fields | more))


def archive(path: Path, of: Recording) -> Path:
    """The recording as a file."""
    with ArchiveWriter(path) as out:
        for one in of.before:
            out.add(one, before=True)
        for one in of.records:
            out.add(one, of.picture(one.file) if one.file else None)
        out.finish(of.sites, (START_MS, START_MS + 60_000))
    return path


def flow(events: Sequence[Event]) -> list[tuple[str, str, int]]:
    """(slot, to, time) of the changes, those of the adoption left out."""
    return [
        (e.slot_id, e.to_state, e.time_ms)
        for e in events
        if isinstance(e, SlotChanged) and e.version > 1
    ]


assert set(STORY) - {""} <= set(SLOTS)
