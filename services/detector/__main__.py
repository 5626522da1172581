"""The detector: it derives an observation of each slot from each frame.

Topics in: parking.frames (group `detector`), parking.layouts and parking.looks (whole, without a
group). Topics out: parking.detections, parking.looks; parking.dead-letters.frames and
parking.dead-letters. A record that no retry can fix is dead-lettered, and the offset moves on. For
a camera without a layout only image health is reported. While Kafka is down the detector waits and
commits nothing, and /readyz says why. On any other error, or when a frame hangs the model, the
process ends and is restarted. A frame that has ended the process twice while it was processed alone
is dead-lettered. /healthz fails when the detector has stalled, or when frames are waiting but none
arrives.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.core.topics import FRAMES, LAYOUTS, LOOKS
from parking.runtime.faults import fault
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.runtime.ops import Health, SystemClock, http_loop, main, serve
from parking.runtime.pulse import kafka_pulse
from parking.runtime.retry import EACH_SECOND, retry
from parking.runtime.runner import Polling, run, write
from parking.runtime.stall import Stall
from parking.vision.gating import Limits
from parking.vision.imagehealth import Thresholds
from parking.wire.ports import Outgoing, Place, Producer, Record
from services.detector import settings as settings_module
from services.detector.adapters import (
    FramesConsumer,
    LayoutsConsumer,
    ModelThread,
    Progress,
    started,
)
from services.detector.analysis import Analyser, Options
from services.detector.attempts import Attempts
from services.detector.deadline import Deadline
from services.detector.handler import SERVICE, Tools, handle_frames, handle_layouts, handle_looks
from services.detector.http import Parts, new_app
from services.detector.judging import Judge
from services.detector.lag import Lag
from services.detector.layouts import Layouts
from services.detector.load import Load
from services.detector.offsets import GroupLog, OnDealtOut
from services.detector.recent import Latest, Looks
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import Settings

# A batch must end within this time, otherwise Kafka assigns its frames to another member.
MAX_POLL_INTERVAL_MS = 300_000
# When the detector is behind, it skips a camera's older frames in favour of the newest one in the
# same batch. So a fetch of a partition must contain several frames of each camera, or none can be
# skipped.
FRAMES_AHEAD = 8


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of the process, and the loops that use them."""

    settings: Settings
    health: Health
    progress: Progress
    tools: Tools
    heartbeats: Heartbeats

    async def consume(self, stop: asyncio.Event) -> None:
        """Read the layouts and looks to the end, then frames and updates until stopped."""
        waiting = partial(self.health.waiting.__setitem__, "kafka")
        await retry(partial(self._attempt, stop), SystemClock(), stop, EACH_SECOND, waiting)

    async def _attempt(self, stop: asyncio.Event) -> None:
        try:
            await self._consume(stop)
        except KafkaError as error:
            raise Retryable(repr(error)) from error

    async def _consume(self, stop: asyncio.Event) -> None:
        kafka = self.settings.kafka
        async with AsyncExitStack() as stack:
            self.progress.note()
            layouts = await stack.enter_async_context(started(new_consumer(kafka)))
            started_producer = await stack.enter_async_context(started(new_producer(kafka)))
            producer = KafkaProducer(started_producer, kafka.run)
            # Otherwise nobody would notice a subscription to a missing topic.
            await assign_all(layouts, kafka.named(FRAMES))
            places = await assign_all(layouts, kafka.named(LAYOUTS), kafka.named(LOOKS))
            await producer.send(await self._apply(await read_to_end(layouts, places)))
            frames = await stack.enter_async_context(
                started(
                    new_consumer(
                        self._reading_ahead(),
                        group=kafka.named(SERVICE),
                        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
                    )
                )
            )
            self.health.waiting["kafka"] = "joining the group"
            group = GroupLog(frames)
            lag = Lag(group, Stall(self.settings.stall_s), self.health)
            attempts = Attempts(lag.getmany, group, SystemClock(), skip=self.settings.skip)

            def assigned(places: set[Place]) -> None:
                self.heartbeats.keep({partition for _, partition in places})
                self.health.waiting.pop("kafka", None)
                attempts.assigned()
                lag.assigned()

            frames.subscribe([kafka.named(FRAMES)], listener=OnDealtOut(assigned, attempts.revoked))
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._follow_layouts(layouts, producer, stop))
                loops.create_task(self._follow_frames(attempts, producer, stop))
                loops.create_task(lag.watch(stop))

    def _reading_ahead(self) -> KafkaSettings:
        kafka = self.settings.kafka
        frames = FRAMES_AHEAD if self.settings.skip else 1
        return replace(kafka, frame_max_bytes=frames * kafka.frame_max_bytes)

    async def _follow_layouts(
        self, consumer: AIOKafkaConsumer, producer: Producer, stop: asyncio.Event
    ) -> None:
        clock = SystemClock()
        await run(LayoutsConsumer(consumer), self._apply, producer, clock, stop, Polling())

    async def _apply(self, records: Sequence[Record]) -> list[Outgoing]:
        """Apply layouts and looks."""
        looks = self.settings.kafka.named(LOOKS)
        mine = [record for record in records if record.topic == looks]
        others = [record for record in records if record.topic != looks]
        letters = await handle_layouts(others, self.tools)
        return letters + await handle_looks(mine, self.tools)

    async def _follow_frames(
        self, attempts: Attempts, producer: Producer, stop: asyncio.Event
    ) -> None:
        async def tell(messages: list[Outgoing]) -> None:
            await write(producer, SystemClock(), messages)
            fault("detector.after-tell")

        handle = self.heartbeats.watching(partial(handle_frames, tools=self.tools, tell=tell))
        records = FramesConsumer(attempts, self.progress)
        polling = Polling(max_records=self.settings.max_records)
        async with attempts.leaving_in_order():
            await run(records, attempts.guard(handle), producer, SystemClock(), stop, polling)


def new_analyser(settings: Settings, turned: Callable[[], None]) -> Analyser:
    """Return the analyser for these settings; the service and a replay use the same one. `turned`
    is called after each picture. Raises SettingsError when the model cannot be used."""
    detector, facts = load_model(settings.model)
    options = Options(
        settings.model.size_px,
        settings.frame_max_pixels,
        Thresholds(frozen_after=settings.frozen_after),
        Limits() if settings.gate else None,
        settings.closer,
    )
    load = Load(settings.budget) if settings.load else None
    judge = Judge(facts, load_slotnet(settings.model), detector)
    return Analyser(judge, options, turned, load)


async def build(environ: Mapping[str, str]) -> None:
    """Load the model, wire everything up and run until a signal arrives."""
    settings = Settings.from_env(environ)
    progress, health = Progress(), Health(waiting={"kafka": "starting"})
    deadline = Deadline(settings.frame_limit_s)

    def turned() -> None:
        progress.note()
        deadline.turned()

    analyser = new_analyser(settings, turned)
    model = ModelThread(analyser.each, deadline)
    deadline.start()
    tools = Tools(
        analyse=model.each,
        model_id=analyser.model_id,
        layouts=Layouts(),
        looks=Looks(),
        latest=Latest(settings.overlays),
        clock=SystemClock(),
        skip=settings.skip,
        order=analyser.order,
    )
    parts = Parts(
        model,
        analyser.model_id,
        tools.layouts,
        tools.latest,
        settings.kafka.frame_max_bytes,
        settings.frame_max_pixels,
        lambda: analyser.overloaded,
    )
    heartbeats = Heartbeats(health)
    service = Service(settings, health, progress, tools, heartbeats)
    try:
        await serve(
            {
                "http": http_loop(new_app(parts, health), settings.http),
                "frames": service.consume,
                "watch": partial(progress.watch, health),
                "pulse": kafka_pulse(settings.kafka, health),
                "heartbeats": heartbeats.loop,
            }
        )
    finally:
        model.close()


if __name__ == "__main__":
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(f"{__doc__}\n{settings_module.HELP}")
    else:
        main(SERVICE, build)
