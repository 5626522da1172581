"""What anybody may read without a key: the counts of public sites, and the page that shows them.

The page polls, because 10,000 phones with an event stream each would hold 10,000 connections and be
sent every change. A poll needs no connection between two requests, costs only a 304 if nothing has
changed, and can be answered by any cache in front (`max-age`). The response is encoded once per
change.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Header
from fastapi.responses import FileResponse, HTMLResponse, Response

from parking.core.ids import PART
from services.notifier.api.dashboard import ASK_AGAIN, NOT_BUILT
from services.notifier.api.web import ApiError, errors, json_response, returns
from services.notifier.feed import Feed
from services.notifier.publicview import PublicSite
from services.notifier.readiness import ready_state

# Less than the page's polling interval of 5 s, so that each poll brings news.
CACHE_CONTROL: Final = "public, max-age=2"
_json: Final = msgspec.json.Encoder()


class _Encoded(NamedTuple):
    view: PublicSite
    body: bytes
    etag: str


class _Encodings:
    """Each public site's answer, encoded once per view."""

    def __init__(self) -> None:
        self._known: dict[str, _Encoded] = {}

    def of(self, site_id: str, view: PublicSite) -> _Encoded:
        """Return the view as JSON, with its ETag."""
        known = self._known.get(site_id)
        if known is None or known.view is not view:
            body = _json.encode(view)
            etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            known = self._known[site_id] = _Encoded(view, body, etag)
        return known


def public_routes(feed: Feed, dashboard_dir: Path) -> APIRouter:
    """Return the routes for the counts, and for the driver view at `/p/{site}` (`/p/{site}/wall`
    for a display)."""
    router = APIRouter()
    _counts(router, feed)
    _pages(router, feed, dashboard_dir / "driver" / "index.html", dashboard_dir / "p" / "sw.js")
    return router


def _counts(router: APIRouter, feed: Feed) -> None:
    encodings = _Encodings()

    @router.get(
        "/api/public/{site}",
        tags=["sites"],
        summary="Get the free spaces of a public site, without a key",
        description=(
            "Poll it with If-None-Match. The header Date is the server's time, so the age "
            "of the counts is Date - `observed_at_ms`. A site that is not public gets the "
            "same response as one that does not exist."
        ),
        responses=returns(PublicSite, "Counts by zone and kind, and their age")
        | {304: {"description": "Nothing has changed since that ETag"}}
        | errors(404),
    )
    async def public_site(
        site: str, if_none_match: Annotated[str | None, Header()] = None
    ) -> Response:
        view = _public(feed, site)
        answer = encodings.of(site, view)
        headers = {"ETag": answer.etag, "Cache-Control": CACHE_CONTROL}
        if _names(if_none_match, answer.etag):
            return Response(None, 304, headers)
        return Response(answer.body, 200, headers, "application/json")


def _public(feed: Feed, site: str) -> PublicSite:
    """Return the view of a public site. Raises ApiError 404, Retryable."""
    view = ready_state(feed).public_site(site)
    if view is None:
        raise ApiError(404, "not-public", f"there is no public site {site[:100]!r}")
    return view


def _names(if_none_match: str | None, etag: str) -> bool:
    """Return whether the header names the ETag, which a compressing cache may have weakened."""
    given = (one.strip().removeprefix("W/") for one in (if_none_match or "").split(","))
    return any(one in ("*", etag) for one in given)


def _pages(router: APIRouter, feed: Feed, shell: Path, worker: Path) -> None:
    @router.get("/p/sw.js", include_in_schema=False)
    async def service_worker() -> Response:
        return _built(worker)

    @router.get("/p/{site}/app.webmanifest", include_in_schema=False)
    async def manifest(site: str) -> Response:
        view = _public(feed, site)
        headers = {"Cache-Control": ASK_AGAIN, "Content-Type": "application/manifest+json"}
        return json_response(_manifest(site, view.name), headers=headers)

    @router.get("/p/{site}", include_in_schema=False)
    @router.get("/p/{site}/", include_in_schema=False)
    @router.get("/p/{site}/wall", include_in_schema=False)
    async def page(site: str) -> Response:
        """Return the same page for every site, with status 404 if the site is not public, which the
        page then explains. While the state is still being read, the page waits for it."""
        hidden = feed.ready and feed.state.public_site(site) is None
        status = 404 if hidden or not re.fullmatch(PART, site) else 200
        return _built(shell, status)


def _built(file: Path, status: int = 200) -> Response:
    """Return a file of the built dashboard; its name does not change with its content."""
    headers = {"Cache-Control": ASK_AGAIN}
    if not file.is_file():
        return HTMLResponse(NOT_BUILT, 404, headers=headers)
    return FileResponse(file, status, headers=headers)


def _manifest(site_id: str, name: str) -> dict[str, object]:
    """Return what a phone needs to install the page as an app."""
    icons = [
        {"src": "/favicon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
        {
            "src": "/app-icon.png",
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "any maskable",
        },
    ]
    return {
        "id": f"/p/{site_id}",
        "name": name,
        "short_name": name,
        "start_url": f"/p/{site_id}",
        "scope": f"/p/{site_id}",
        "display": "standalone",
        "background_color": "#f3f5f7",
        "theme_color": "#0b5cab",
        "icons": icons,
    }
