"""Replay with the real services on a real Kafka, in topics of the run's own.

The tracker chooses its own order across topics that are filled at the same time. So the script is
sent one record at a time. It waits for each picture's detection and, before a record of another
topic, until everything before it has been processed. This is slower than in one process and gives
the same changes. Use it to test the services themselves.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from parking.core.errors import Invalid, Retryable
from parking.core.events import (
    DeadLettered,
    DetectionMade,
    DeviceReported,
    Event,
    FrameReceived,
    ParametersSet,
    SiteCommanded,
)
from parking.core.topics import (
    CAMERA_STATUS,
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DETECTIONS,
    FRAMES,
    GATE_EVENTS,
    LAYOUTS,
    LIVE,
    SESSIONS,
    SLOT_CHANGES,
    SLOT_STATE,
    TOPICS,
    TRACKER_GROUP,
)
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
    to_record,
)
from parking.wire import codec
from parking.wire.ports import Outgoing
from tools.cli import admin
from tools.record.recording import Kept
from tools.replay.choice import Choice
from tools.replay.in_process import Played, Refused
from tools.replay.processes import Process, service_env

_SOURCE: Final = "replay"
_LIMIT_S: Final = 120.0
_OUTPUTS: Final = (SLOT_CHANGES, SLOT_STATE, CAMERA_STATUS, SESSIONS)


class _Stage:
    """The run's clients and processes, and the records not yet processed."""

    def __init__(
        self,
        kafka: KafkaSettings,
        producer: KafkaProducer,
        seen: AIOKafkaConsumer,
        group: AIOKafkaAdminClient,
        processes: tuple[Process, Process],
        *,
        overstay: bool,
    ) -> None:
        self._kafka = kafka
        self._producer = producer
        self._seen = seen
        self._group = group
        self._detector, self._tracker = processes
        self._stale = True  # the detector has not read the latest layouts
        self._unsettled: dict[TopicPartition, int] = {}
        self._kind = ""
        # Gates and cameras are independent of each other until a vehicle overstays.
        self._gates_apart = not overstay

    async def send(self, kept: Kept, picture: Callable[[str], bytes]) -> None:
        """Send one record in its turn."""
        event = kept.event
        if kept.topic == LAYOUTS:
            await self._write(codec.outgoing(event, LAYOUTS, _key(event), _SOURCE))
            self._stale = True
            return
        kind = DETECTIONS if kept.topic == FRAMES else kept.topic
        if kind != self._kind and not (kind == GATE_EVENTS and self._gates_apart):
            await self.settle()
            self._kind = kind
        if isinstance(event, FrameReceived):
            await self._look(codec.outgoing_frame(event, picture(kept.file or ""), _SOURCE))
        else:
            place = await self._write(codec.outgoing(event, kind, event.site_id, _SOURCE))
            self._await_tracker(kind, *place)

    async def settle(self) -> None:
        """Wait until the tracker has processed everything sent so far."""
        deadline = time.monotonic() + _LIMIT_S
        while self._unsettled:
            self._tracker.check()
            try:
                found = await self._group.list_consumer_group_offsets(
                    self._kafka.named(TRACKER_GROUP)
                )
            except KafkaError:
                found = {}
            self._unsettled = {
                place: offset
                for place, offset in self._unsettled.items()
                if place not in found or found[place].offset < offset
            }
            if time.monotonic() > deadline:
                raise Retryable(f"the replay's tracker does not reach {self._unsettled}")
            await asyncio.sleep(0.05)

    async def _look(self, message: Outgoing) -> None:
        """Send a picture and wait for the detector's result."""
        if self._stale:
            await self._detector.stop()
            await self._detector.start()
            self._stale = False
        partition, offset = await self._write(message)
        topic = self._kafka.named(FRAMES)
        deadline = time.monotonic() + _LIMIT_S
        while True:
            for batch in (await self._seen.getmany(timeout_ms=500)).values():
                for kept in batch:
                    event = codec.decode(to_record(kept))
                    if isinstance(event, DetectionMade):
                        self._await_tracker(DETECTIONS, kept.partition, kept.offset)
                        if (event.frame_ref.partition, event.frame_ref.offset) == (
                            partition,
                            offset,
                        ):
                            return
                    if isinstance(event, DeadLettered) and (
                        (event.topic, event.partition, event.offset) == (topic, partition, offset)
                    ):
                        return
            self._detector.check()
            if time.monotonic() > deadline:
                raise Retryable(f"the replay's detector emits nothing for {partition}/{offset}")

    def _await_tracker(self, topic: str, partition: int, offset: int) -> None:
        self._unsettled[TopicPartition(self._kafka.named(topic), partition)] = offset + 1

    async def _write(self, message: Outgoing) -> tuple[int, int]:
        (place,) = await self._producer.send([message])
        return place


async def play_on_kafka(
    steps: Sequence[Kept],
    picture: Callable[[str], bytes],
    kafka: KafkaSettings,
    chosen: Choice,
    environ: Mapping[str, str],
    tell: Callable[[int], None],
) -> Played:
    """Play a script in the run that `kafka` names. Its topics are created before and deleted
    afterwards. Raises Invalid if the run already exists or a service ends, and Retryable if Kafka
    is unavailable.
    """
    if kafka.run == LIVE:
        raise Invalid("bad-run", "a replay cannot use the live topics: name a run")
    created = await admin.apply_topics(kafka)
    if len(created) < len(TOPICS):
        raise Invalid(
            "run-exists",
            f"Kafka has topics of a run {kafka.run!r}, perhaps an interrupted one: choose "
            f"another name, or delete the topics that begin with {kafka.named('')}",
        )
    try:
        return await _play(steps, picture, kafka, service_env(environ, chosen, kafka.run), tell)
    except KafkaError as error:
        raise Retryable(f"Kafka: {error!r}") from error
    finally:
        await admin.delete_run(kafka)


async def _play(
    steps: Sequence[Kept],
    picture: Callable[[str], bytes],
    kafka: KafkaSettings,
    env: Mapping[str, str],
    tell: Callable[[int], None],
) -> Played:
    async with AsyncExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replay-")))
        detector, tracker = Process("detector", env, logs), Process("tracker", env, logs)
        producer = await stack.enter_async_context(_running(new_producer(kafka)))
        seen = await stack.enter_async_context(_running(new_consumer(kafka)))
        await _follow(seen, kafka.named(DETECTIONS), kafka.named(DEAD_LETTERS_FRAMES))
        group = AIOKafkaAdminClient(**kafka.client())
        stack.push_async_callback(group.close)
        await group.start()
        for process in (detector, tracker):
            stack.push_async_callback(process.stop)
        await tracker.start()
        writer = KafkaProducer(producer, kafka.run)
        processes, overstay = (detector, tracker), _overstays(steps)
        stage = _Stage(kafka, writer, seen, group, processes, overstay=overstay)
        for count, kept in enumerate(steps, 1):
            if not _passed_over(kept.event):
                await stage.send(kept, picture)
            tell(count)
        await stage.settle()
        return await _result(kafka)


async def _follow(consumer: AIOKafkaConsumer, *topics: str) -> None:
    """Read the topics from the beginning. A new topic does not become known to all brokers at once.
    Raises Retryable if it stays unknown."""
    deadline = time.monotonic() + _LIMIT_S
    while True:
        try:
            await assign_all(consumer, *topics)
            return
        except Retryable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def _result(kafka: KafkaSettings) -> Played:
    """Return all records of the run's topics. For each id the first record wins, as for every
    reader."""
    consumer = new_consumer(kafka)
    events: dict[str, list[Any]] = {}
    async with _running(consumer):
        for topic in (DETECTIONS, *_OUTPUTS, DEAD_LETTERS, DEAD_LETTERS_FRAMES):
            places = await assign_all(consumer, kafka.named(topic))
            records = [r for r in await read_to_end(consumer, places) if r.value is not None]
            records.sort(key=lambda record: (record.partition, record.offset))
            events[topic] = list({(e.TYPE, e.id): e for e in map(codec.decode, records[::-1])}
                                 .values())[::-1]  # fmt: skip
    created = [e for e in events[DETECTIONS] if isinstance(e, DetectionMade)]
    letters = [*events[DEAD_LETTERS], *events[DEAD_LETTERS_FRAMES]]
    return Played(
        model_id=created[0].model_id if created else "",
        detections=[replace(e, timings_ms={}) for e in created],
        outputs=[e for topic in _OUTPUTS for e in events[topic]],
        refused=[
            Refused(topic=e.topic, id=e.id, reason=e.reason, detail=e.detail) for e in letters
        ],
    )


def _overstays(steps: Sequence[Kept]) -> bool:
    """Return whether parameters in the script end a stay or report an overstay after some time."""
    orders = [s.event.command for s in steps if isinstance(s.event, SiteCommanded)]
    return any(
        isinstance(order, ParametersSet)
        and (order.overstay_ms or order.maximum_stay_ms or order.empty_at_min is not None)
        for order in orders
    )


def _passed_over(event: Event) -> bool:
    """Return whether to go on without waiting: telemetry changes nothing in the tracker, and
    waiting for it would take long."""
    return isinstance(event, DeviceReported) and event.kind not in ("online", "offline")


def _key(event: Any) -> str:
    return str(event.camera_id)


@asynccontextmanager
async def _running(client: Any) -> AsyncIterator[Any]:
    try:
        await client.start()
        yield client
    finally:
        await client.stop()
