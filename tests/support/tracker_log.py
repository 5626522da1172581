"""The records of one site in Kafka after a test, compared with what `step` recomputes.

The tracker chooses the order of records across topics, and parking.tracker-batches records it.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from parking.core.errors import Invalid
from parking.core.events import (
    CameraStatusChanged,
    DeadLettered,
    DetectionMade,
    Event,
    GateEventReceived,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
)
from parking.core.topics import (
    CAMERA_STATUS,
    DETECTIONS,
    DEVICE_EVENTS,
    GATE_EVENTS,
    SITE_COMMANDS,
    SLOT_STATE,
    TOPICS,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
)
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.wire import codec, sitejson
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing, Record
from services.tracker import checkpoints, handler
from tests.support.tracking import OUTPUTS, Teller
from tests.support.waiting import patiently, wait_until
from tools.stack.infra import Infra

SOURCES = (DETECTIONS, GATE_EVENTS, DEVICE_EVENTS, SITE_COMMANDS)


def send(infra: Infra, messages: Iterable[Outgoing]) -> list[tuple[int, int]]:
    async def work() -> list[tuple[int, int]]:
        producer = new_producer(KafkaSettings(infra.bootstrap))
        await producer.start()
        try:
            return await KafkaProducer(producer).send(list(messages))
        finally:
            await producer.stop()

    return asyncio.run(work())


def read(infra: Infra, *topics: str) -> list[Record]:
    """Return all records, in the order of each partition."""

    async def work() -> list[Record]:
        consumer = new_consumer(KafkaSettings(infra.bootstrap))
        await consumer.start()
        try:
            return await read_to_end(consumer, await assign_all(consumer, *topics))
        finally:
            await consumer.stop()

    return patiently(work)


def keep_every_record(infra: Infra) -> None:
    """Keep every record of the compacted topics, too, because a `Story` reads every output."""

    async def work() -> None:
        client = AIOKafkaAdminClient(**KafkaSettings(infra.bootstrap).client())
        await client.start()
        try:
            topics = [
                ConfigResource(
                    ConfigResourceType.TOPIC,
                    name,
                    configs=TOPICS[name].config() | {"min.compaction.lag.ms": str(24 * 3_600_000)},
                )
                for name in (SLOT_STATE, CAMERA_STATUS)
            ]
            (answer,) = await client.alter_configs(topics)
            assert {code for code, *_ in answer.resources} == {0}
        finally:
            await client.close()

    asyncio.run(work())


def as_record(event: Event, topic: str) -> Outgoing:
    return codec.outgoing(event, topic, event.site_id, "test")


def story(t: Teller, rounds: int) -> list[Outgoing]:
    """Return a layout, and rounds in which cars come, go and pass the gate. Some records are
    doubled."""
    records = [as_record(t.adopt(camera, "1", "2", "3"), SITE_COMMANDS) for camera in "ab"]
    for turn in range(rounds):
        seen = {slot: "of"[(turn // 4 + int(slot)) % 2] for slot in "123"}
        t.now_ms = max(t.now_ms - 900, time.time_ns() // 1_000_000)
        frames = [as_record(t.see(camera, seen), DETECTIONS) for camera in "ab"]
        gate = as_record(t.gate("entry" if turn % 3 else "exit", turn), GATE_EVENTS)
        records += [*frames, gate, frames[0], gate]
    return records


@dataclass
class Story:
    """What Kafka holds of one site after a test."""

    infra: Infra
    site_id: str
    sources: list[Record] = field(default_factory=list)
    outputs: list[Event] = field(default_factory=list)
    ends: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.partition = partition_of(self.site_id.encode())
        self.sources = self._read(*handler.SOURCES)
        events = (codec.decode(r) for r in read(self.infra, *OUTPUTS))
        self.outputs = [e for e in events if isinstance(e, Event) and e.site_id == self.site_id]
        self.ends = [checkpoints.read_batch(r) for r in self._read(TRACKER_BATCHES)]
        self.mark, self.kept = checkpoints.read(self._read(TRACKER_CHECKPOINTS))

    def _read(self, *topics: str) -> list[Record]:
        return [r for r in read(self.infra, *topics) if r.partition == self.partition]

    def check(self) -> list[SlotChanged]:
        """Recompute and compare. Return the changes."""
        site, made = None, []
        for end, batch in zip(self.ends, handler.batches(self.sources, self.ends), strict=True):
            for record in batch:
                if record.key != self.site_id.encode():
                    continue
                with contextlib.suppress(Invalid):
                    site, outputs = handler.apply_event(handler.read(record), site, "live")
                    made += outputs
            if end == self.mark.next and self.site_id in self.kept:
                # A checkpoint equals the result of the inputs before it.
                assert sitejson.to_json(site) == sitejson.to_json(self.kept[self.site_id])
        assert site is not None
        for cls in (SlotChanged, SessionChanged, SlotStateUpdated, CameraStatusChanged):
            expected = [codec.to_json(e) for e in made if isinstance(e, cls)]
            found = [codec.to_json(e) for e in self.outputs if isinstance(e, cls)]
            # Nothing twice, nothing else, in order where one key has one partition.
            assert sorted(found) == sorted(expected), cls
            if cls in (SlotChanged, SessionChanged):
                assert found == expected
        versions: dict[str, int] = {}
        for event in self.outputs:
            if isinstance(event, SlotStateUpdated):
                assert event.version == versions.get(event.slot_id, 0) + 1
                versions[event.slot_id] = event.version
        assert versions == {slot_id: slot.version for slot_id, slot in site.slots.items()}
        return [e for e in made if isinstance(e, SlotChanged)]

    def damage(self) -> dict[str, int]:
        """Count violations without recomputing, for the record and for the control."""
        gates = {
            e.id
            for r in self.sources
            if isinstance(e := _event(r), GateEventReceived)
            if e.site_id == self.site_id
        }
        session_changes = [e for e in self.outputs if isinstance(e, SessionChanged)]
        changes = [e for e in self.outputs if isinstance(e, SlotChanged)]
        states = [e for e in self.outputs if isinstance(e, SlotStateUpdated)]
        meanings = {(e.slot_id, e.version, e.id) for e in changes}
        stale, newest = 0, Counter[str]()
        for state in states:
            stale += state.version <= newest[state.slot_id]
            newest[state.slot_id] = max(newest[state.slot_id], state.version)
        return {
            "gate events": len(gates),
            "gate events lost": len(gates - {e.cause.id for e in session_changes}),
            "sessions reported twice": len(session_changes) - len({e.id for e in session_changes}),
            "changes reported twice": len(changes) - len({e.id for e in changes}),
            "versions reused": len(meanings) - len({m[:2] for m in meanings}),
            "slot states that do not grow": stale,
        }


def drained(infra: Infra, site_id: str, last_frame: int) -> Story:
    """Wait until the story's last frame is applied, and end the tracker (which finishes its current
    batch), because its own ticks would disturb the comparison."""
    wait_applied(infra, site_id, last_frame)
    infra.stop("tracker")
    return Story(infra, site_id)


def wait_applied(infra: Infra, site_id: str, last_frame: int, limit_s: float = 60) -> None:
    """Wait until a batch of the tracker holds this frame's detection."""

    def done() -> bool:
        made = [(r, codec.decode(r)) for r in read(infra, DETECTIONS) if _is_json(r)]
        offsets = [
            (r.partition, r.offset)
            for r, e in made
            if isinstance(e, DetectionMade)
            and (e.site_id, e.frame_ref.offset) == (site_id, last_frame)
        ]
        if not offsets:
            return False
        partition, offset = offsets[0]
        ends = [
            checkpoints.read_batch(r)
            for r in read(infra, TRACKER_BATCHES)
            if r.partition == partition
        ]
        return bool(ends) and ends[-1].get(DETECTIONS, 0) > offset

    wait_until(done, limit_s, f"frame {last_frame} of {site_id} applied")


def _is_json(record: Record) -> bool:
    return _event(record) is not None


def _event(record: Record) -> codec.AnyEvent | None:
    with contextlib.suppress(Invalid):
        return codec.decode(record)
    return None


def dead_letter_reasons(records: Iterable[Record]) -> list[str]:
    letters = [codec.decode(record) for record in records]
    return [letter.reason for letter in letters if isinstance(letter, DeadLettered)]
