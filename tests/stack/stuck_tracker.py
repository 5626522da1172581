"""The tracker, with an agent that never comes back from a record."""

import asyncio

from parking import ops
from parking.ports import Record
from services.tracker.__main__ import build
from services.tracker.tracker import Tracker


async def _for_ever(_: Tracker, record: Record) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    setattr(Tracker, "apply", _for_ever)  # noqa: B010 -- the fault to be noticed
    ops.main("tracker", build)
