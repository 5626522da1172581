"""Send commands and follow them until the tracker has applied or refused them.

A command is a record in parking.site-commands. The events it causes carry its id as their cause. A
refused command becomes a dead letter that names its partition and offset. The tracker's committed
offset shows when it has processed the command.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from parking.core.errors import Invalid, Retryable
from parking.core.events import (
    CameraStatusChanged,
    DeadLettered,
    Event,
    SessionChanged,
    SiteCommanded,
    SlotChanged,
)
from parking.core.topics import (
    CAMERA_STATUS,
    DEAD_LETTERS,
    SESSIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    TRACKER_GROUP,
)
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    to_record,
)
from parking.wire import codec
from parking.wire.ports import Outgoing

EFFECT_LIMIT_S: Final = 20.0
_ASK_EVERY_S: Final = 0.3
_OUTPUTS: Final = (SLOT_CHANGES, CAMERA_STATUS, SESSIONS, DEAD_LETTERS)


@dataclass(slots=True)
class Effect:
    """What one command did: the events it caused, or why it was refused."""

    command: SiteCommanded
    events: list[Event] = field(default_factory=list)
    refused: Invalid | None = None


async def send_and_follow(
    settings: KafkaSettings, messages: Sequence[Outgoing], limit_s: float = EFFECT_LIMIT_S
) -> list[Effect]:
    """Write the records in order and wait for the effects of the commands among them. Raises
    Retryable if they could not be written. If the tracker did not reach them in time, it raises
    Retryable with the reason `no-effect-yet`; they are then written and will be applied."""
    producer, consumer = new_producer(settings), new_consumer(settings)
    admin = AIOKafkaAdminClient(**settings.client())
    try:
        for client in (producer, consumer, admin):
            await client.start()
        places = await assign_all(consumer, *(settings.named(topic) for topic in _OUTPUTS))
        await consumer.seek_to_end(*places)
        for place in places:
            await consumer.position(place)  # looked up lazily, before the first effect
        placed = await asyncio.wait_for(KafkaProducer(producer).send(messages), timeout=30)
        follower = _Follower(settings, consumer, admin)
        for message, (partition, offset) in zip(messages, placed, strict=True):
            follower.expect(message, (partition, offset))
        await follower.follow(places, limit_s)
        return list(follower.effects.values())
    finally:
        await producer.stop()
        await consumer.stop()
        await admin.close()


class _Follower:
    """Waits until the tracker has processed every command, and collects the effects."""

    def __init__(
        self, settings: KafkaSettings, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient
    ) -> None:
        self._settings, self._consumer, self._admin = settings, consumer, admin
        self._ends: dict[int, int] = {}
        self.effects: dict[str, Effect] = {}

    def expect(self, message: Outgoing, at: tuple[int, int]) -> None:
        """Wait for this record's effect if it is a command. `at` is its partition and offset."""
        if message.topic != SITE_COMMANDS:
            return
        partition, offset = at
        self._ends[partition] = offset + 1
        command = codec.from_json(message.value or b"", SiteCommanded)
        self.effects[f"{partition}/{offset}"] = Effect(command)

    async def follow(self, places: Sequence[TopicPartition], limit_s: float) -> None:
        """Wait until all are applied or refused. Raises Retryable after `limit_s` seconds."""
        end_s = time.monotonic() + limit_s
        while not await self._passed():
            if time.monotonic() > end_s:
                detail = (
                    f"it was written, but the tracker did not apply it within {limit_s:.0f} s: is "
                    f"the tracker running? It will be applied once the tracker does"
                )
                raise Retryable(detail, "no-effect-yet")
            await self._read(int(_ASK_EVERY_S * 1000))
        ends = await self._consumer.end_offsets(list(places))
        while any([await self._consumer.position(place) < ends[place] for place in places]):
            await self._read(50)

    async def _passed(self) -> bool:
        group = self._settings.named(TRACKER_GROUP)
        topic = self._settings.named(SITE_COMMANDS)
        wanted = [TopicPartition(topic, partition) for partition in self._ends]
        committed = await self._admin.list_consumer_group_offsets(group, partitions=wanted)
        return all(committed[place].offset >= self._ends[place.partition] for place in wanted)

    async def _read(self, timeout_ms: int) -> None:
        batches = await self._consumer.getmany(timeout_ms=timeout_ms)
        for message in (one for batch in batches.values() for one in batch):
            try:
                event: Any = codec.decode(to_record(message)) if message.value else None
            except Invalid:
                continue
            if isinstance(event, DeadLettered):
                effect = self.effects.get(f"{event.partition}/{event.offset}")
                if effect is not None and event.topic == self._settings.named(SITE_COMMANDS):
                    effect.refused = Invalid(event.reason, event.detail)
            elif isinstance(event, SlotChanged | CameraStatusChanged | SessionChanged):
                self._note(event)

    def _note(self, event: SlotChanged | CameraStatusChanged | SessionChanged) -> None:
        for effect in self.effects.values():
            cause = getattr(event, "cause", None)
            if cause is not None and cause.id == effect.command.id:
                effect.events.append(event)


def describe(effect: Effect) -> list[str]:
    """Return the command's effects, one per line, or [] if it changed nothing. Raises the Invalid
    with which the tracker refused it."""
    if effect.refused is not None:
        raise effect.refused
    lines = []
    for event in effect.events:
        match event:
            case SlotChanged():
                change = f"{event.from_state} -> {event.to_state} ({event.reason})"
                lines.append(f"slot {event.slot_id}: {change}")
            case SessionChanged():
                lines.append(f"stay {event.session_id}: {event.kind} ({event.reason or 'counted'})")
            case _:
                pass
    return lines
