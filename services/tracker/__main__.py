"""tracker: turns observations and gate events into the state of slots, cameras and sessions.

In: parking.detections (with ticks), parking.gate-events, parking.device-events and
parking.site-commands, all keyed by site_id. `parking.core.occupancy.step` is folded over them. Out:
parking.slot-changes, parking.slot-state, parking.camera-status, parking.sessions; ticks into
parking.detections; parking.dead-letters; parking.tracker-batches and parking.tracker-checkpoints.

The outputs of a batch of records and its input offsets are one transaction of the partition's own
producer. A tracker that takes over a partition fences off the earlier owner, loads the checkpoint
and folds the later records again. Invalid records are sent to the dead-letter queue with a reason.
While Kafka is down, the tracker waits and /readyz says why. Any other error ends the process, and
its supervisor restarts it. /healthz fails when records wait and nothing progresses although Kafka
answers.

Settings (environment):
"""

import argparse
import asyncio
import gc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from parking.core.topics import TRACKER_GROUP
from parking.runtime import ops
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.kafka import KafkaProducer, new_producer
from parking.runtime.kafkalog import new_owner, new_reader
from parking.runtime.ops import Health, SystemClock
from parking.runtime.pulse import kafka_pulse
from parking.runtime.retry import EACH_SECOND, retry
from parking.runtime.stall import Stall
from services.tracker.adapters import KafkaGroup, KafkaLog, open_reader, started
from services.tracker.handler import SOURCES
from services.tracker.settings import Settings
from services.tracker.tracker import Kafka, Run, Tracker

_GC_THRESHOLD: Final = 50_000


class Service:
    """The process's loop."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self.heartbeats = Heartbeats(health)
        self._settings = settings
        self._health = health

    async def track(self, stop: asyncio.Event) -> None:
        """Run until stopped. If Kafka is down at the start, retry."""
        waiting = partial(self._health.waiting.__setitem__, "kafka")
        await retry(partial(self._track, stop), SystemClock(), stop, EACH_SECOND, waiting)

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
                self.heartbeats,
            )
            stack.push_async_callback(tracker.close)
            group.subscribe(tracker.at_work)
            async with asyncio.TaskGroup() as loops:
                loops.create_task(tracker.work(stop))
                loops.create_task(tracker.watch(stop))


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything up and run until stopped."""
    # A batch holds thousands of objects until it is written, and none of them is in a cycle. The
    # standard threshold (700) would scan them again and again: a tenth of the CPU time.
    gc.set_threshold(_GC_THRESHOLD)
    settings = Settings.from_env(environ)
    health = Health(waiting={"kafka": "not connected yet"})
    http = ops.http_loop(ops.ops_app(health), settings.http)
    pulse = kafka_pulse(settings.kafka, health)
    service = Service(settings, health)
    await ops.serve(
        {
            "http": http,
            "tracker": service.track,
            "pulse": pulse,
            "heartbeats": service.heartbeats.loop,
        }
    )


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.tracker",
        description=f"{__doc__}{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    ops.main("tracker", build)
