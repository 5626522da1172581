"""services.detector with its guarantee switched off: it commits before it works.

The chaos test's negative control. Everything but the order of the loop is the real service.
"""

import asyncio
import sys

from parking.ops import main
from parking.ports import Clock, Consumer, Producer
from parking.runner import Handle, Polling, next_offsets
from services.detector import __main__ as detector


async def commit_first(
    consumer: Consumer,
    handle: Handle,
    producer: Producer,
    clock: Clock,
    stop: asyncio.Event,
    polling: Polling,
) -> None:
    """parking.runner.run, with the commit in the wrong place."""
    del clock
    while not stop.is_set():
        records = await consumer.getmany(polling.timeout_ms, polling.max_records)
        if records:
            await consumer.commit(next_offsets(records))
            await producer.send(await handle(records))


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.stdout.write(__doc__)
    else:
        vars(detector)["run"] = commit_first
        main("detector", detector.build)
