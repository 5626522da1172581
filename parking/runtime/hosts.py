"""Which Host headers our servers accept. Pure.

A browser sends the name in its address bar. Anybody can point their own public name at this
computer (DNS rebinding), and the browser then treats their page as ours. So only names that nobody
else can use that way are accepted by default. Others must be set (ALLOWED_HOSTS).
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Final

_LOCAL: Final = ("localhost", "local", "lan", "internal", "home.arpa")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_WITH_PORT: Final = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?")


def is_host(name: str) -> bool:
    """Whether this can be a host name or an IPv4 address, without a port."""
    return len(name) <= 253 and _HOST.fullmatch(name) is not None


def is_safe_from_rebinding(host: str) -> bool:
    """Whether nobody else can make this name resolve to this computer: an address, localhost, a
    name without a dot, or a local network name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL))
    return True


def is_loopback(host: str) -> bool:
    """Whether the name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_allowed(header: str, named: Collection[str]) -> bool:
    """Whether a request with this Host header is accepted. HTTP/1.0 requires no Host header, but
    browsers always send one."""
    if not header:
        return True
    match = _WITH_PORT.fullmatch(header.strip().lower())
    if match is None:
        return False
    host = match["host"].strip("[]").removesuffix(".")
    return is_safe_from_rebinding(host) or host in named
