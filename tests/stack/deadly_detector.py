"""services.detector, which a picture can kill or hang. A picture that holds KILL or HANG does so
when its turn in the model's thread comes. COUNTING=off switches off the counting of attempts, and
DEAF=on the fetching of frames. Everything else is the real service."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from parking.runtime.kafka import new_consumer
from parking.runtime.ops import main
from parking.runtime.runner import Handle
from parking.wire.ports import Clock, Place, Record
from services.detector import __main__ as detector
from services.detector.adapters import ModelThread
from services.detector.attempts import Offsets, Poll
from services.detector.offsets import GroupLog
from services.detector.suspects import Committed

KILL: Final = b"this picture kills the detector"
HANG: Final = b"this picture hangs the detector"


class DeadlyModel(ModelThread):
    """The real model, except for such pictures."""

    def __init__(self, each: Any, *more: Any) -> None:
        super().__init__(lambda jobs, *rest: deadly(jobs, each(jobs, *rest)), *more)


def deadly(jobs: Sequence[Any], results: Iterator[Any]) -> Iterator[Any]:
    """Return one result per job."""
    for job in jobs:
        if KILL in (job.jpeg or b""):
            os.kill(os.getpid(), signal.SIGKILL)
        if HANG in (job.jpeg or b""):
            time.sleep(3600)
        yield next(results)


def impatient(*args: Any, **more: Any) -> Any:
    """Return a consumer with the shortest session that Kafka allows, because the test waits for the
    group to notice its death."""
    consumer = new_consumer(*args, **more)
    consumer._session_timeout_ms = 6_000  # noqa: SLF001 -- new_consumer leaves it at ten
    return consumer


class Uncounted:
    """The consumer as it would be without attempts: only the offsets."""

    def __init__(self, poll: Poll, offsets: Offsets, clock: Clock, *, skip: bool) -> None:
        del clock, skip
        self._offsets = offsets
        self.getmany = poll

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        await self._offsets.commit({place: Committed(at) for place, at in offsets.items()})

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        raise NotImplementedError

    def assigned(self) -> None:
        """Count nothing."""

    async def revoked(self) -> None:
        """Count nothing."""

    @asynccontextmanager
    async def leaving_in_order(self) -> AsyncIterator[None]:
        yield

    def guard(self, handle: Handle) -> Handle:
        return handle


class Deaf(GroupLog):
    """A consumer that never fetches anything."""

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        del max_records
        await asyncio.sleep(timeout_ms / 1000)
        return []


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.stdout.write(__doc__)
    else:
        vars(detector)["ModelThread"] = DeadlyModel
        vars(detector)["new_consumer"] = impatient
        if os.environ.get("COUNTING") == "off":
            vars(detector)["Attempts"] = Uncounted
        if os.environ.get("DEAF") == "on":
            vars(detector)["GroupLog"] = Deaf
        main("detector", detector.build)
