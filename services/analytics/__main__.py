"""analytics: occupancy and turnover of each zone, and passages at the gates, one record a minute.

In: parking.slot-changes, parking.sessions, parking.camera-status (only for the time), and
parking.layouts (for the slots' kinds). One faust agent applies them one at a time with handler.py.
Out: parking.occupancy; each site's time into parking.analytics-clock; parking.dead-letters. The
table `state` is in memory, backed by its changelog.

A record is acknowledged once its outputs are written and the table's entries are in the changelog.
An invalid record is sent to the dead-letter queue with a reason. Any other error ends the process,
including when Kafka does not accept a changelog entry or output in time. Its supervisor restarts
it, and it continues from the changelog. At the start it waits for Kafka and its topics. /healthz
fails when nothing progresses although Kafka answers, so that the supervisor restarts it.

Everything can be computed again from its inputs: stop every worker, run once with --recompute, and
start them.

Settings (environment):
"""

import argparse
import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Final

import faust

from parking.runtime import ops
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.kafka import KafkaProducer, new_producer
from parking.runtime.ops import Health, SystemClock
from parking.runtime.pulse import kafka_pulse
from parking.runtime.stall import Stall
from parking.wire.ports import Record
from services.analytics import adapters, recompute
from services.analytics.analytics import Analytics
from services.analytics.kinds import Kinds
from services.analytics.settings import Settings
from services.analytics.watch import Watch

log = logging.getLogger("services.analytics")

# If faust stops at all, it stops within a second or two.
_STOP_LIMIT_S: Final = 6.0
_BEAT_S: Final = 5.0


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything up and run until stopped."""
    settings = Settings.from_env(environ)
    health = Health(waiting={"kafka": "not connected yet"})
    kinds, known, heartbeats = Kinds(), asyncio.Event(), Heartbeats(health)

    async def count(stop: asyncio.Event) -> None:
        await adapters.wait_for_topics(settings.kafka, stop)
        if not await _either(known, stop):
            return
        for chatty in ("faust", "mode"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        app, table = adapters.new_app(settings.kafka, settings.session_s)
        producer = new_producer(settings.kafka)
        await producer.start()
        group = adapters.FaustGroup(app, producer)
        watch = Watch(group, health, Stall(settings.stall_s))
        analytics = Analytics(table, KafkaProducer(producer), SystemClock(), kinds, watch.moved)

        async def apply(record: Record) -> None:
            await analytics.apply(record)
            heartbeats.passed([record])

        adapters.consume(app, apply, _end)
        await app.start()
        try:
            async for _ in _turns(app, watch, analytics, stop):
                if (owned := group.owned()) is not None:
                    heartbeats.keep(owned)
        finally:
            _end_in(_STOP_LIMIT_S, 0 if stop.is_set() else 1)
            await app.stop()
            await producer.stop()

    http = ops.http_loop(ops.ops_app(health), settings.http)
    layouts = adapters.follow_layouts(settings.kafka, kinds, known)
    pulse = kafka_pulse(settings.kafka, health)
    await ops.serve(
        {
            "http": http,
            "layouts": layouts,
            "analytics": count,
            "pulse": pulse,
            "heartbeats": heartbeats.loop,
        }
    )


async def _either(known: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for one of the two, and return whether it was `known` and not the stop."""
    waits = [asyncio.ensure_future(event.wait()) for event in (known, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return not stop.is_set()


async def _turns(
    app: faust.App, watch: Watch, analytics: Analytics, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Write beats while partitions are ours, and yield after each turn, until stopped or faust has
    crashed."""
    while not stop.is_set():
        if app.should_stop:
            log.critical("faust ended: %r", app.crash_reason)  # it may prevent the last message
            raise RuntimeError(f"faust ended: {app.crash_reason!r}")
        await watch.turn(analytics)
        yield
        try:
            await asyncio.wait_for(stop.wait(), _BEAT_S)
        except TimeoutError:
            continue


def _end(error: Exception) -> None:
    """End after the agent failed. Nothing of this process may be committed any more, so skip the
    cleanup."""
    log.critical("analytics stops immediately: %r", error, exc_info=error)
    os._exit(1)


def _end_in(seconds: float, status: int) -> None:
    """Force the end if faust does not stop because its threads keep the process alive. Nothing is
    lost, because uncommitted records are read again. Only a requested stop counts as success: a
    supervisor may restart only failed processes."""
    timer = threading.Timer(seconds, os._exit, (status,))
    timer.daemon = True
    timer.start()


async def _recompute(environ: Mapping[str, str]) -> None:
    removed = await recompute.forget(Settings.from_env(environ).kafka)
    log.info("%d values deleted: start the service, and it counts from the oldest records", removed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m services.analytics",
        description=f"{__doc__}{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--recompute", action="store_true", help="delete all counts, and end; see above"
    )
    ops.main("analytics", _recompute if parser.parse_args().recompute else build)
