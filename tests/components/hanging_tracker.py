"""The tracker's process over a faust that does not stop, as the real one at times does not. With
`crashed` as its argument it has crashed before. It needs no Kafka."""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

from parking import ops
from services.tracker import __main__ as tracker


class HangingApp:
    """What the tracker asks of faust.App."""

    def __init__(self, crashed: bool) -> None:
        self.should_stop = crashed
        self.crash_reason = OSError("the fetcher died") if crashed else None

    async def start(self) -> None: ...

    async def stop(self) -> None:
        await asyncio.Event().wait()


class Quiet:
    """Stands for the producer and for the timer: both do nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...

    async def start(self) -> None: ...

    async def turn(self) -> None: ...


async def at_once(*_: Any) -> None: ...


if __name__ == "__main__":
    app = HangingApp("crashed" in sys.argv)
    fakes = {
        "wait_for_topics": at_once,
        "new_app": lambda *_: (app, None),
        "consume": lambda *_: None,
        "FaustGroup": Quiet,
    }
    for name, value in {
        "adapters": SimpleNamespace(**fakes),
        "new_producer": Quiet,
        "Timer": Quiet,
        "_STOP_LIMIT_S": 0.2,
    }.items():
        setattr(tracker, name, value)
    ops.main("tracker", tracker.build)
