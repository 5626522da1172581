"""The routes that read the live state, from memory."""

from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from parking.core.errors import Retryable
from parking.core.events import LayoutPublished, SlotChanged
from parking.core.ids import NAME, PART
from parking.vision.relocation import LayoutProposal
from services.notifier.api.auth import sender
from services.notifier.api.preconditions import etag
from services.notifier.api.web import ApiError, errors, json_response, returns
from services.notifier.feed import Feed
from services.notifier.pictures import Pictures
from services.notifier.readiness import ready_state
from services.notifier.refusals import NotFound
from services.notifier.views import CameraView, SiteSummary, SiteView, SlotView

_STATES: Final = "^(free|occupied|unknown|closed)$"

Site = Annotated[str | None, Query(pattern=PART)]
Slot = Annotated[str | None, Query(pattern=NAME)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def read_routes(feed: Feed, pictures: Pictures) -> APIRouter:
    """Return the routes for the live state."""
    router = APIRouter()
    _site_routes(router, feed)
    _camera_routes(router, feed, pictures)

    @router.get(
        "/api/changes",
        tags=["live"],
        summary="List the latest slot changes, newest first",
        responses=returns(list[SlotChanged], "At most a few thousand changes, from memory"),
    )
    async def changes(site: Site = None, limit: Limit = 50) -> Response:
        ready_state(feed)
        return json_response(feed.ring.latest(limit, site))

    return router


def _site_routes(router: APIRouter, feed: Feed) -> None:
    @router.get(
        "/api/sites",
        tags=["sites"],
        summary="Get the counts of every site",
        description="Only the sites that the sender may see are included.",
        responses=returns(list[SiteSummary], "Sorted by site_id"),
    )
    async def sites(request: Request) -> Response:
        state, own = ready_state(feed), sender(request).sites
        seen = [site for site in state.site_ids() if own is None or site in own]
        return json_response([state.summary(site) for site in seen])

    @router.get(
        "/api/sites/{site}",
        tags=["sites"],
        summary="Get a site with its slots",
        responses=returns(SiteView, "The current state") | errors(404),
    )
    async def one_site(site: str) -> Response:
        view = ready_state(feed).site_view(site)
        if view is None:
            raise ApiError(404, "no-site", f"there is no site {site!r}")
        return json_response(view)

    @router.get(
        "/api/slots",
        tags=["slots"],
        summary="Get the current state of all slots",
        responses=returns(list[SlotView], "Sorted by site and slot"),
    )
    async def slots(
        site: Site = None,
        zone: Slot = None,
        slot_state: Annotated[str | None, Query(alias="state", pattern=_STATES)] = None,
    ) -> Response:
        state = ready_state(feed)
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
        summary="List cameras and their status",
        responses=returns(list[CameraView], "Sorted by camera_id"),
    )
    async def cameras(site: Site = None) -> Response:
        return json_response(ready_state(feed).camera_views(site))

    @router.get(
        "/api/cameras/{site}/{device}",
        tags=["cameras"],
        summary="Get a camera and its status",
        responses=returns(CameraView, "The current state") | errors(404),
    )
    async def camera(site: str, device: str) -> Response:
        state, camera_id = ready_state(feed), f"{site}/{device}"
        if camera_id in state.layouts and not state.knows_size(camera_id):
            with suppress(NotFound, Retryable):  # without a picture the rest is still valid
                await pictures.latest(camera_id)
        view = state.camera_view(camera_id)
        if view is None:
            raise ApiError(404, "no-camera", f"there is no camera {f'{site}/{device}'!r}")
        return json_response(view)

    @router.get(
        "/api/cameras/{site}/{device}/layout",
        tags=["cameras"],
        summary="Get the camera's layout",
        responses=returns(LayoutPublished, "The version in force") | errors(404),
    )
    async def get_layout(site: str, device: str) -> Response:
        layout = ready_state(feed).layouts.get(f"{site}/{device}")
        if layout is None:
            raise ApiError(404, "no-layout", f"{f'{site}/{device}'!r} has no layout yet")
        return json_response(layout, headers={"ETag": etag(layout)})

    @router.get(
        "/api/cameras/{site}/{device}/layout/proposal",
        tags=["cameras"],
        summary="Propose a layout that fits again after the camera was moved",
        description=(
            "It is never applied automatically. To accept it, PUT its `layout` as the "
            "camera's next one."
        ),
        responses=returns(LayoutProposal, "The proposal, computed from the camera's newest picture")
        | errors(404),
    )
    async def get_proposal(site: str, device: str) -> Response:
        layout = ready_state(feed).layouts.get(f"{site}/{device}")
        if layout is None:
            raise ApiError(404, "no-layout", f"{f'{site}/{device}'!r} has no layout yet")
        return json_response(await pictures.proposal(layout))
