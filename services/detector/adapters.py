"""The detector's adapters: the model's thread, the two Kafka consumers, and the watchdog over
both."""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
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

from parking.core.errors import Retryable
from parking.runtime.faults import fault
from parking.runtime.kafka import KafkaConsumer
from parking.runtime.ops import Health
from parking.vision.imagehealth import Look
from parking.wire.ports import Consumer, Place, Record
from services.detector.analysis import Job, Result
from services.detector.deadline import Deadline
from services.detector.gate import LastView

T = TypeVar("T")

STUCK_AFTER_S: Final = 60.0
_WATCH_EVERY_S: Final = 2.0


class Progress:
    """The time of the last progress. Any thread may note it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._turned_s = clock_s()

    def note(self) -> None:
        """Note that a poll returned or a picture was finished."""
        self._turned_s = self._clock_s()

    def age_s(self) -> float:
        """Seconds since the last progress."""
        return self._clock_s() - self._turned_s

    def report(self, health: Health) -> None:
        """Fail /healthz when there has been no progress for too long, because the model's thread, a
        poll or a write to Kafka hangs. When there is no work, polls that return count as
        progress."""
        if self.age_s() > STUCK_AFTER_S:
            health.failing["frames"] = f"no progress for {self.age_s():.0f} s"
        else:
            health.failing.pop("frames", None)

    async def watch(self, health: Health, stop: asyncio.Event) -> None:
        """Report until stopped."""
        while not stop.is_set():
            self.report(health)
            try:
                await asyncio.wait_for(stop.wait(), _WATCH_EVERY_S)
            except TimeoutError:
                continue


class ModelThread:
    """Runs the analyser outside the event loop, on the one thread that it may use."""

    def __init__(
        self,
        each: Callable[
            [Sequence[Job], dict[str, Look], dict[str, LastView] | None], Iterable[Result]
        ],
        deadline: Deadline | None = None,
    ) -> None:
        self._each = each
        self._deadline = deadline
        self._thread = ThreadPoolExecutor(1, "model")
        self.waiting = 0
        """Calls not yet finished. HTTP refuses further work once there are a few."""

    async def each(
        self,
        jobs: Sequence[Job],
        looks: dict[str, Look],
        last_views: dict[str, LastView] | None = None,
    ) -> AsyncGenerator[Result]:
        """See Analyser.each. The next result is computed while the caller uses the previous one.
        Closing the generator early (aclosing) is safe; the result in progress is dropped."""
        self.waiting += 1
        try:
            left = map(_name, jobs)
            results = await self._run("", lambda: iter(self._each(jobs, looks, last_views)))
            coming = self._run(next(left, ""), lambda: next(results, None))
            while (result := await coming) is not None:
                coming = self._run(next(left, ""), lambda: next(results, None))
                yield result
        finally:
            self.waiting -= 1

    async def analyse(
        self,
        jobs: Sequence[Job],
        looks: dict[str, Look],
        last_views: dict[str, LastView] | None = None,
    ) -> list[Result]:
        """Return all results of `each`."""
        return [result async for result in self.each(jobs, looks, last_views)]

    def _run(self, what: str, work: Callable[[], T]) -> asyncio.Future[T]:
        watched = partial(self._deadline.watched, what, work) if self._deadline else work
        return asyncio.get_running_loop().run_in_executor(self._thread, watched)

    def close(self) -> None:
        """Let the thread end after its current work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class FramesConsumer:
    """The group's ports.Consumer; every poll that returns counts as progress."""

    def __init__(self, consumer: Consumer, progress: Progress) -> None:
        self._consumer = consumer
        self._progress = progress

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""
        try:
            return await self._consumer.getmany(timeout_ms, max_records)
        finally:
            self._progress.note()  # a Kafka outage is no reason to restart

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
    """A ports.Consumer without a group: each instance reads the whole topic at every start."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = KafkaConsumer(consumer)

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""
        return await self._consumer.getmany(timeout_ms, max_records)

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Do nothing, because there is no group to commit for."""

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        await self._consumer.seek(offsets)


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[Any]:
    """Start a Kafka client and stop it at the end. Raises Retryable when Kafka is down."""
    try:
        try:
            await client.start()
        except KafkaError as error:
            raise Retryable(f"Kafka: {error!r}") from error
        yield client
    finally:
        await client.stop()


def _name(job: Job) -> str:
    return f"frame {job.frame_id}" if job.frame_id else "a picture given to /analyze"
