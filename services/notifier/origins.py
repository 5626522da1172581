"""Whose pages may open a WebSocket here. Pure.

Browsers let any page open one to anywhere, and leave it to the server to look at the Origin.
Programs send none. A page counts as our own where Origin and Host agree, but only under a name that
nobody else can point at us: an address, localhost, or a name of the local network. A public name
must be set (CORS_ORIGINS), or any site whose name somebody points at this computer would be ours;
that also works behind a proxy that changes or strips the port.
"""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_LOCAL: Final = ("localhost", "local", "lan", "internal", "home.arpa")


def may_read(origin: str | None, host: str, named: Collection[str]) -> bool:
    """Whether a page of this Origin may read. `host`: the request's Host header."""
    if origin is None or (own := _normal(origin)) is None:
        return origin is None
    if own in {_normal(one) for one in named}:
        return True
    scheme = own[0]
    return _is_local(own[1]) and own == _normal(f"{scheme}://{host}")


def _normal(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port); None for what is no web origin."""
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def _is_local(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL))
    return True
