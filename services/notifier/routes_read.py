"""The routes that read the live state, from memory."""

from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from parking.errors import Retryable
from parking.events import LayoutPublished, SessionChanged, SlotChanged
from parking.ids import NAME, PART
from parking.relocation import LayoutProposal
from services.notifier.feed import Feed
from services.notifier.pictures import Pictures
from services.notifier.state import LiveState
from services.notifier.views import CameraView, SiteSummary, SiteView, SlotView
from services.notifier.web import ApiError, errors, json_response, returns

_STATES: Final = "^(free|occupied|unknown|closed)$"

Site = Annotated[str | None, Query(pattern=PART)]
Slot = Annotated[str | None, Query(pattern=NAME)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def read_routes(feed: Feed, pictures: Pictures) -> APIRouter:
    """The live state."""
    router = APIRouter()
    _site_routes(router, feed)
    _camera_routes(router, feed, pictures)

    @router.get(
        "/api/changes",
        tags=["live"],
        summary="The last slot changes, newest first",
        responses=returns(list[SlotChanged], "From memory: a few thousand at most"),
    )
    async def changes(site: Site = None, limit: Limit = 50) -> Response:
        _ready(feed)
        return json_response(feed.ring.latest(limit, site))

    @router.get(
        "/api/sessions",
        tags=["sessions"],
        summary="Vehicles' stays, newest first: each as its last event",
        responses=returns(list[SessionChanged], "All open ones and the last thousand ended ones"),
    )
    async def sessions(
        site: Site = None,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
        limit: Limit = 100,
    ) -> Response:
        return json_response(_ready(feed).sessions(site, is_open)[:limit])

    return router


def _site_routes(router: APIRouter, feed: Feed) -> None:
    @router.get(
        "/api/sites",
        tags=["sites"],
        summary="Every site in numbers",
        responses=returns(list[SiteSummary], "By site_id"),
    )
    async def sites() -> Response:
        state = _ready(feed)
        return json_response([state.summary(site) for site in state.site_ids()])

    @router.get(
        "/api/sites/{site}",
        tags=["sites"],
        summary="A site with its slots",
        responses=returns(SiteView, "As it is now") | errors(404),
    )
    async def one_site(site: str) -> Response:
        view = _ready(feed).site_view(site)
        if view is None:
            raise ApiError(404, "no-site", f"there is no site {site!r}")
        return json_response(view)

    @router.get(
        "/api/slots",
        tags=["slots"],
        summary="Slots as they are now",
        responses=returns(list[SlotView], "By site and slot"),
    )
    async def slots(
        site: Site = None,
        zone: Slot = None,
        slot_state: Annotated[str | None, Query(alias="state", pattern=_STATES)] = None,
    ) -> Response:
        state = _ready(feed)
        views = [
            view
            for one in (state.site_ids() if site is None else [site])
            for view in state.slot_views(one)
            if zone in (None, view.zone_id) and slot_state in (None, view.state)
        ]
        return json_response(views)


def _camera_routes(router: APIRouter, feed: Feed, pictures: Pictures) -> None:
    @router.get(
        "/api/cameras",
        tags=["cameras"],
        summary="Cameras and how they are",
        responses=returns(list[CameraView], "By camera_id"),
    )
    async def cameras(site: Site = None) -> Response:
        return json_response(_ready(feed).camera_views(site))

    @router.get(
        "/api/cameras/{site}/{device}",
        tags=["cameras"],
        summary="A camera and how it is",
        responses=returns(CameraView, "As it is now") | errors(404),
    )
    async def camera(site: str, device: str) -> Response:
        state, camera_id = _ready(feed), f"{site}/{device}"
        if camera_id in state.layouts and not state.knows_size(camera_id):
            with suppress(ApiError, Retryable):  # without a picture the rest is still true
                await pictures.latest(camera_id)
        view = state.camera_view(camera_id)
        if view is None:
            raise ApiError(404, "no-camera", f"there is no camera {f'{site}/{device}'!r}")
        return json_response(view)

    @router.get(
        "/api/cameras/{site}/{device}/layout",
        tags=["cameras"],
        summary="The camera's layout",
        responses=returns(LayoutPublished, "The version in force") | errors(404),
    )
    async def get_layout(site: str, device: str) -> Response:
        held = _ready(feed).layouts.get(f"{site}/{device}")
        if held is None:
            raise ApiError(404, "no-layout", f"{f'{site}/{device}'!r} has no layout yet")
        return json_response(held)

    @router.get(
        "/api/cameras/{site}/{device}/layout/proposal",
        tags=["cameras"],
        summary="The layout moved along with a camera that was moved",
        description="Never applied by itself: PUT its `layout` as the camera's next one.",
        responses=returns(LayoutProposal, "By the camera's newest picture") | errors(404),
    )
    async def get_proposal(site: str, device: str) -> Response:
        held = _ready(feed).layouts.get(f"{site}/{device}")
        if held is None:
            raise ApiError(404, "no-layout", f"{f'{site}/{device}'!r} has no layout yet")
        return json_response(await pictures.proposal(held))


def _ready(feed: Feed) -> LiveState:
    if not feed.ready:
        raise Retryable("the current state is still being read from Kafka")
    return feed.state
