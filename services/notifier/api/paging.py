"""Lists in pages, newest first.

A page's `Link: <...>; rel="next"` is the address of the next, older page. If it is missing, there
is no further page. The cursor is the position of the page's last row, so rows added meanwhile
neither shift the next page nor repeat rows in it.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from services.notifier.api.web import ApiError, Responses, json_response, returns

LATEST_MS: Final = 2**53
Cursor = Annotated[
    str | None,
    Query(
        max_length=600,
        description="from the `Link` of the previous page; keep its other parameters",
    ),
]


class PageEnd(msgspec.Struct, frozen=True, array_like=True):
    """The position of a page's last row."""

    time_ms: Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
    version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    id: Annotated[str, msgspec.Meta(max_length=300)]


def pages(type_: Any, description: str) -> Responses:
    """Return the responses of a route that answers with `page`."""
    responses = returns(type_, description)
    link = {
        "description": '<...>; rel="next", when there may be older ones',
        "schema": {"type": "string"},
    }
    responses[200]["headers"] = {"Link": link}
    return responses


def place_after(cursor: str | None) -> PageEnd | None:
    """Return the position after which a page begins, or None for the first page. Raises ApiError
    422."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=PageEnd)
        if "\0" in place.id:
            raise ValueError("no id")
    except (ValueError, msgspec.MsgspecError) as error:
        detail = "cursor: take it unchanged from the Link header of the previous page"
        raise ApiError(422, "bad-cursor", detail) from error
    return place


def page(request: Request, rows: Sequence[object], end: PageEnd | None) -> Response:
    """Return the rows, with the address of the next page. `end` is the last row's position; None
    means that no more rows can follow."""
    if end is None:
        return json_response(rows)
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(end)).decode().rstrip("=")
    url = request.url.include_query_params(cursor=cursor)
    return json_response(rows, headers={"Link": f'<{url.path}?{url.query}>; rel="next"'})
