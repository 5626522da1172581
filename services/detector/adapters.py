"""The outside world: the model's thread, Kafka's two consumers, and the watch over both."""

import asyncio
import logging
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from parking.errors import Retryable
from parking.faults import fault
from parking.imagehealth import Look
from parking.kafka import KafkaConsumer
from parking.ops import Health
from parking.ports import Consumer, Place, Record
from services.detector.analysis import Job, Result
from services.detector.deadline import Deadline
from services.detector.gate import Held

log = logging.getLogger(__name__)

T = TypeVar("T")

STUCK_AFTER_S: Final = 60.0
_WATCH_EVERY_S: Final = 2.0


class Progress:
    """When the work last moved. Any thread may note it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._turned_s = clock_s()

    def note(self) -> None:
        """The loop turned: a poll came back, or a picture was finished."""
        self._turned_s = self._clock_s()

    def age_s(self) -> float:
        """Seconds since then."""
        return self._clock_s() - self._turned_s

    def report(self, health: Health) -> None:
        """Fail /healthz when nothing has moved for too long: the model's thread, a poll or a write
        to Kafka hangs. With nothing to do, polls come back empty and count."""
        if self.age_s() > STUCK_AFTER_S:
            health.failing["frames"] = f"nothing has moved for {self.age_s():.0f} s"
        else:
            health.failing.pop("frames", None)

    async def watch(self, health: Health, stop: asyncio.Event) -> None:
        """Report until told to stop."""
        while not stop.is_set():
            self.report(health)
            try:
                await asyncio.wait_for(stop.wait(), _WATCH_EVERY_S)
            except TimeoutError:
                continue


class ModelThread:
    """Runs the analyser off the event loop, on the one thread that it allows."""

    def __init__(
        self,
        each: Callable[[Sequence[Job], dict[str, Look], dict[str, Held] | None], Iterable[Result]],
        deadline: Deadline | None = None,
    ) -> None:
        self._each = each
        self._deadline = deadline
        self._thread = ThreadPoolExecutor(1, "model")
        self.waiting = 0
        """Calls not finished; HTTP refuses work beyond a few."""

    async def each(
        self, jobs: Sequence[Job], looks: dict[str, Look], helds: dict[str, Held] | None = None
    ) -> AsyncGenerator[Result]:
        """See Analyser.each. The next result is worked on while the caller uses the last one; to
        turn away in between (aclosing) is safe: what is under way ends unheard."""
        self.waiting += 1
        try:
            left = map(_name, jobs)
            results = await self._run("", lambda: iter(self._each(jobs, looks, helds)))
            coming = self._run(next(left, ""), lambda: next(results, None))
            while (result := await coming) is not None:
                coming = self._run(next(left, ""), lambda: next(results, None))
                yield result
        finally:
            self.waiting -= 1

    async def analyse(
        self, jobs: Sequence[Job], looks: dict[str, Look], helds: dict[str, Held] | None = None
    ) -> list[Result]:
        """All of `each`."""
        return [result async for result in self.each(jobs, looks, helds)]

    def _run(self, what: str, work: Callable[[], T]) -> asyncio.Future[T]:
        watched = partial(self._deadline.watched, what, work) if self._deadline else work
        return asyncio.get_running_loop().run_in_executor(self._thread, watched)

    def close(self) -> None:
        """Let the thread end after what it is doing."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class FramesConsumer:
    """ports.Consumer of the group; every poll that comes back is progress."""

    def __init__(self, consumer: Consumer, progress: Progress) -> None:
        self._consumer = consumer
        self._progress = progress

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""
        try:
            return await self._consumer.getmany(timeout_ms, max_records)
        finally:
            self._progress.note()  # Kafka being away is no reason to be started again

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        fault("detector.before-commit")
        try:
            await self._consumer.commit(offsets)
            fault("detector.after-commit")
        finally:
            self._progress.note()

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        await self._consumer.seek(offsets)


class LayoutsConsumer:
    """ports.Consumer without a group: each instance reads the whole topic at each start."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = KafkaConsumer(consumer)

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""
        return await self._consumer.getmany(timeout_ms, max_records)

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Nothing to commit."""

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        await self._consumer.seek(offsets)


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[Any]:
    """A Kafka client, started and in the end stopped. Raises Retryable when Kafka is away."""
    try:
        try:
            await client.start()
        except KafkaError as error:
            raise Retryable(f"Kafka: {error!r}") from error
        yield client
    finally:
        await client.stop()


async def patiently(
    what: str, work: Callable[[], Awaitable[None]], health: Health, stop: asyncio.Event
) -> None:
    """Until `work` has come to its end or the service is told to stop; an outage is waited out and
    shown in /readyz."""
    while not stop.is_set():
        try:
            return await work()
        except (Retryable, KafkaError) as error:
            log.warning("waiting: %s", error)
            health.waiting[what] = str(error) or repr(error)
            await asyncio.sleep(1.0)


def _name(job: Job) -> str:
    return f"frame {job.frame_id}" if job.frame_id else "a picture given to /analyze"
