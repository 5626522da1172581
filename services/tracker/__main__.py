"""tracker: what the cameras and gates say, as the state of slots, cameras and sessions.

In: parking.detections (with ticks), parking.gate-events, parking.device-events and
parking.site-commands, all keyed by site_id: one faust agent applies them one at a time with
`parking.occupancy.step`.
Out: parking.slot-changes, parking.slot-state, parking.camera-status, parking.sessions; ticks into
parking.detections; parking.dead-letters. The table `sites` lives in memory over its changelog.

A record is acknowledged once the site's entry is in the changelog and its outputs are written; of
ticks that tell only the time, which the next one tells again, most get no entry. What is invalid
becomes a dead letter with a reason. Anything else, a changelog or an output that Kafka does not
take in time among it, ends the process; its supervisor starts it again, and it goes on from the
changelog, with the same ids and versions. It waits for Kafka and its topics at start.
/healthz fails when nothing moves although Kafka answers, for its supervisor to start it again.

Settings (environment):
"""

import argparse
import asyncio
import logging
import os
import threading
from collections.abc import Mapping

import faust

from parking import ops
from parking.kafka import KafkaProducer, new_producer
from parking.ops import Health, SystemClock
from parking.ports import Record
from parking.stall import Stall
from parking.topics import DETECTIONS
from services.tracker import adapters
from services.tracker.settings import Settings
from services.tracker.tracker import Tracker
from services.tracker.watch import Timer

log = logging.getLogger("services.tracker")

# faust stops within a second or two, or never.
_STOP_LIMIT_S = 6.0


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything and run until told to stop."""
    settings = Settings.from_env(environ)
    health = Health(waiting={"kafka": "not connected yet"})

    async def track(stop: asyncio.Event) -> None:
        await adapters.wait_for_topics(settings.kafka, stop)
        if stop.is_set():
            return
        for chatty in ("faust", "mode"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        app, table = adapters.new_app(settings.kafka, settings.session_s)
        producer = new_producer(settings.kafka)
        await producer.start()
        run = settings.kafka.run
        tracker = Tracker(table, KafkaProducer(producer, run), SystemClock(), run)
        group = adapters.FaustGroup(app, producer, settings.kafka.named(DETECTIONS))
        timer = Timer(group, tracker, health, Stall(settings.stall_s))

        async def apply(record: Record) -> None:
            await tracker.apply(record)
            timer.applied(record.partition)

        adapters.consume(app, settings.kafka, apply, _end)
        await app.start()
        try:
            await _tick(app, timer, stop, settings.tick_s)
        finally:
            _end_in(_STOP_LIMIT_S, 0 if stop.is_set() else 1)
            await app.stop()
            await producer.stop()

    http = ops.http_loop(ops.ops_app(health), settings.http)
    await ops.serve({"http": http, "tracker": track})


async def _tick(app: faust.App, timer: Timer, stop: asyncio.Event, tick_s: float) -> None:
    """Ticks while partitions are ours, until told to stop or faust has crashed."""
    while not stop.is_set():
        if app.should_stop:
            log.critical("faust ended: %r", app.crash_reason)  # it may keep us from the end's words
            raise RuntimeError(f"faust ended: {app.crash_reason!r}")
        await timer.turn()
        try:
            await asyncio.wait_for(stop.wait(), tick_s)
        except TimeoutError:
            continue


def _end(error: Exception) -> None:
    """The agent failed: nothing of this process may be committed any more, so nothing is tidied."""
    log.critical("the tracker ends at once: %r", error, exc_info=error)
    os._exit(1)


def _end_in(seconds: float, status: int) -> None:
    """faust may not stop at all, its threads keep the process alive: end it by force then. Nothing
    is lost, for what is not committed is read again. Only a stop that was asked for is a success:
    a supervisor may start again only what failed."""
    timer = threading.Timer(seconds, os._exit, (status,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.tracker",
        description=f"{__doc__}{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    ops.main("tracker", build)
