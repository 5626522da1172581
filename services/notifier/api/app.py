"""Build the HTTP application."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from parking.access.bearer import Bearer
from parking.access.devices import Address, Devices
from parking.access.keys import KeyFile
from parking.access.oidc_sign_ins import OidcSignIns
from parking.access.plates import Plates
from parking.access.sign_ins import SignIns
from parking.core.events import (
    CameraStatusChanged,
    LayoutPublished,
    SessionChanged,
    SlotChanged,
)
from parking.runtime.ops import Health
from parking.vision.relocation import LayoutProposal
from parking.wire.camera_sources import (
    AskedCamera,
    CameraSource,
    FoundCamera,
    NewSource,
    StreamProfile,
)
from parking.wire.ports import Clock, Producer
from parking.wire.previews import SlotPreview
from services.notifier import accountviews, usageviews, views
from services.notifier.api import accountbodies, bodies
from services.notifier.api.commands import layout_body_schema
from services.notifier.api.contracts import contract_routes
from services.notifier.api.dashboard import dashboard_routes
from services.notifier.api.description import describe
from services.notifier.api.gate import RECHECK_S, Gate, Guard, Routes
from services.notifier.api.routes_accounts import account_routes
from services.notifier.api.routes_cameras import camera_routes
from services.notifier.api.routes_devices import Fleet, device_routes
from services.notifier.api.routes_end import end_routes
from services.notifier.api.routes_evidence import evidence_routes
from services.notifier.api.routes_history import history_routes
from services.notifier.api.routes_live import live_routes
from services.notifier.api.routes_moment import moment_routes
from services.notifier.api.routes_oidc import oidc_routes
from services.notifier.api.routes_plates import plate_routes
from services.notifier.api.routes_preview import PreviewWish, preview_routes
from services.notifier.api.routes_proposals import proposal_routes
from services.notifier.api.routes_public import public_routes
from services.notifier.api.routes_read import read_routes
from services.notifier.api.routes_sign_in import Entrance, sign_in_routes
from services.notifier.api.routes_slotfiles import DrawnSlots, slot_file_routes
from services.notifier.api.routes_stays import stay_routes
from services.notifier.api.routes_usage import usage_routes
from services.notifier.api.routes_versions import version_routes
from services.notifier.api.routes_write import Writer, write_routes
from services.notifier.api.web import Outermost, add_error_handlers
from services.notifier.cameras import PolledCameras
from services.notifier.evidence import Evidence
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.live import Live
from services.notifier.moments import Moments
from services.notifier.pictures import Pictures
from services.notifier.previews import Previews
from services.notifier.publicview import PublicSite
from services.notifier.slotproposals import SlotProposals

TAGS: Final = {
    "sites": "Lots in numbers",
    "slots": "Single slots",
    "cameras": "Cameras, their pictures and layouts",
    "devices": "Devices and their credentials",
    "sessions": "Vehicles' stays",
    "live": "Events, as they happen",
    "history": "History, from Postgres",
    "accounts": "Signing in, accounts and their roles",
}
DESCRIPTION: Final = """Paths begin with `/api/v1`; those without the version are aliases.

Live state of parking lots. Every write needs an API key with scope `write` (devices: `devices`; to
see plates: `plates`) as `Authorization: Bearer pk_...`, or the cookie of an account that may do it.
Reading needs scope `read` or an account where people have to sign in (SIGN_IN=required), else
nothing. Times are Unix milliseconds, UTC; coordinates in pictures are 0..1 from the top
left. Errors are `{"error", "detail"}`; `error` is short and stable."""
SHAPES: Final[list[Any]] = [
    LayoutProposal,
    SlotProposals,
    DrawnSlots,
    PreviewWish,
    SlotPreview,
    views.SlotFileView,
    PublicSite,
    views.SiteView,
    views.SiteSummary,
    views.SlotView,
    views.CameraView,
    views.Snapshot,
    views.SiteSessions,
    views.PastChange,
    views.Capture,
    views.LayoutVersion,
    usageviews.Occupancy,
    usageviews.Usage,
    usageviews.ChangePictures,
    usageviews.SiteMoment,
    views.PlatesRead,
    views.DeviceView,
    views.DeviceSecret,
    bodies.NewDevice,
    CameraSource,
    NewSource,
    FoundCamera,
    AskedCamera,
    StreamProfile,
    views.Accepted,
    views.LayoutAccepted,
    views.Error,
    accountbodies.Credentials,
    accountbodies.FirstAccount,
    accountbodies.OidcReturn,
    accountbodies.LinkUse,
    accountbodies.NewPassword,
    accountbodies.Invitation,
    accountbodies.NewRoles,
    accountviews.SignInState,
    accountviews.SignedIn,
    accountviews.OidcStart,
    accountviews.AccountView,
    accountviews.Link,
    accountviews.AuditEntry,
    bodies.Passage,
    bodies.Count,
    bodies.Reason,
    bodies.Renaming,
    bodies.CameraChange,
    bodies.SlotRenaming,
    bodies.Correction,
    bodies.PlateSearch,
    SlotChanged,
    CameraStatusChanged,
    SessionChanged,
    LayoutPublished,
]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts from which the application is built."""

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
    cameras: PolledCameras | None = None
    plates: Plates = field(default_factory=Plates)
    evidence: Evidence | None = None
    moments: Moments | None = None
    source_url: str = ""
    sign_ins: SignIns | None = None
    setup_code: str = ""
    secure_cookie: bool = False
    recheck_s: float = RECHECK_S
    oidc: OidcSignIns | None = None
    previews: Previews | None = None


def make_app(parts: Parts, cors_origins: Sequence[str], dashboard_dir: Path) -> Outermost:
    """Build the application that the server runs."""
    api = make_api(parts, cors_origins, dashboard_dir)
    return Outermost(api)


def make_api(parts: Parts, cors_origins: Sequence[str], dashboard_dir: Path) -> FastAPI:
    """The order of the routes is: the API, health and metrics, and the dashboard for all other
    paths."""
    app = FastAPI(
        title="Smart Parking",
        version="1",
        description=DESCRIPTION,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        docs_url=None,  # its page loads external scripts, which our CSP forbids
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name.strip("_"),
    )
    writer = Writer(
        feed=parts.feed,
        producer=parts.producer,
        clock=parts.clock,
        layout_lock=asyncio.Lock(),
        pictures=parts.pictures,
        plates=parts.plates,
    )
    entrance = Entrance(
        parts.sign_ins, parts.clock, parts.setup_code, parts.secure_cookie, parts.oidc
    )
    routers = [
        sign_in_routes(entrance),
        oidc_routes(entrance),
        account_routes(entrance),
        read_routes(parts.feed, parts.pictures),
        stay_routes(parts.feed),
        history_routes(parts.history),
        evidence_routes(parts.evidence),
        moment_routes(parts.moments),
        usage_routes(parts.feed, parts.history, parts.clock),
        proposal_routes(parts.feed, parts.history, parts.clock),
        slot_file_routes(),
        preview_routes(parts.pictures, parts.previews),
        version_routes(parts.history),
        live_routes(parts.feed, parts.pictures, parts.live, parts.keys, cors_origins),
        write_routes(writer),
        end_routes(writer),
        device_routes(Fleet(parts.devices, parts.address, parts.feed, parts.history)),
        camera_routes(parts.cameras, parts.pictures),
        plate_routes(parts.plates, parts.history, parts.feed),
        APIRouter(routes=[*parts.health.routes()]),
        contract_routes(),
        public_routes(parts.feed, dashboard_dir),
        dashboard_routes(dashboard_dir, parts.source_url),
    ]
    routes = [*app.routes, *(route for router in routers for route in router.routes)]
    for router in routers:
        app.include_router(router)
    add_error_handlers(app)
    describe(app, SHAPES, {"LayoutBody": layout_body_schema()})
    bearer = Bearer(parts.keys, parts.clock)
    guard = Guard(bearer, parts.clock, parts.sign_ins, cors_origins, parts.recheck_s)
    app.add_middleware(Gate, guard=guard, routes=Routes(routes))
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_credentials=True,  # the sign-in cookie, from pages of the same site
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "Last-Event-ID",
                "X-Requested-With",
            ],
            expose_headers=["ETag", "Link", "X-Frame-Offset", "X-Frame-Via"],
        )
    return app
