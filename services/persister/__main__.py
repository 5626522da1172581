"""The persister: what happened, into Postgres; the pictures that prove it, into S3.

Topics in: parking.frames, .detections, .gate-events, .plates, .device-events, .layouts,
.slot-changes, .sessions, .camera-status. Topics out: dead letters only.
Invalid records: dead letter, then the offset moves. Postgres, S3 or Kafka away: it waits with
nothing committed and /readyz says why. Anything else: the process ends. Nothing moves although it
could: /healthz fails, for the supervisor to start it again.
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

from parking.errors import Retryable
from parking.kafka import KafkaProducer, new_consumer, new_producer
from parking.ops import Health, SystemClock, http_loop, main, ops_app, serve
from parking.ports import Outgoing, Record
from parking.runner import Polling, run
from parking.stall import Stall
from parking.topicids import log_ids
from services.persister import settings as settings_module
from services.persister.adapters import FrameFetcher, PlaceKeeper
from services.persister.handler import HANDLERS, Tools, handle
from services.persister.objects import S3Objects, new_client
from services.persister.postgres import Pool, PostgresEvents, new_pool, prepare
from services.persister.retention import Retention
from services.persister.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

_AGAIN_S = 1.0
_WATCH_EVERY_S = 2.0
_RECORDS = "records"


class Service:
    """The process's parts and the loops that use them."""

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

    async def persist(self, stop: asyncio.Event) -> None:
        """Start what is needed, in patience, then consume until told to stop."""
        async with AsyncExitStack() as stack:
            stack.callback(self._objects.close)
            await self._patiently("postgres", partial(self._postgres, stack), stop)
            started = await self._patiently("kafka", partial(self._kafka, stack), stop)
            if started is None:
                return
            keeper, tools = started
            self._keeper = keeper
            await run(
                keeper,
                self._watched(partial(handle, tools=tools)),
                tools.producer,
                self._clock,
                stop,
                Polling(max_records=self._settings.batch),
            )

    async def watch(self, stop: asyncio.Event) -> None:
        """Fail /healthz when nothing moves although it could; patience in an outage moves."""
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
        """Remove what is past its time, once the tables are there."""
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
            log.warning("partitions are made later: %s", error)
        self._ready.set()

    async def _kafka(self, stack: AsyncExitStack) -> tuple[PlaceKeeper, Tools]:
        """Clients and what is built on them; all or none."""
        async with AsyncExitStack() as starting:
            kafka = self._settings.kafka
            one_frame = replace(kafka, frame_max_bytes=0)  # the broker gives a whole batch anyway
            frames = await _started(starting, new_consumer(one_frame))
            await log_ids(frames, HANDLERS)  # a subscription to a topic not there is not noticed
            producer = await _started(starting, new_producer(kafka))
            gathering = new_consumer(
                kafka, group=self._settings.group, gather_ms=self._settings.gather_ms
            )
            consumer = await _started(starting, gathering)
            events = PostgresEvents(self._pool)
            keeper = PlaceKeeper(consumer, list(HANDLERS), events, self._turned)
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

    async def _patiently(
        self, what: str, work: Callable[[], Awaitable[T]], stop: asyncio.Event
    ) -> T | None:
        """Until it works; None when told to stop before."""
        while not stop.is_set():
            try:
                result = await work()
            except Retryable as error:
                log.warning("waiting: %s", error)
                self._health.waiting[what] = str(error)
                await self._clock.sleep(_AGAIN_S)
            else:
                self._health.waiting.pop(what, None)
                return result
        return None

    def _watched(
        self, work: Callable[[Sequence[Record]], Awaitable[list[Outgoing]]]
    ) -> Callable[[Sequence[Record]], Awaitable[list[Outgoing]]]:
        """The handler, with what it waits for told by /readyz."""

        async def watched(records: Sequence[Record]) -> list[Outgoing]:
            try:
                result = await work(records)
            except Retryable as error:
                self._health.waiting["effects"] = str(error)
                self._turned()
                raise
            self._turned()
            self._health.waiting.pop("effects", None)
            return result

        return watched


async def _started(stack: AsyncExitStack, client: Any) -> Any:
    """A started Kafka client that stops with the stack."""
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
        }
    )


if __name__ == "__main__":
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(f"{__doc__}\n{settings_module.__doc__}")
    else:
        main("persister", build)
