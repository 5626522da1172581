"""The tracker, with a partition that never returns from a batch."""

import asyncio
from collections.abc import Sequence

from parking.runtime import ops
from parking.wire.ports import Record
from services.tracker.__main__ import build
from services.tracker.partition import Partition


async def _for_ever(self: Partition, records: Sequence[Record]) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    Partition.apply = _for_ever  # type: ignore[method-assign] # the fault to be noticed
    ops.main("tracker", build)
