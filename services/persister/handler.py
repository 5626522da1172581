"""Process a batch: rows, evidence, dead letters; then rows and offsets in one transaction.

The order makes a crash harmless: objects, then dead letters, then the transaction. Interrupted work
is repeated from the offsets in Postgres, and every step may be repeated.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from parking.core import events as ev
from parking.core import topics
from parking.core.errors import Fenced, Invalid, Newer
from parking.core.events import FrameReceived, SlotChanged
from parking.runtime.faults import fault, holding
from parking.runtime.metrics import DEAD_LETTERS, FENCED_WRITES, RECORDS_IGNORED, ROWS_WRITTEN
from parking.runtime.runner import next_offsets
from parking.wire.codec import AnyEvent, dead_letter, decode
from parking.wire.ports import (
    Claim,
    Clock,
    EventStore,
    ObjectStore,
    Outgoing,
    Producer,
    Record,
    Row,
)
from services.persister import rows
from services.persister.evidence import (
    FetchFrame,
    Missing,
    Picture,
    Policy,
    Stored,
    columns,
    frame_of,
    keep,
    needs_evidence,
    prove,
)
from services.persister.rows import Mapper, Rows

log = logging.getLogger(__name__)

SERVICE: Final = "persister"


@dataclass(frozen=True, slots=True)
class Tools:
    """The handler's dependencies. `claim` is the claim under which the batch was read. `drop` is
    called when the batch belongs to another member."""

    events: EventStore
    objects: ObjectStore
    fetch: FetchFrame
    producer: Producer
    clock: Clock
    claim: Callable[[], Claim]
    drop: Callable[[], None]
    policy: Policy = "evidence"


@dataclass(slots=True)
class Planned:
    """One record in progress: its event and rows, or why it is invalid."""

    record: Record
    event: AnyEvent | None = None
    rows: Rows = field(default_factory=list)
    error: Invalid | None = None


async def handle(records: Sequence[Record], *, tools: Tools) -> list[Outgoing]:
    """Make a batch's effects and offsets durable. Returns no messages: the dead letters were sent
    before the offsets moved. Raises Retryable on any outage."""
    holding(_place(record) for record in records)
    try:
        claim = tools.claim()
        batch = [plan(record, claim) for record in records]
        await add_pictures(batch, tools)
        await set_aside([planned for planned in batch if planned.error], tools)
        fault("persister.after-dead-letters")
        await write(batch, claim, tools)
        fault("persister.after-rows")
    except Fenced as fenced:
        log.warning("%d records dropped: %s", len(records), fenced)
        FENCED_WRITES.inc()
        tools.drop()
    return []


def plan(record: Record, claim: Claim) -> Planned:
    """A record's rows, or why it has none. Records of a newer version are counted and have none.
    Tombstones have none, because the record before already reported the removal."""
    if record.value is None and topics.TOPICS[record.topic].compacted:
        return Planned(record)
    try:
        event = decode(record)
        expected = HANDLERS[record.topic]
        if type(event) not in expected:
            raise Invalid("wrong-type", f"{event.TYPE} does not belong in {record.topic}")
    except Newer as error:
        log.info("skipped %s: %s", _place(record), error)
        RECORDS_IGNORED.labels("newer").inc()
        return Planned(record)
    except Invalid as error:
        return Planned(record, error=error)
    mapper = expected[type(event)]
    new_rows = mapper(event, record, claim.log_id(record.topic)) if mapper else []
    if new_rows and isinstance(event, ev.Event):
        new_rows.insert(0, ("sites", {"site_id": event.site_id}))
    return Planned(record, event, new_rows)


async def add_pictures(batch: Sequence[Planned], tools: Tools) -> None:
    """Store the pictures that the policy requires and note them in the rows."""
    store = partial(keep, events=tools.events, objects=tools.objects, clock=tools.clock)
    if changes := await _changes_to_prove(batch, tools):
        found: Mapping[str, Stored | Missing]
        if tools.policy == "none":
            found = {frame_of(change): "policy" for _, change in changes}
        else:
            found = await prove([change for _, change in changes], tools.fetch, store)
        for planned, change in changes:
            _enter(planned, found[frame_of(change)])
    if tools.policy == "all":
        kept = await store([picture for _, picture in _frames(batch)])
        for planned, picture in _frames(batch):
            planned.rows.append(kept[picture.frame.id].row)


def _enter(planned: Planned, found: Stored | Missing) -> None:
    """Note the evidence of one change in its rows."""
    proof = columns(found)
    planned.rows = [
        (kind, row | proof if kind == "slot_changes" else row) for kind, row in planned.rows
    ]
    if isinstance(found, Stored):
        planned.rows.append(found.row)


async def set_aside(batch: Sequence[Planned], tools: Tools) -> None:
    """Send the dead letters of invalid records. They are durable on return."""
    letters = [
        dead_letter(planned.record, planned.error, SERVICE, tools.clock.now_ms())
        for planned in batch
        if planned.error
    ]
    if letters:
        await tools.producer.send(letters)
    for planned in batch:
        if planned.error:
            log.warning("dead-lettered %s: %s", _place(planned.record), planned.error)
            DEAD_LETTERS.labels(SERVICE, planned.error.reason).inc()


async def write(batch: Sequence[Planned], claim: Claim, tools: Tools) -> None:
    """Write rows and offsets in one transaction. If the database rejects a row's content, the batch
    is halved until the record is found, and that record is dead-lettered."""
    offsets = next_offsets([planned.record for planned in batch])
    try:
        changed = await tools.events.write(claim, by_kind(batch), offsets)
    except Invalid as error:
        if len(batch) == 1:
            await set_aside([Planned(batch[0].record, error=error)], tools)
            await tools.events.write(claim, {}, offsets)
            return
        middle = len(batch) // 2
        await write(batch[:middle], claim, tools)
        await write(batch[middle:], claim, tools)
        return
    for kind, count in changed.items():
        ROWS_WRITTEN.labels(kind).inc(count)


def by_kind(batch: Iterable[Planned]) -> dict[str, list[Row]]:
    """All rows of a batch, in order, by the statement that writes them."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for planned in batch:
        for kind, row in planned.rows:
            kinds[kind].append(row)
    return kinds


def _frames(batch: Sequence[Planned]) -> list[tuple[Planned, Picture]]:
    return [
        (planned, Picture(planned.event, planned.record.value or b""))
        for planned in batch
        if isinstance(planned.event, FrameReceived)
    ]


async def _changes_to_prove(
    batch: Sequence[Planned], tools: Tools
) -> list[tuple[Planned, SlotChanged]]:
    """New changes caused by a frame. A change that already has a row keeps it."""
    changes = [
        (planned, planned.event)
        for planned in batch
        if isinstance(planned.event, SlotChanged) and needs_evidence(planned.event)
    ]
    if not changes:
        return []
    known = await tools.events.known({change.id: change.time_ms for _, change in changes})
    return [(planned, change) for planned, change in changes if change.id not in known]


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


# Per topic: its events and their rows (None: known, nothing to store).
HANDLERS: Final[dict[str, dict[type[Any], Mapper | None]]] = {
    topics.FRAMES: {ev.FrameReceived: rows.frame_rows, ev.HeartbeatPassed: None},
    topics.DETECTIONS: {
        ev.DetectionMade: rows.detection_rows,
        ev.TickElapsed: None,
        ev.HeartbeatPassed: None,
    },
    topics.GATE_EVENTS: {ev.GateEventReceived: rows.gate_rows},
    topics.PLATES: {ev.PlateSealed: rows.plate_rows},
    topics.DEVICE_EVENTS: {ev.DeviceReported: rows.device_rows},
    topics.LAYOUTS: {ev.LayoutPublished: rows.layout_rows},
    topics.SLOT_CHANGES: {ev.SlotChanged: rows.change_rows},
    topics.SESSIONS: {ev.SessionChanged: rows.session_rows},
    topics.CAMERA_STATUS: {
        ev.CameraStatusChanged: rows.camera_status_rows,
        ev.HeartbeatPassed: None,
    },
}
