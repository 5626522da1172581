"""services.analytics as on a computer with too little processor time: faust's thread starts each
fetch `LATE_S` late, and going from the restored table to the inputs takes `PAUSE_S`."""

import asyncio
from typing import Any, Final

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from parking.runtime import ops
from services.analytics import adapters
from services.analytics.__main__ import build

LATE_S: Final = 0.5
PAUSE_S: Final = 3.0

_fetch = AIOKafkaConsumerThread._fetch_records  # noqa: SLF001 -- no public name


async def _fetch_late(self: AIOKafkaConsumerThread, *args: Any, **kwargs: Any) -> Any:
    await asyncio.sleep(LATE_S)
    return await _fetch(self, *args, **kwargs)


class SlowTable(adapters.StateTable):
    """The real table, but slow to continue after it was restored."""

    async def on_recovery_completed(self, *_: Any) -> None:
        """Wait."""
        await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    AIOKafkaConsumerThread._fetch_records = _fetch_late  # type: ignore[method-assign]  # noqa: SLF001
    adapters.StateTable = SlowTable  # type: ignore[misc]
    ops.main("analytics", build)
