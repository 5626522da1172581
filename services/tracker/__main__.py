"""tracker: what the cameras and gates say, as the state of slots, cameras and sessions.

In: parking.detections (with ticks), parking.gate-events, parking.device-events and
parking.site-commands, all keyed by site_id: `parking.occupancy.step` is folded over them.
Out: parking.slot-changes, parking.slot-state, parking.camera-status, parking.sessions; ticks into
parking.detections; parking.dead-letters; parking.tracker-batches and parking.tracker-checkpoints.

What a batch of records makes and how far they were read is one transaction of the partition's own
producer. Who takes a partition over fences off the one before, loads the checkpoint and folds what
came after it again. What is invalid becomes a dead letter with a reason. While Kafka is away it
waits, and /readyz says why. Anything else ends the process; its supervisor starts it again.
/healthz fails when records wait and nothing moves although Kafka answers.

Settings (environment):
"""

import argparse
import asyncio
import contextlib
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

from parking import ops
from parking.errors import Retryable
from parking.kafka import KafkaProducer, new_producer
from parking.kafkalog import new_owner, new_reader
from parking.ops import Health, SystemClock
from parking.stall import Stall
from parking.topics import TRACKER_GROUP
from services.tracker.adapters import KafkaGroup, KafkaLog, open_reader, started
from services.tracker.handler import SOURCES
from services.tracker.settings import Settings
from services.tracker.tracker import Kafka, Run, Tracker

log = logging.getLogger("services.tracker")

_AGAIN_S = 1.0


class Service:
    """The process's loop."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health

    async def track(self, stop: asyncio.Event) -> None:
        """Until told to stop; from the begin again where Kafka is away at the begin."""
        while not stop.is_set():
            try:
                await self._track(stop)
            except Retryable as error:
                log.warning("waiting: %s", error)
                self._health.waiting["kafka"] = str(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _AGAIN_S)

    async def _track(self, stop: asyncio.Event) -> None:
        kafka = self._settings.kafka
        async with AsyncExitStack() as stack:
            reader = await open_reader(
                kafka, await stack.enter_async_context(started(new_reader(kafka)))
            )
            named = kafka.named(TRACKER_GROUP)
            consumer = await stack.enter_async_context(
                started(new_owner(kafka, named, self._settings.session_s))
            )
            sources = [kafka.named(topic) for topic in SOURCES]
            group = KafkaGroup(consumer, sources)
            ticks = await stack.enter_async_context(started(new_producer(kafka)))
            tracker = Tracker(
                Kafka(
                    group,
                    lambda partition: KafkaLog(kafka, partition, reader),
                    KafkaProducer(ticks, kafka.run),
                ),
                SystemClock(),
                self._health,
                Stall(self._settings.stall_s),
                Run(kafka.run, round(self._settings.tick_s * 1000)),
            )
            stack.push_async_callback(tracker.close)
            group.subscribe(tracker.at_work)
            async with asyncio.TaskGroup() as loops:
                loops.create_task(tracker.work(stop))
                loops.create_task(tracker.watch(stop))


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything and run until told to stop."""
    settings = Settings.from_env(environ)
    health = Health(waiting={"kafka": "not connected yet"})
    http = ops.http_loop(ops.ops_app(health), settings.http)
    await ops.serve({"http": http, "tracker": Service(settings, health).track})


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.tracker",
        description=f"{__doc__}{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    ops.main("tracker", build)
