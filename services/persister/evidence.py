"""Pictures as evidence: which a batch needs, where they come from, what the rows then say.

Object first, row after. A key is noted in the event store before its object is put, so that an
object whose row never came (a crash in between) is found and removed by the sweep.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from parking.codec import decode
from parking.errors import Invalid
from parking.events import FrameReceived, FrameRef, SlotChanged
from parking.faults import fault
from parking.metrics import EVIDENCE
from parking.ports import Clock, EventStore, ObjectStore, Record
from parking.topics import FRAMES, evidence_key
from services.persister.rows import picture_row

Missing = Literal[
    "expired", "beyond-the-end", "other-frame", "damaged", "no-frame-ref", "policy", "retention"
]
FetchFrame = Callable[[FrameRef], Awaitable[Record | Missing]]
Policy = Literal["evidence", "all", "none"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame and its bytes."""

    frame: FrameReceived
    jpeg: bytes

    @property
    def key(self) -> str:
        """Its object's key; the same frame always has the same."""
        return evidence_key(self.frame.camera_id, self.frame.id, self.frame.time_ms)


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture in the object store."""

    frame: FrameReceived
    key: str
    sha256: str  # of the object

    @property
    def row(self) -> tuple[str, dict[str, Any]]:
        """The object in its frame's captures row."""
        return picture_row(self.frame, self.key, self.sha256)


def needs_evidence(change: SlotChanged) -> bool:
    """Changes caused by a tick, a gate or a person have no picture."""
    return change.cause.kind == "frame"


async def find(ref: FrameRef | None, fetch: FetchFrame) -> Picture | Missing:
    """The frame a change points at, checked: its id and its own sha256. Raises Retryable."""
    if ref is None or ref.topic != FRAMES:
        return "no-frame-ref"
    record = await fetch(ref)
    return record if isinstance(record, str) else checked(record, ref.frame_id)


def checked(record: Record, frame_id: str) -> Picture | Missing:
    """The picture of a record, if it is the one."""
    try:
        frame = decode(record)
    except Invalid:
        return "other-frame"
    if not isinstance(frame, FrameReceived) or frame.id != frame_id:
        return "other-frame"
    jpeg = record.value or b""
    if hashlib.sha256(jpeg).hexdigest() != frame.sha256:
        return "damaged"
    return Picture(frame, jpeg)


async def keep(
    pictures: Sequence[Picture], events: EventStore, objects: ObjectStore, clock: Clock
) -> dict[str, Stored]:
    """Put each picture once; returns them by frame id. Raises Retryable."""
    by_key = {picture.key: picture for picture in pictures}
    if not by_key:
        return {}
    await events.note_objects(list(by_key), clock.now_ms())
    hashes = await asyncio.gather(*(objects.put(key, p.jpeg) for key, p in by_key.items()))
    fault("persister.after-object")
    return {
        picture.frame.id: Stored(picture.frame, key, sha256)
        for (key, picture), sha256 in zip(by_key.items(), hashes, strict=True)
    }


def columns(found: Picture | Missing, stored: Mapping[str, Stored]) -> dict[str, str | None]:
    """The evidence columns of a slot_changes row."""
    EVIDENCE.labels(found if isinstance(found, str) else "stored").inc()
    if isinstance(found, str):
        return {"evidence_missing": found}
    kept = stored[found.frame.id]
    return {
        "evidence_key": kept.key,
        "evidence_sha256": kept.sha256,
        "frame_sha256": found.frame.sha256,
    }
