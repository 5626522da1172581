"""What Kafka holds of one site after a test, and whether it is what `step` recomputes.

The order in which the tracker took records of different topics is its own; the changelog shows it,
for every entry holds the positions after it.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from parking import codec
from parking.errors import Invalid
from parking.events import (
    CameraStatusChanged,
    DeadLettered,
    Event,
    SessionChanged,
    SlotChanged,
    SlotStateUpdated,
    TickElapsed,
)
from parking.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.occupancy import step
from parking.ports import Outgoing, Record
from parking.site import Site
from parking.stack.infra import Infra
from parking.topics import (
    CAMERA_STATUS,
    DETECTIONS,
    DEVICE_EVENTS,
    GATE_EVENTS,
    SITE_COMMANDS,
    SLOT_STATE,
    TOPICS,
    TRACKER_CHANGELOG,
)
from services.tracker import handler
from tests.tracking import OUTPUTS, Teller
from tests.waiting import wait_until

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
    async def work() -> list[Record]:
        consumer = new_consumer(KafkaSettings(infra.bootstrap))
        await consumer.start()
        try:
            return await read_to_end(consumer, await assign_all(consumer, *topics))
        finally:
            await consumer.stop()

    return asyncio.run(work())


def keep_every_record(infra: Infra) -> None:
    """Of the compacted topics, too: a `Story` reads every entry and every output."""

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
                for name in (TRACKER_CHANGELOG, SLOT_STATE, CAMERA_STATUS)
            ]
            (answer,) = await client.alter_configs(topics)
            assert {code for code, *_ in answer.resources} == {0}
        finally:
            await client.close()

    asyncio.run(work())


def as_record(event: Event, topic: str) -> Outgoing:
    return codec.outgoing(event, topic, event.site_id, "test")


def story(t: Teller, rounds: int) -> list[Outgoing]:
    """A layout, and rounds in which cars come, go and pass the gate; some records doubled."""
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
    sources: dict[tuple[str, int], Record] = field(default_factory=dict)
    outputs: list[Event] = field(default_factory=list)
    entries: list[handler.Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        key = self.site_id.encode()
        self.sources = {(r.topic, r.offset): r for r in read(self.infra, *SOURCES) if r.key == key}
        events = (codec.decode(r) for r in read(self.infra, *OUTPUTS))
        self.outputs = [e for e in events if isinstance(e, Event) and e.site_id == self.site_id]
        changelog = read(self.infra, TRACKER_CHANGELOG)
        self.entries = [handler.decode(r.value or b"") for r in changelog if r.key == key]

    def applied(self) -> list[Event]:
        """The records that changed the site, in the tracker's order. Every entry must take exactly
        one record further, none twice, and before it ticks that told nothing but the time."""
        before: dict[str, int] = {}
        told_ms = 0
        events: list[Event] = []
        for entry in self.entries:
            moved = {t: p for t, p in entry.positions.items() if before.get(t) != p}
            # By such ticks, if another topic's record was the one.
            ticked = moved.pop(DETECTIONS, None) if len(moved) > 1 else None
            ((topic, position),) = moved.items()
            assert position > before.get(topic, 0)
            until = ticked or (position - 1 if topic == DETECTIONS else 0)
            for offset in range(before.get(DETECTIONS, 0), until):
                tick = self._tick(offset)
                if tick and told_ms < tick.time_ms <= entry.site.tick_ms:
                    events.append(tick)
            event = codec.decode(self.sources[topic, position - 1])
            assert isinstance(event, Event)
            events.append(event)
            before, told_ms = entry.positions, entry.site.tick_ms
        return events

    def _tick(self, offset: int) -> TickElapsed | None:
        """The site's record there, if it is one."""
        record = self.sources.get((DETECTIONS, offset))
        try:
            event = codec.decode(record) if record else None
        except Invalid:
            return None
        return event if isinstance(event, TickElapsed) else None

    def check(self) -> list[SlotChanged]:
        """Recompute and compare; returns the changes."""
        site, made = Site(site_id=self.site_id), []
        for event in self.applied():
            site, outputs = step(site, event)
            made += outputs
        assert msgspec.json.encode(site) == msgspec.json.encode(self.entries[-1].site)
        for cls in (SlotChanged, SessionChanged, SlotStateUpdated, CameraStatusChanged):
            expected = [codec.to_json(e) for e in made if isinstance(e, cls)]
            found = [codec.to_json(e) for e in self.outputs if isinstance(e, cls)]
            # A sink keeps the first of an id; what came again came exactly as before.
            assert sorted(set(found)) == sorted(expected), cls
            if cls in (SlotChanged, SessionChanged):
                assert list(dict.fromkeys(found)) == expected
        # Compaction keeps the last of a key: it must be the newest version.
        last = {e.slot_id: e.version for e in self.outputs if isinstance(e, SlotStateUpdated)}
        assert last == {slot_id: slot.version for slot_id, slot in site.slots.items()}
        return [e for e in made if isinstance(e, SlotChanged)]


def drained(infra: Infra, site_id: str, last_frame: int) -> Story:
    """Wait until the story's last frame was applied, and end the tracker (it finishes the record it
    is at), for its own ticks would go on under the comparison."""
    wait_applied(infra, site_id, last_frame)
    infra.stop("tracker")
    return Story(infra, site_id)


def wait_applied(infra: Infra, site_id: str, last_frame: int, limit_s: float = 60) -> None:
    """Until the site's entry holds this frame."""

    def done() -> bool:
        key = site_id.encode()
        values = [r.value for r in read(infra, TRACKER_CHANGELOG) if r.key == key]
        if not values:
            return False
        site = handler.decode(values[-1] or b"").site
        refs = [camera.frame_ref for camera in site.cameras.values()]
        return max((ref.offset for ref in refs if ref), default=0) >= last_frame

    wait_until(done, limit_s, f"frame {last_frame} of {site_id} applied")


def dead_letter_reasons(records: Iterable[Record]) -> list[str]:
    letters = [codec.decode(record) for record in records]
    return [letter.reason for letter in letters if isinstance(letter, DeadLettered)]
