"""services.detector, killed once in the middle of its work, with its guarantee on or off.

KILL_ONCE names a file. If it does not exist yet and KILL_AFTER frames have been handled, it is
created and the process dies as by kill -9 while it works on the next batch. ORDER=commit-first
switches the guarantee off. Everything except the order of the loop is the real service.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from parking.runtime import runner
from parking.runtime.ops import main
from parking.runtime.runner import Handle, Polling, next_offsets
from parking.wire.ports import Clock, Consumer, Outgoing, Producer, Record
from services.detector import __main__ as detector


def killed_once(handle: Handle, after: int, mark: Path) -> Handle:
    """Return `handle` with one death of the process in it."""
    handled = 0

    async def dying(records: Sequence[Record]) -> list[Outgoing]:
        nonlocal handled
        if handled >= after:
            die_once(mark)
        handled += len(records)
        return await handle(records)

    return dying


def die_once(mark: Path) -> None:
    """Die as by kill -9, unless the mark shows that this has already happened."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


async def commit_first(
    consumer: Consumer,
    handle: Handle,
    producer: Producer,
    clock: Clock,
    stop: asyncio.Event,
    polling: Polling,
) -> None:
    """Run parking.runtime.runner.run with the commit in the wrong place."""
    del clock
    while not stop.is_set():
        records = await consumer.getmany(polling.timeout_ms, polling.max_records)
        if records:
            await consumer.commit(next_offsets(records))
            await producer.send(await handle(records))


async def run(
    consumer: Consumer,
    handle: Handle,
    producer: Producer,
    clock: Clock,
    stop: asyncio.Event,
    polling: Polling,
) -> None:
    """Run the loop in the requested order."""
    loop = commit_first if os.environ["ORDER"] == "commit-first" else runner.run
    dying = killed_once(handle, int(os.environ["KILL_AFTER"]), Path(os.environ["KILL_ONCE"]))
    await loop(consumer, dying, producer, clock, stop, polling)


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.stdout.write(__doc__)
    else:
        vars(detector)["run"] = run
        main("detector", detector.build)
