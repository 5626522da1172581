"""The persister: events into Postgres, and the pictures that prove them into S3.

Topics in: parking.frames, .detections, .gate-events, .plates, .device-events, .layouts,
.slot-changes, .sessions, .camera-status. Topics out: dead letters only. An invalid record is
dead-lettered, and the offset advances. While Postgres, S3 or Kafka is down, it waits and commits
nothing, and /readyz says why. Any other error ends the process. /healthz fails when nothing
progresses although it could, so that the supervisor restarts the process.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.kafka import KafkaProducer, new_consumer, new_producer
from parking.runtime.objects import S3Objects, new_client
from parking.runtime.ops import Health, SystemClock, http_loop, main, ops_app, serve
from parking.runtime.pulse import kafka_pulse
from parking.runtime.retry import EACH_SECOND, retry
from parking.runtime.runner import Polling, run
from parking.runtime.stall import Stall
from parking.runtime.topicids import log_ids
from parking.wire.ports import Outgoing, Record
from services.persister import settings as settings_module
from services.persister.adapters import FrameFetcher, PlaceKeeper
from services.persister.handler import HANDLERS, Tools, handle
from services.persister.outage import Outage
from services.persister.postgres import Pool, PostgresEvents, new_pool, prepare
from services.persister.retention import Retention
from services.persister.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

_WATCH_EVERY_S = 2.0
_RECORDS = "records"


class Service:
    """The parts of the process and the loops that use them."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._clock = SystemClock()
        self._pool: Pool = new_pool(settings.database_url, settings.database_connections)
        self._objects = S3Objects(new_client(settings.s3), settings.s3.bucket)
        self._retention = Retention(self._pool, self._objects, self._clock, settings.keep)
        self._ready = asyncio.Event()
        self._keeper: PlaceKeeper | None = None
        self._stall = Stall(settings.stall_s)
        self._outage = Outage(health, self._clock)
        self.heartbeats = Heartbeats(health)

    async def persist(self, stop: asyncio.Event) -> None:
        """Start the parts, waiting out outages, then consume until stopped."""
        async with AsyncExitStack() as stack:
            stack.callback(self._objects.close)
            await self._start("postgres", partial(self._postgres, stack), stop)
            started = await self._start("kafka", partial(self._kafka, stack), stop)
            if started is None:
                return
            keeper, tools = started
            self._keeper = keeper
            await run(
                keeper,
                self._watched(self.heartbeats.watching(partial(handle, tools=tools))),
                tools.producer,
                self._clock,
                stop,
                Polling(max_records=self._settings.batch),
            )

    async def watch(self, stop: asyncio.Event) -> None:
        """Fail /healthz when nothing progresses although it could. Waiting out an outage counts as
        progress."""
        while not stop.is_set():
            if self._keeper is not None and await self._keeper.behind():
                self._stall.expect(_RECORDS)
            else:
                self._stall.away()
            self._stall.report(self._health)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _WATCH_EVERY_S)

    def _turned(self) -> None:
        self._stall.moved([_RECORDS])

    async def retain(self, stop: asyncio.Event) -> None:
        """Delete expired data, once the tables exist."""
        waits = {asyncio.ensure_future(event.wait()) for event in (self._ready, stop)}
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await self._retention.loop(stop)

    async def _postgres(self, stack: AsyncExitStack) -> None:
        await prepare(self._settings.database_url)
        await self._pool.open()
        stack.push_async_callback(self._pool.close)
        try:
            await self._retention.ahead()
        except Retryable as error:
            log.warning("partitions will be created later: %s", error)
        self._ready.set()

    async def _kafka(self, stack: AsyncExitStack) -> tuple[PlaceKeeper, Tools]:
        """Create the clients and what depends on them, all or none."""
        async with AsyncExitStack() as starting:
            kafka = self._settings.kafka
            one_frame = replace(kafka, frame_max_bytes=0)  # the broker returns a whole batch anyway
            frames = await _started(starting, new_consumer(one_frame))
            await log_ids(frames, HANDLERS)  # a subscription to a missing topic goes unnoticed
            producer = await _started(starting, new_producer(kafka))
            gathering = new_consumer(
                kafka, group=self._settings.group, gather_ms=self._settings.gather_ms
            )
            consumer = await _started(starting, gathering)
            events = PostgresEvents(self._pool)
            keeper = PlaceKeeper(
                consumer, list(HANDLERS), events, self._waits, self.heartbeats.keep
            )
            keeper.subscribe()
            stack.push_async_exit(starting.pop_all())
        tools = Tools(
            events=events,
            objects=self._objects,
            fetch=FrameFetcher(frames),
            producer=KafkaProducer(producer),
            clock=self._clock,
            claim=lambda: keeper.claim,
            drop=keeper.drop,
            policy=self._settings.policy,
        )
        return keeper, tools

    async def _start(
        self, what: str, work: Callable[[], Awaitable[T]], stop: asyncio.Event
    ) -> T | None:
        """The task's result once it succeeds, or None if stopped first. Meanwhile /readyz gives the
        reason for the wait."""
        waiting = partial(self._health.waiting.__setitem__, what)
        result = await retry(work, self._clock, stop, EACH_SECOND, waiting)
        self._health.waiting.pop(what, None)
        return result

    def _watched(
        self, work: Callable[[Sequence[Record]], Awaitable[list[Outgoing]]]
    ) -> Callable[[Sequence[Record]], Awaitable[list[Outgoing]]]:
        """Wrap the handler so that /readyz shows what it waits for."""

        async def watched(records: Sequence[Record]) -> list[Outgoing]:
            try:
                result = await work(records)
            except Retryable as error:
                self._waits(error)
                raise
            self._waits(None)
            return result

        return watched

    def _waits(self, error: Retryable | None) -> None:
        """Work was tried: it failed for now, or (None) succeeded. Either is no standstill."""
        self._turned()
        if error is None:
            self._outage.end()
        else:
            self._outage.say(error)


async def _started(stack: AsyncExitStack, client: Any) -> Any:
    """Start a Kafka client that stops with the stack."""
    stack.push_async_callback(client.stop)
    try:
        await client.start()
    except KafkaError as error:
        raise Retryable(f"Kafka: {error!r}") from error
    return client


async def build(environ: Mapping[str, str]) -> None:
    """Wire and run."""
    settings = Settings.from_env(environ)
    health = Health()
    service = Service(settings, health)
    await serve(
        {
            "persist": service.persist,
            "retain": service.retain,
            "watch": service.watch,
            "http": http_loop(ops_app(health), settings.http),
            "pulse": kafka_pulse(settings.kafka, health),
            "heartbeats": service.heartbeats.loop,
        }
    )


if __name__ == "__main__":
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(f"{__doc__}\n{settings_module.__doc__}")
    else:
        main("persister", build)
