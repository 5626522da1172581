"""A gateway for measurements, the notifier's own or a textbook one, in a separate process.

Both serve one site with a given number of slots and changes per second. The textbook one follows
the documentation of sse-starlette: each client has its own queue, and each message is encoded for
each client.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from sse_starlette.sse import EventSourceResponse
from starlette.types import ASGIApp

from parking.access.keys import KeyFile
from parking.core.events import Cause, LayoutPublished, LayoutSlot, SlotChanged, Zone
from parking.core.topics import LAYOUTS, SLOT_CHANGES
from parking.runtime.memory import MemoryBroker, MemoryProducer
from parking.runtime.ops import Health, HttpSettings, Loop, SystemClock, http_loop, serve
from parking.wire import codec
from services.notifier.adapters import MemoryLog
from services.notifier.api.app import Parts, make_app
from services.notifier.feed import Feed
from services.notifier.pictures import Pictures
from services.notifier.settings import Limits
from services.notifier.tail import follow_log

SITE: Final = "bench"
_SQUARE: Final = [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)]
_LIMITS: Final = Limits(clients=20_000, clients_each=20_000, clients_kept=0)


def _layout(slots: int) -> LayoutPublished:
    named = [LayoutSlot(slot_id=f"S{n}", zone_id="A", polygon=_SQUARE) for n in range(slots)]
    return LayoutPublished(
        id=f"{SITE}/north/layout/1",
        site_id=SITE,
        time_ms=time.time_ns() // 1_000_000,
        camera_id=f"{SITE}/north",
        version=1,
        site_name="Bench",
        camera_name="North",
        interval_ms=1000,
        zones=[Zone(zone_id="A", name="Row A")],
        slots=named,
    )


def _change(number: int, slots: int) -> SlotChanged:
    return SlotChanged(
        id=f"{SITE}-{number}",
        site_id=SITE,
        time_ms=time.time_ns() // 1_000_000,
        slot_id=f"S{number % slots}",
        zone_id="A",
        from_state="free",
        to_state="occupied",
        version=number,
        confidence=0.9,
        reason="observed",
        cause=Cause(kind="frame", id=f"{SITE}/north/1/{number}"),
    )


def _pace(slots: int, per_s: float, publish: Any) -> Loop:
    async def loop(stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            publish(_change(number, slots))
            await asyncio.sleep(1 / per_s)

    return loop


def ours(slots: int, per_s: float, http: HttpSettings) -> dict[str, Loop]:
    """Run the notifier with an in-memory source in place of Kafka."""
    broker, clock, health = MemoryBroker(), SystemClock(), Health()
    broker.append(codec.outgoing(_layout(slots), LAYOUTS, f"{SITE}/north", "bench"))
    log = MemoryLog(broker)
    feed = Feed(log, clock, _LIMITS)
    pictures = Pictures(log, feed, clock)
    parts = Parts(
        feed=feed,
        pictures=pictures,
        history=None,
        producer=MemoryProducer(broker),
        keys=KeyFile(Path("no-keys")),
        clock=clock,
        health=health,
    )

    async def follow(stop: asyncio.Event) -> None:
        await follow_log(stop, log_=log, feed=feed, health=health, clock=clock)

    def publish(change: SlotChanged) -> None:
        broker.append(codec.outgoing(change, SLOT_CHANGES, SITE, "bench"))

    return {
        "http": http_loop(make_app(parts, (), Path("dashboard")), http),
        "log": follow,
        "pictures": pictures.run,
        "pace": _pace(slots, per_s, publish),
    }


def textbook(slots: int, per_s: float, http: HttpSettings) -> dict[str, Loop]:
    """Run the obvious first implementation."""
    app, queues = FastAPI(), set[asyncio.Queue[SlotChanged]]()
    state = json.loads(codec.to_json(_layout(slots)))

    async def messages(queue: asyncio.Queue[SlotChanged]) -> AsyncIterator[dict[str, str]]:
        queues.add(queue)
        try:
            yield {"event": "snapshot", "data": json.dumps(state)}
            while True:
                change = await queue.get()
                yield {"event": "slot-change", "data": codec.to_json(change).decode()}
        finally:
            queues.discard(queue)

    @app.get("/api/events")
    async def events() -> EventSourceResponse:
        return EventSourceResponse(messages(asyncio.Queue(100_000)))

    @app.get("/readyz")
    async def ready() -> dict[str, bool]:
        return {"ok": True}

    def publish(change: SlotChanged) -> None:
        for queue in queues:
            queue.put_nowait(change)

    return {"http": _plain(app, http), "pace": _pace(slots, per_s, publish)}


def _plain(app: ASGIApp, http: HttpSettings) -> Loop:
    import uvicorn

    async def loop(stop: asyncio.Event) -> None:
        server = uvicorn.Server(
            uvicorn.Config(app, http.host, http.port, log_config=None, access_log=False)
        )
        task = asyncio.ensure_future(server._serve())  # noqa: SLF001 -- see parking/runtime/ops.py
        await stop.wait()
        server.force_exit = server.should_exit = True
        await task

    return loop


GATEWAYS: Final = {"ours": ours, "textbook": textbook}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.gateway", description=__doc__)
    parser.add_argument("gateway", choices=sorted(GATEWAYS))
    parser.add_argument("port", type=int)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--per-s", type=float, default=20.0)
    given = parser.parse_args()
    http = HttpSettings("127.0.0.1", given.port)
    asyncio.run(serve(GATEWAYS[given.gateway](given.slots, given.per_s, http)))


if __name__ == "__main__":
    main()
