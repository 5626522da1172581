"""Publish a layout only if the version in force is the one that its author saw: ETag and
If-Match."""

import re
from typing import Annotated, Final

from fastapi import Header

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished
from services.notifier.api.web import ApiError
from services.notifier.feed import Feed
from services.notifier.readiness import ready_state
from services.notifier.state import LiveState

_VERSION: Final = re.compile(r'"?(\d{1,15})"?')
IfMatch = Annotated[
    str | None,
    Header(
        description="the version that this layout replaces, as in the ETag of GET; "
        '"0": the camera has no layout yet. Another version in force: 412, and no write'
    ),
]


def etag(layout: LayoutPublished) -> str:
    """Return a camera's layout as an ETag, which is its version."""
    return f'"{layout.version}"'


def expected_version(if_match: str | None) -> int | None:
    """Return the version that the client saw, or None if it sent none or accepts any. Raises
    Invalid."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if not found:
        raise Invalid("bad-if-match", f'If-Match is not a version like "3": {if_match[:40]!r}')
    return int(found[1])


def require_site(feed: Feed, site_id: str) -> LiveState:
    """Return the state, which must have this site. Raises ApiError 404, Retryable."""
    state = ready_state(feed)
    if site_id not in state.site_ids():
        raise ApiError(404, "no-site", f"there is no site {site_id!r}")
    return state


def require_version(state: LiveState, camera_id: str, expected: int | None) -> None:
    """Raises ApiError 412 when a version other than the expected one is in force."""
    layout = state.layouts.get(camera_id)
    version = layout.version if layout else 0
    if expected is not None and version != expected:
        detail = (
            f"version {version} of the layout of {camera_id} is in force, not {expected}: "
            f"somebody else published in the meantime; read that version, then publish again"
        )
        raise ApiError(412, "layout-changed", detail)
