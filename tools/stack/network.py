"""The address that the stack opens to the local network (`make run LAN=1` or HOST=ADDRESS).

`make` passes HOST on as LAN_HOST, and only from its command line, because some shells export their
own HOST.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from parking.runtime.settings import Reader

_ELSEWHERE: Final = ("192.0.2.1", 9)  # a documentation address; nothing is sent to it
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Lan:
    """Where the three doors are: the page and API, MQTT, and ingest, all with TLS. `name` is this
    machine's multicast DNS name, or "" if it has none. `others` holds its other addresses."""

    address: str
    name: str = ""
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the certificate covers."""
        return tuple(filter(None, (self.address, self.name)))


def read_lan(env: Reader) -> Lan | None:
    """Read LAN and LAN_HOST. Returns None if neither is set. Adds a problem for an unsafe
    address."""
    wanted = env.flag("LAN", False)
    host = env.text("LAN_HOST", "")
    if not (wanted or host):
        return None
    own = own_addresses()
    address = host or default_address()
    problem = refusal(address, own) if address else _no_address(own)
    if problem:
        env.problems.append(problem)
    others = tuple(one for one in own if one != address and not _of(one).is_loopback)
    return Lan(address, local_name(socket.gethostname()), others)


def refusal(address: str, own: Mapping[str, str]) -> str:
    """Return why the stack must not open to this address, or "" if it may. `own` maps this
    machine's addresses to interfaces."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"HOST={address!r} is not an IPv4 address like 192.168.1.20"
    if parsed.version != 4:
        return f"HOST={address}: IPv6 is not supported here, choose an IPv4 address"
    if parsed.is_unspecified:
        return f"HOST={address} would open the stack to every network: choose one address"
    if address == "127.0.0.1":
        return "HOST=127.0.0.1 is this machine only, where the stack listens anyway: omit it"
    if parsed.is_global:
        return (
            f"HOST={address} is an address on the internet: this stack is for a local network. "
            "Run production as deploy/README.md says"
        )
    if not parsed.is_loopback and address not in own:
        known = ", ".join(sorted(own)) or "none"
        return f"HOST={address} is not an address of this machine; its addresses: {known}"
    return ""


def default_address() -> str:
    """Return the address that the default route uses, or "" without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def own_addresses() -> dict[str, str]:
    """Return this machine's IPv4 addresses, without 127.*, and the interface of each."""
    return {
        one.address: interface
        for interface, addresses in psutil.net_if_addrs().items()
        for one in addresses
        if one.family == socket.AF_INET and not _of(one.address).is_loopback
    }


def local_name(hostname: str) -> str:
    """Return the name in multicast DNS, or "" if the host's name cannot be one."""
    first = hostname.split(".")[0].lower()
    return f"{first}.local" if _NAME.fullmatch(first) and first != "localhost" else ""


def remember(file: Path, lan: Lan | None) -> None:
    """Store the running stack's address for `env` in other terminals."""
    file.unlink(missing_ok=True)
    if lan is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{lan.address}\n{lan.name}\n", "utf-8")


def remembered(file: Path) -> Lan | None:
    """Return the address of the stack that runs here, or None if it is open only to this
    machine."""
    try:
        address, name = file.read_text("utf-8").split("\n")[:2]
    except (FileNotFoundError, ValueError):
        return None
    return Lan(address, name)


def _of(address: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(address)


def _no_address(own: Mapping[str, str]) -> str:
    if not own:
        return "LAN=1: this machine has no address on a network"
    listed = ", ".join(f"{address} ({interface})" for address, interface in sorted(own.items()))
    return f"LAN=1: there is no default route; choose an address with HOST=...: {listed}"
