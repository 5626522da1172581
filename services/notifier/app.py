"""The HTTP application, put together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from parking.devices import Address, Devices
from parking.events import (
    CameraStatusChanged,
    LayoutPublished,
    SessionChanged,
    SlotChanged,
)
from parking.keys import KeyFile
from parking.ops import Health
from parking.plates import Plates
from parking.ports import Clock, Producer
from parking.relocation import LayoutProposal
from services.notifier import bodies, views
from services.notifier.auth import Door
from services.notifier.commands import layout_body_schema
from services.notifier.dashboard import dashboard_routes
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.live import Live
from services.notifier.pictures import Pictures
from services.notifier.routes_devices import Fleet, device_routes
from services.notifier.routes_end import end_routes
from services.notifier.routes_history import history_routes
from services.notifier.routes_live import live_routes
from services.notifier.routes_plates import plate_routes
from services.notifier.routes_read import read_routes
from services.notifier.routes_write import Writer, write_routes
from services.notifier.web import Outermost, add_error_handlers, describe

TAGS: Final = {
    "sites": "Lots in numbers",
    "slots": "Single slots",
    "cameras": "Cameras, their pictures and layouts",
    "devices": "Devices, and what opens the broker to them",
    "sessions": "Vehicles' stays",
    "live": "What happens, as it happens",
    "history": "What happened, from Postgres",
}
DESCRIPTION: Final = """Live state of parking lots. Reading is open, but for devices and plates;
every write needs an API key with scope `write` (devices: `devices`; to see plates: `plates`) as
`Authorization: Bearer pk_...`. Times are Unix milliseconds, UTC; coordinates in pictures are 0..1
from the top left. Errors are `{"error", "detail"}`, `error` being short and stable."""
SHAPES: Final[list[Any]] = [
    LayoutProposal,
    views.SiteView,
    views.SiteSummary,
    views.SlotView,
    views.CameraView,
    views.Snapshot,
    views.SiteSessions,
    views.PastChange,
    views.Capture,
    views.PlatesRead,
    views.DeviceView,
    views.DeviceSecret,
    bodies.NewDevice,
    views.Accepted,
    views.LayoutAccepted,
    views.Error,
    bodies.Passage,
    bodies.Reason,
    bodies.Renaming,
    bodies.CameraChange,
    bodies.SlotRenaming,
    bodies.Correction,
    SlotChanged,
    CameraStatusChanged,
    SessionChanged,
    LayoutPublished,
]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of."""

    feed: Feed
    pictures: Pictures
    history: History | None
    producer: Producer
    keys: KeyFile
    clock: Clock
    health: Health
    devices: Devices | None = None
    address: Address | None = None
    live: Live | None = None
    plates: Plates = field(default_factory=Plates)


def make_app(parts: Parts, cors_origins: Sequence[str], dashboard_dir: Path) -> Outermost:
    """What the server runs."""
    return Outermost(make_api(parts, cors_origins, dashboard_dir))


def make_api(parts: Parts, cors_origins: Sequence[str], dashboard_dir: Path) -> FastAPI:
    """Routes in order: the API, health and metrics, and the dashboard for all other addresses."""
    app = FastAPI(
        title="Smart Parking",
        version="1",
        description=DESCRIPTION,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        docs_url=None,  # its page loads scripts from elsewhere, which our CSP forbids
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name.strip("_"),
    )
    door = Door(parts.keys, parts.clock)
    writer = Writer(
        feed=parts.feed,
        door=door,
        producer=parts.producer,
        clock=parts.clock,
        layout_lock=asyncio.Lock(),
        pictures=parts.pictures,
        plates=parts.plates,
    )
    app.include_router(read_routes(parts.feed, parts.pictures))
    app.include_router(history_routes(parts.history))
    app.include_router(live_routes(parts.feed, parts.pictures, parts.live, cors_origins))
    app.include_router(write_routes(writer))
    app.include_router(end_routes(writer))
    app.include_router(
        device_routes(Fleet(door, parts.devices, parts.address, parts.feed, parts.history))
    )
    app.include_router(plate_routes(door, parts.plates, parts.history))
    app.router.routes.extend(parts.health.routes())
    app.include_router(dashboard_routes(dashboard_dir))
    add_error_handlers(app)
    describe(app, SHAPES, {"LayoutBody": layout_body_schema()})
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Link"],
        )
    return app
