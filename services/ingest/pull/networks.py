"""Which addresses ingest may connect to: protection against requests to the wrong machine. Pure.

A camera's host name, or a redirect, may lead to the cloud's metadata service, to this machine's own
servers or to a neighbour's. So the address is checked where the connection is made, and exactly
that address is used, so a later lookup of the name does not matter.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
# Addresses besides the link-local 169.254.169.254 at which clouds hand out credentials.
_METADATA: Final = frozenset(
    map(
        ip_address,
        ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)


class Forbidden(OSError):
    """Connecting to this address is not allowed. It is an OSError (EACCES), like any connection
    that fails."""

    def __init__(self, words: str) -> None:
        super().__init__(errno.EACCES, words)


@dataclass(frozen=True, slots=True)
class Networks:
    """The allowed networks. Loopback, link-local, multicast and similar addresses are allowed only
    by a network inside their range (`0.0.0.0/0` is not), metadata services only as single
    addresses."""

    allowed: tuple[Network, ...]

    @classmethod
    def parse(cls, names: Sequence[str]) -> "Networks":
        """Parse `10.0.0.0/8`, `192.168.1.20`, and so on. Raises ValueError with the invalid one."""
        return cls(tuple(ip_network(name.strip()) for name in names))

    def check(self, address: str) -> None:
        """Raises Forbidden, with an explanation for people, unless `address` (numeric) is
        allowed."""
        try:
            found = _plain(ip_address(address.partition("%")[0]))
        except ValueError:
            raise Forbidden(f"{address[:100]!r} is no address") from None
        if not any(found in network and _meant(found, network) for network in self.allowed):
            raise Forbidden(f"{found} is not in an allowed network: add it to CAMERAS_NETWORKS")


def _plain(address: Address) -> Address:
    """Return the IPv4 address for one that is written as IPv6 (`::ffff:127.0.0.1`)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _meant(address: Address, network: Network) -> bool:
    if address in _METADATA:
        return network.num_addresses == 1
    kinds = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")
    return all(getattr(network, kind) for kind in kinds if getattr(address, kind))
