"""Which pages may open a WebSocket here, and which may change something with the cookie. Pure.

Browsers let any page open a WebSocket to any server, and leave it to the server to check the
Origin. Programs send no Origin. A page counts as our own if Origin and Host agree, but only under a
name that nobody else can point at this server: an address, localhost, or a local network name. A
public name must be set (CORS_ORIGINS), otherwise any site whose name somebody points at this
computer would count as ours. The setting also works behind a proxy that changes or strips the port.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from parking.runtime.hosts import is_safe_from_rebinding

_PORTS: Final = {"http": 80, "https": 443}
_FOREIGN: Final = (
    "only the page at this server's own address may send this; behind a proxy, add that address to"
    " CORS_ORIGINS"
)
_OTHER_SITE: Final = (
    "signing in does not work from this page's address: browsers do not send the cookie of a"
    " sign-in to another site. Open the page under the same domain as the server"
    " (app.example.org and api.example.org)"
)


@dataclass(frozen=True, slots=True)
class SentBy:
    """What a browser says about the page that sends a request: the headers Origin and
    Sec-Fetch-Site (not sent over plain HTTP), and the Host to which the request is sent."""

    origin: str | None
    fetch_site: str | None
    host: str


def may_read(origin: str | None, host: str, named: Collection[str]) -> bool:
    """Return whether a page of this Origin may read. `host` is the request's Host header."""
    if origin is None or (own := _normal(origin)) is None:
        return origin is None
    if _is_named(own, named):
        return True
    scheme = own[0]
    return is_safe_from_rebinding(own[1]) and own == _normal(f"{scheme}://{host}")


def refusal_of_change(sent_by: SentBy, named: Collection[str]) -> str:
    """Return why this page may not change anything with the cookie, or "" if it may.

    A page at another origin of the same site (app.example.org and api.example.org) may if it is
    named. The cookie alone does not prove that, because browsers send it for every page of the
    site. The cookie is never sent from another site.
    """
    origin, fetched = sent_by.origin, sent_by.fetch_site
    is_named = origin is not None and _is_named(_normal(origin), named)
    if fetched == "same-site":
        return "" if is_named else _FOREIGN
    if fetched not in (None, "same-origin"):
        return _OTHER_SITE if is_named else _FOREIGN
    proven = origin is not None or fetched is not None
    return "" if proven and may_read(origin, sent_by.host, named) else _FOREIGN


def _is_named(own: tuple[str, str, int] | None, named: Collection[str]) -> bool:
    return own is not None and own in {_normal(one) for one in named}


def _normal(origin: str) -> tuple[str, str, int] | None:
    """Return (scheme, host, port), or None if it is not a web origin."""
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
