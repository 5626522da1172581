"""Serve the built page with one large site, for measurements: the notifier, backed by memory.

The site has a plan, several cameras, and changes at a steady rate from the start.
"""

import argparse
import asyncio
import itertools
import time
from pathlib import Path
from typing import Final

from parking.access.keys import KeyFile
from parking.core.events import (
    CameraStatusChanged,
    Cause,
    LayoutPublished,
    LayoutSlot,
    SlotChanged,
    SlotState,
    Zone,
)
from parking.core.topics import CAMERA_STATUS, LAYOUTS, SLOT_CHANGES
from parking.runtime.memory import MemoryBroker, MemoryProducer
from parking.runtime.ops import Health, HttpSettings, Loop, SystemClock, http_loop, serve
from parking.wire import codec
from services.notifier.adapters import MemoryLog
from services.notifier.api.app import Parts, make_app
from services.notifier.feed import Feed
from services.notifier.pictures import Pictures
from services.notifier.settings import Limits
from services.notifier.tail import follow_log
from tools.stack.settings import ROOT

SITE: Final = "large"
DIST: Final = ROOT / "dashboard" / "dist"
_STATUS_S: Final = 5.0
_ROW: Final = 50
_ZONES: Final = 4


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.page_server", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--cameras", type=int, default=200)
    parser.add_argument("--per-s", type=float, default=50.0)
    given = parser.parse_args()
    http = HttpSettings("127.0.0.1", given.port)
    broker = MemoryBroker()
    for layout in layouts(given.slots, given.cameras):
        broker.append(codec.outgoing(layout, LAYOUTS, layout.camera_id, "bench"))
    asyncio.run(serve(loops(broker, http, given.slots, given.cameras, given.per_s)))


def loops(
    broker: MemoryBroker, http: HttpSettings, slots: int, cameras: int, per_s: float
) -> dict[str, Loop]:
    """Return the loops of the notifier, and those that write changes and status."""
    log, clock, health = MemoryLog(broker), SystemClock(), Health()
    feed = Feed(log, clock, Limits())
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

    return {
        "http": http_loop(make_app(parts, (), DIST), http),
        "log": follow,
        "pictures": pictures.run,
        "change": _changes(broker, slots, cameras, per_s),
        "report": _reports(broker, cameras),
    }


def _changes(broker: MemoryBroker, slots: int, cameras: int, per_s: float) -> Loop:
    async def loop(stop: asyncio.Event) -> None:
        due_s = time.monotonic()
        for number in itertools.count():
            if stop.is_set():
                return
            change = slot_change(number, slots, cameras)
            broker.append(codec.outgoing(change, SLOT_CHANGES, SITE, "bench"))
            if number >= slots:  # at first, every slot gets a state
                due_s += 1 / per_s
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    return loop


def _reports(broker: MemoryBroker, cameras: int) -> Loop:
    async def loop(stop: asyncio.Event) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            event = status(number % cameras, 1 + number // cameras)
            broker.append(codec.outgoing(event, CAMERA_STATUS, event.camera_id, "bench"))
            await asyncio.sleep(_STATUS_S / cameras)

    return loop


def layouts(slots: int, cameras: int) -> list[LayoutPublished]:
    """Return a layout for each camera. The plan has rows of 50 slots, in four zones."""
    drawn: list[list[LayoutSlot]] = [[] for _ in range(cameras)]
    for number in range(slots):
        drawn[number % cameras].append(_slot(number, slots, len(drawn[number % cameras])))
    zones = [Zone(zone_id=f"Z{n}", name=f"Level {n + 1}") for n in range(_ZONES)]
    return [
        LayoutPublished(
            id=f"{SITE}/{_camera(camera)}/layout/1",
            site_id=SITE,
            time_ms=_now_ms(),
            camera_id=f"{SITE}/{_camera(camera)}",
            version=1,
            site_name="Large lot",
            camera_name=f"Camera {camera + 1}",
            interval_ms=5_000,
            zones=zones,
            slots=some,
        )
        for camera, some in enumerate(drawn)
    ]


def slot_change(number: int, slots: int, cameras: int) -> SlotChanged:
    """Return the change with this number: each slot in turn becomes occupied, or free again."""
    slot, turn = number % slots, number // slots
    becomes_occupied = (slot + turn) % 2 == 1
    before: SlotState = "free" if becomes_occupied else "occupied"
    after: SlotState = "occupied" if becomes_occupied else "free"
    return SlotChanged(
        id=f"{SITE}-{number}",
        site_id=SITE,
        time_ms=_now_ms(),
        slot_id=f"S{slot + 1}",
        zone_id=_zone(slot, slots),
        from_state=before,
        to_state=after,
        version=turn + 1,
        confidence=0.9,
        reason="observed",
        cause=Cause(kind="frame", id=f"{SITE}/{_camera(slot % cameras)}/1/{number}"),
        camera_id=f"{SITE}/{_camera(slot % cameras)}",
    )


def status(camera: int, version: int) -> CameraStatusChanged:
    """Return a camera's status; every tenth camera is offline."""
    offline = camera % 10 == 9
    return CameraStatusChanged(
        id=f"{SITE}/{_camera(camera)}/status/{version}",
        site_id=SITE,
        time_ms=_now_ms(),
        camera_id=f"{SITE}/{_camera(camera)}",
        status="offline" if offline else "online",
        reason="silent" if offline else "ok",
        version=version,
        last_frame_at_ms=_now_ms() - (600_000 if offline else 0),
        interval_ms=5_000,
        layout_version=1,
    )


def _slot(number: int, slots: int, of_camera: int) -> LayoutSlot:
    row, column = divmod(number, _ROW)
    x, y = column * 2.5, -row * 8.0
    left, top = 0.02 + 0.19 * (of_camera % 5), 0.02 + 0.24 * (of_camera // 5 % 4)
    return LayoutSlot(
        slot_id=f"S{number + 1}",
        zone_id=_zone(number, slots),
        polygon=[(left, top), (left + 0.15, top), (left + 0.15, top + 0.2), (left, top + 0.2)],
        plan=[(x, y), (x + 2.4, y), (x + 2.4, y + 5), (x, y + 5)],
    )


def _zone(slot: int, slots: int) -> str:
    return f"Z{slot * _ZONES // slots}"


def _camera(number: int) -> str:
    return f"cam{number + 1}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main()
