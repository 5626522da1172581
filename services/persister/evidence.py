"""Pictures as evidence: which ones a batch needs, their sources, and the rows about them.

The object is written before its row. Its key is noted in the event store before the put, so the
sweep finds and removes an object whose row was never written (after a crash in between).
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from parking.core.errors import Invalid
from parking.core.events import FrameReceived, FrameRef, SlotChanged
from parking.core.topics import FRAMES, evidence_key
from parking.runtime.faults import fault
from parking.runtime.metrics import EVIDENCE
from parking.wire.codec import decode
from parking.wire.ports import Clock, EventStore, ObjectStore, Record
from services.persister.rows import picture_row

Missing = Literal[
    "expired", "beyond-the-end", "other-frame", "damaged", "no-frame-ref", "policy", "retention"
]
FetchFrame = Callable[[FrameRef], Awaitable[Record | Missing]]
Policy = Literal["evidence", "all", "none"]
T = TypeVar("T")

_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame and its bytes."""

    frame: FrameReceived
    jpeg: bytes

    @property
    def key(self) -> str:
        """The key of its object, which is always the same for the same frame."""
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


Kept = dict[str, Stored]
"""By frame id."""


def needs_evidence(change: SlotChanged) -> bool:
    """Changes caused by a tick, a gate or a person have no picture."""
    return change.cause.kind == "frame"


async def prove(
    changes: Iterable[SlotChanged], fetch: FetchFrame, keep: Callable[..., Awaitable[Kept]]
) -> dict[str, Stored | Missing]:
    """Return for each frame that caused changes (by `frame_of`) its stored picture, or why there is
    none. A frame is fetched and put once, however many changes it caused. Raises Retryable."""
    refs = {frame_of(change): change.frame_ref for change in changes}
    found: dict[str, Stored | Missing] = {}
    for some in _chunks(list(refs.items())):
        looked_up = {name: await find(ref, fetch) for name, ref in some}
        found |= {name: got for name, got in looked_up.items() if isinstance(got, str)}
        found |= await keep([got for got in looked_up.values() if isinstance(got, Picture)])
    return found


def frame_of(change: SlotChanged) -> str:
    """The id of the frame that caused a change, or "" if the change has no reference to it."""
    return change.frame_ref.frame_id if change.frame_ref else ""


async def find(ref: FrameRef | None, fetch: FetchFrame) -> Picture | Missing:
    """Fetch the frame of a change and check its id and its sha256. Raises Retryable."""
    if ref is None or ref.topic != FRAMES:
        return "no-frame-ref"
    record = await fetch(ref)
    return record if isinstance(record, str) else checked(record, ref.frame_id)


def checked(record: Record, frame_id: str) -> Picture | Missing:
    """The picture of a record, if it is the right one."""
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
) -> Kept:
    """Put each picture once, and return them keyed by frame id. Raises Retryable."""
    kept: Kept = {}
    for some in _chunks(list({picture.key: picture for picture in pictures}.values())):
        await events.note_objects([picture.key for picture in some], clock.now_ms())
        hashes = await asyncio.gather(*(objects.put(p.key, p.jpeg) for p in some))
        for picture, sha256 in zip(some, hashes, strict=True):
            kept[picture.frame.id] = Stored(picture.frame, picture.key, sha256)
    if kept:
        fault("persister.after-object")
    return kept


def columns(found: Stored | Missing) -> dict[str, str | None]:
    """The evidence columns of a slot_changes row."""
    EVIDENCE.labels(found if isinstance(found, str) else "stored").inc()
    if isinstance(found, str):
        return {"evidence_missing": found}
    return {
        "evidence_key": found.key,
        "evidence_sha256": found.sha256,
        "frame_sha256": found.frame.sha256,
    }


def _chunks(items: list[T]) -> Iterator[list[T]]:
    """Pictures are large (up to a megabyte), so only this many are kept in memory."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
