"""A gateway for measurements, in a separate process: the notifier's, a textbook one, or a raw one.

Each serves one site with a given number of slots. Changes begin with SIGUSR1, or at once. The
textbook one follows the documentation of sse-starlette: a queue for each client, each message
encoded for it. The raw one is the lower bound: asyncio, one write per client, no queue, no limit.
"""

import argparse
import asyncio
import json
import resource
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from sse_starlette.sse import EventSourceResponse
from starlette.types import ASGIApp

from parking.access.keys import KeyFile
from parking.core.events import Cause, LayoutPublished, LayoutSlot, SlotChanged, Zone
from parking.core.topics import LAYOUTS, SLOT_CHANGES
from parking.runtime.connections import ConnectionLimits
from parking.runtime.giveback import give_back
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
_CONNECTIONS: Final = ConnectionLimits(total=20_000, each=20_000)
_LIMITS: Final = Limits(clients=20_000, clients_each=20_000, clients_kept=0)


@dataclass(frozen=True, slots=True)
class Load:
    """One site's slots and changes per second. With `waits`, the changes begin at SIGUSR1. With
    `keeps`, ours gives no memory back."""

    slots: int
    per_s: float
    waits: bool = False
    keeps: bool = False


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


def _change(number: int, slots: int, time_ms: int) -> SlotChanged:
    return SlotChanged(
        id=f"{SITE}-{number}",
        site_id=SITE,
        time_ms=time_ms,
        slot_id=f"S{number % slots}",
        zone_id="A",
        from_state="free",
        to_state="occupied",
        version=number,
        confidence=0.9,
        reason="observed",
        cause=Cause(kind="frame", id=f"{SITE}/north/1/{number}"),
    )


def _pace(load: Load, publish: Any) -> Loop:
    """Publish each change at its time. A busy gateway gets those that it delayed at once, and each
    carries the time at which it was due, so that the delay counts."""
    begin = asyncio.Event()

    async def loop(stop: asyncio.Event) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, begin.set)
        if load.waits:
            await begin.wait()
        number, began_s = 0, time.time()
        while not stop.is_set():
            due = int((time.time() - began_s) * load.per_s)
            while number < due:
                number += 1
                due_s = began_s + number / load.per_s
                publish(_change(number, load.slots, int(due_s * 1000)))
            next_s = began_s + (number + 1) / load.per_s
            await asyncio.sleep(max(0.0, next_s - time.time()))

    return loop


def ours(load: Load, http: HttpSettings) -> dict[str, Loop]:
    """The notifier, backed by memory instead of Kafka."""
    broker, clock, health = MemoryBroker(), SystemClock(), Health()
    broker.append(codec.outgoing(_layout(load.slots), LAYOUTS, f"{SITE}/north", "bench"))
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

    loops: dict[str, Loop] = {
        "http": http_loop(make_app(parts, (), Path("dashboard")), http),
        "log": follow,
        "pictures": pictures.run,
        "pace": _pace(load, publish),
    }
    if not load.keeps:
        loops["memory"] = partial(give_back, moved=lambda: feed.moved)
    return loops


def textbook(load: Load, http: HttpSettings) -> dict[str, Loop]:
    """The obvious first implementation."""
    app, queues = FastAPI(), set[asyncio.Queue[SlotChanged]]()
    state = json.loads(codec.to_json(_layout(load.slots)))

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

    return {"http": _plain(app, http), "pace": _pace(load, publish)}


def raw(load: Load, http: HttpSettings) -> dict[str, Loop]:
    """The least that a gateway can do: write the same bytes to every client."""
    writers = set[asyncio.StreamWriter]()
    snapshot = b"event: snapshot\ndata: %s\n\n" % codec.to_json(_layout(load.slots))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b"/readyz" in asked:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + snapshot)
            writers.add(writer)
            with suppress(ConnectionResetError):
                await reader.read()  # until the client is gone
            writers.discard(writer)
        writer.close()

    async def listen(stop: asyncio.Event) -> None:
        await asyncio.start_server(answer, http.host, http.port, backlog=2_048)
        await stop.wait()

    def publish(change: SlotChanged) -> None:
        message = b"event: slot-change\ndata: %s\n\n" % codec.to_json(change)
        for writer in writers:
            writer.write(message)

    return {"http": listen, "pace": _pace(load, publish)}


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


GATEWAYS: Final = {"ours": ours, "textbook": textbook, "raw": raw}


def allow_many_files() -> None:
    """Raise this process's limit of open files, because each connection needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.gateway", description=__doc__)
    parser.add_argument("gateway", choices=sorted(GATEWAYS))
    parser.add_argument("port", type=int)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--per-s", type=float, default=20.0)
    parser.add_argument("--wait", action="store_true", help="send no changes before SIGUSR1")
    parser.add_argument("--keep-memory", action="store_true", help="ours gives none back")
    given = parser.parse_args()
    allow_many_files()
    http = HttpSettings("127.0.0.1", given.port, connections=_CONNECTIONS)
    load = Load(given.slots, given.per_s, given.wait, given.keep_memory)
    asyncio.run(serve(GATEWAYS[given.gateway](load, http)))


if __name__ == "__main__":
    main()
