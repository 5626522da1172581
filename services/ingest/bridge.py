"""A lane carries messages from one MQTT session (or the polled cameras) to Kafka and acknowledges
them only once they are durable.

    broker --> MqttLink --receive--> Room --run--> Producer (acks=all)
                  ^                                   |
                  +--- reply, then PUBACK in order <--+

Frames and events have separate lanes, so that pictures can neither fill the event session's queue
at the broker nor delay the acknowledgement of gate events.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

import msgspec

from parking.access.plates import Plates
from parking.core.errors import UNREADABLE, Invalid, Refused, Retryable
from parking.core.topics import sender_of
from parking.runtime import metrics
from parking.runtime.faults import fault, holding
from parking.runtime.ops import Health
from parking.wire.ports import Clock, Producer
from services.ingest.counting import count
from services.ingest.handler import handle_message, kafka_refused, limited, refuse
from services.ingest.handover import Delivery, Item, Room
from services.ingest.messages import Context, Handled, Limits, Message, Reply
from services.ingest.replay import Known
from services.ingest.shares import Shares

log = logging.getLogger(__name__)

_BATCH: Final = 256
_IDLE_S: Final = 0.5
_SLOW_S: Final = 3.0
FIRST_DELAY_S: Final = 0.25
MAX_DELAY_S: Final = 5.0
T = TypeVar("T")
Decide = Callable[[Message, Context], Handled]


class Link(Protocol):
    """What a lane needs from its source (mqtt.MqttLink, puller.Puller)."""

    async def run(
        self,
        receive: Callable[[Message, Delivery], Handled],
        has_room: Callable[[], bool],
        stop: asyncio.Event,
    ) -> None:
        """Connect and pass messages on until `stop` is set."""

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge the delivery."""

    def publish(self, reply: Reply) -> None:
        """Send a reply to a device."""


class Lane:
    """Receives messages, writes the decisions and acknowledges the deliveries in order."""

    def __init__(  # noqa: PLR0913 -- its collaborators, bound once in __main__
        self,
        name: str,
        link: Link,
        room: Room,
        producer: Producer,
        limits: Limits,
        *,
        health: Health,
        clock: Clock,
        decide: Decide = handle_message,
        known: Known | None = None,
        plates: Plates | None = None,
        shares: Shares | None = None,
    ) -> None:
        self._decide = decide
        self._shares = shares
        self._name = name
        self._link = link
        self._room = room
        self._producer = producer
        self._known = known or Known()
        known = self._known
        self._context = Context(
            limits, known.pictures, known.used, known.clocks, plates or Plates(), known.turns
        )
        self._health = health
        self._waits_as = f"kafka-{name}"
        self._clock = clock
        self._filled = asyncio.Event()
        metrics.HANDOVER_SIZE.labels(name).set_function(lambda: len(room))

    async def run(self, stop: asyncio.Event) -> None:
        """Run both directions until `stop` is set. Raises an error when either of them ends by
        itself."""
        self._health.waiting[self._waits_as] = "connecting to Kafka"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._never_ends(self._write(stop), stop))
                link = self._link.run(self.receive, self.has_room, stop)
                group.create_task(self._never_ends(link, stop))
        finally:
            if not stop.is_set():
                self._health.failing[self._name] = "the lane has ended"

    def has_room(self) -> bool:
        """Whether more may be read from the broker."""
        return not self._room.is_full

    def receive(self, message: Message, delivery: Delivery) -> Handled:
        """Decide on a message, queue the decision for Kafka and return it. Never blocks, and never
        raises because of a message's content."""
        if message.topic in BROKER_TELLS:
            self._link.settle(delivery)
            _broker_report(message)
            return Handled("ignored")
        handled = self._decision(message)
        if message.via == "mqtt":
            kind = message.topic.split("/", 5)[4:5]
            _MESSAGES[kind[0] if kind and kind[0] in _MESSAGES else "other"].inc()
        if not handled.outgoing:
            if handled.reply is not None:
                self._link.publish(handled.reply)
            self._link.settle(delivery)
            return handled
        if handled.event is not None:
            self._known.clocks.heard(handled.event)
        if handled.frame_of and handled.picture:
            self._known.remember(handled.frame_of, handled.picture)
        if handled.number is not None:
            if handled.outcome == "gate" and handled.number in self._known.used:
                metrics.REPLAYS.labels("gate").inc()
            self._known.used.add(handled.number)
        item = Item(handled, delivery, sender_of(message.topic) or "")
        given_way = self._room.put(item)
        if given_way is not None:
            self._give_way([given_way])
        self._filled.set()
        return handled

    def _decision(self, message: Message) -> Handled:
        try:
            excess = self._shares.excess(message) if self._shares else None
            if excess is None:
                return self._within_letters(message, self._decide(message, self._context))
            metrics.SHARE_EXCEEDED.labels(excess.of, excess.what).inc()
            return limited(message, excess)
        except Exception as error:  # an internal fault on one message must not repeat for ever
            log.exception("ingest could not handle a message on %s", message.topic[:200])
            return refuse(message, Invalid("internal-error", repr(error)), self._context.limits)

    def _within_letters(self, message: Message, handled: Handled) -> Handled:
        """Do not store a refused message that exceeds its device's share of dead letters. The
        device still gets an answer."""
        if self._shares is None or handled.outcome != "refused":
            return handled
        size_bytes = sum(len(record.value or b"") for record in handled.outgoing)
        if self._shares.keeps(message, size_bytes):
            return handled
        metrics.SHARE_EXCEEDED.labels("device", "letters").inc()
        return replace(handled, outgoing=())

    async def _write(self, stop: asyncio.Event) -> None:
        await self._send([], stop)
        while not stop.is_set():
            batch = self._room.take(_BATCH)
            if not batch:
                self._filled.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._filled.wait(), _IDLE_S)
                continue
            holding(name for item in batch for name in item.ids)
            fault("ingest.before-kafka")
            written = await self._send(batch, stop)
            fault("ingest.after-kafka")
            for item in written:
                self._settle(item)

    async def _send(self, batch: Sequence[Item], stop: asyncio.Event) -> list[Item]:
        """Retry until Kafka has everything; return the part of the batch that was written. After
        each failure newer frames replace older ones."""
        ceiling_s = FIRST_DELAY_S
        waiting = list(batch)
        while not stop.is_set():
            records = [record for item in waiting for record in item.handled.outgoing]
            try:
                await self._noticing(self._producer.send(records), stop)
            except Refused as refused:
                log.error("%s: %s", self._name, refused)
                waiting = _without(waiting, refused, self._clock.now_ms())
            except Retryable as error:
                log.warning("%s: waiting for Kafka: %s", self._name, error)
                self._health.waiting[self._waits_as] = str(error)
                waiting, given_way = self._room.thin(waiting)
                self._give_way(given_way)
                # Half fixed, half jitter: never immediately, and never all lanes at the same time.
                await self._clock.sleep(ceiling_s * random.uniform(0.5, 1))  # noqa: S311
                ceiling_s = min(ceiling_s * 2, MAX_DELAY_S)
            else:
                self._health.waiting.pop(self._waits_as, None)
                return waiting
        return []

    async def _noticing(self, work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T:
        """Wait for `work`. /readyz reports a long wait, and a stop does not wait for Kafka."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=_SLOW_S))[0]:
                if stop.is_set():
                    raise Retryable("stopping")
                self._health.waiting[self._waits_as] = f"no answer for {_SLOW_S:.0f} s or more"
            return task.result()
        finally:
            task.cancel()

    def _settle(self, item: Item) -> None:
        handled = item.handled
        count(handled)
        if handled.reply is not None:
            self._link.publish(handled.reply)
            fault("ingest.after-reply")
        self._link.settle(item.delivery)

    def _give_way(self, items: Sequence[Item]) -> None:
        for item in items:
            metrics.FRAMES_DROPPED.labels("handover").inc()
            self._link.settle(item.delivery)

    async def _never_ends(self, work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
        await work
        if not stop.is_set():
            raise RuntimeError(f"a loop of {self._name} stopped unexpectedly")


def _without(items: Sequence[Item], refused: Refused, now_ms: int) -> list[Item]:
    """Return the items as they are after the write: written items have nothing left to write, and
    refused items are left with their dead letters."""
    left, index = [], 0
    for item in items:
        handled, first = item.handled, index
        index += len(handled.outgoing)
        errors = [refused.records[i] for i in range(first, index) if i in refused.records]
        if errors:
            handled = kafka_refused(handled, errors[0], now_ms)
        else:
            handled = replace(handled, outgoing=(), frame_of=None)
        left.append(Item(handled, item.delivery, item.sender))
    return left


def _broker_report(message: Message) -> None:
    """Update the metrics that only the broker can count: messages dropped because a queue was full,
    and refused clients. Neither should increase."""
    gauge = BROKER_TELLS[message.topic]
    try:
        report = msgspec.json.decode(message.payload)
        counts = report if isinstance(report, dict) else {"": report}
        for kind, count in counts.items():
            if isinstance(count, int | float):
                gauge.labels(kind).set(count)
        if message.topic == _DROPPED and report:
            log.error("the MQTT broker has dropped %s messages: its queues are too small", report)
    except UNREADABLE:
        log.warning("MQTT: %s does not contain a number: %r", message.topic, message.payload[:100])


_DROPPED: Final = "$SYS/broker/publish/messages/dropped"
BROKER_TELLS: Final = {
    _DROPPED: metrics.BROKER_DROPPED,
    "$SYS/broker/refused": metrics.BROKER_REFUSED,
}
_MESSAGES: Final = {
    kind: metrics.MQTT_MESSAGES.labels(kind)
    for kind in ("frame", "gate", "status", "telemetry", "other")
}
