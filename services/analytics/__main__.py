"""analytics: how full each zone was, how often its slots changed hands, who passed the gates; a
record a minute.

In: parking.slot-changes, parking.sessions, parking.camera-status (for the time alone), and
parking.layouts (for the slots' kinds); one faust agent applies them one at a time with handler.py.
Out: parking.occupancy; each site's time into parking.analytics-clock; parking.dead-letters. The
table `state` lives in memory over its changelog.

A record is acknowledged once what it publishes is written and the table's entries are in the
changelog. What is invalid becomes a dead letter with a reason. Anything else, a changelog or an
output that Kafka does not take in time among it, ends the process; its supervisor starts it again,
and it goes on from the changelog. It waits for Kafka and its topics at start. /healthz fails when
nothing moves although Kafka answers, for its supervisor to start it again.

All of it can be computed again from its inputs: stop every worker, run once with --recompute, and
start them.

Settings (environment):
"""

import argparse
import asyncio
import logging
import os
import threading
from collections.abc import Mapping
from typing import Final

import faust

from parking import ops
from parking.kafka import KafkaProducer, new_producer
from parking.ops import Health, SystemClock
from parking.stall import Stall
from services.analytics import adapters, recompute
from services.analytics.analytics import Analytics
from services.analytics.kinds import Kinds
from services.analytics.settings import Settings
from services.analytics.watch import Watch

log = logging.getLogger("services.analytics")

# faust stops within a second or two, or never.
_STOP_LIMIT_S: Final = 6.0
_BEAT_S: Final = 5.0


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything and run until told to stop."""
    settings = Settings.from_env(environ)
    health = Health(waiting={"kafka": "not connected yet"})
    kinds, known = Kinds(), asyncio.Event()

    async def count(stop: asyncio.Event) -> None:
        await adapters.wait_for_topics(settings.kafka, stop)
        if not await _either(known, stop):
            return
        for chatty in ("faust", "mode"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        app, table = adapters.new_app(settings.kafka, settings.session_s)
        producer = new_producer(settings.kafka)
        await producer.start()
        watch = Watch(adapters.FaustGroup(app, producer), health, Stall(settings.stall_s))
        analytics = Analytics(table, KafkaProducer(producer), SystemClock(), kinds, watch.moved)
        adapters.consume(app, analytics.apply, _end)
        await app.start()
        try:
            await _watch(app, watch, analytics, stop)
        finally:
            _end_in(_STOP_LIMIT_S, 0 if stop.is_set() else 1)
            await app.stop()
            await producer.stop()

    http = ops.http_loop(ops.ops_app(health), settings.http)
    layouts = adapters.follow_layouts(settings.kafka, kinds, known)
    await ops.serve({"http": http, "layouts": layouts, "analytics": count})


async def _either(known: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for one of the two; whether it was not the stop."""
    waits = [asyncio.ensure_future(event.wait()) for event in (known, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return not stop.is_set()


async def _watch(app: faust.App, watch: Watch, analytics: Analytics, stop: asyncio.Event) -> None:
    """Beats while partitions are ours, until told to stop or faust has crashed."""
    while not stop.is_set():
        if app.should_stop:
            log.critical("faust ended: %r", app.crash_reason)  # it may keep us from the end's words
            raise RuntimeError(f"faust ended: {app.crash_reason!r}")
        await watch.turn(analytics)
        try:
            await asyncio.wait_for(stop.wait(), _BEAT_S)
        except TimeoutError:
            continue


def _end(error: Exception) -> None:
    """The agent failed: nothing of this process may be committed any more, so nothing is tidied."""
    log.critical("analytics ends at once: %r", error, exc_info=error)
    os._exit(1)


def _end_in(seconds: float, status: int) -> None:
    """faust may not stop at all, its threads keep the process alive: end it by force then. Nothing
    is lost, for what is not committed is read again. Only a stop that was asked for is a success:
    a supervisor may start again only what failed."""
    timer = threading.Timer(seconds, os._exit, (status,))
    timer.daemon = True
    timer.start()


async def _recompute(environ: Mapping[str, str]) -> None:
    gone = await recompute.forget(Settings.from_env(environ).kafka)
    log.info("%d values forgotten: start the service, and it counts from the oldest records", gone)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m services.analytics",
        description=f"{__doc__}{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--recompute", action="store_true", help="forget what was counted, and end; see above"
    )
    ops.main("analytics", _recompute if parser.parse_args().recompute else build)
