"""Which addresses ingest may connect to: protection against requests to the wrong machine. Pure.

A camera's host name, or a redirect, may lead to the cloud's metadata service, to this machine's own
servers or to a neighbour's. So the address is checked where the connection is made, and exactly
that address is used, so a later lookup of the name does not matter.
"""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from parking.core.errors import Invalid
from parking.core.topics import site_of

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
    """The allowed networks. Those in `shared` are allowed except for addresses in `of_others`.
    Loopback, link-local, multicast and similar addresses are allowed only by a network inside their
    range (`0.0.0.0/0` is not), metadata services only as single addresses."""

    allowed: tuple[Network, ...]
    shared: tuple[Network, ...] = ()
    of_others: tuple[Network, ...] = ()

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
        if not self._allows(found):
            raise Forbidden(f"{found} is not in an allowed network: add it to CAMERAS_NETWORKS")

    def _allows(self, address: Address) -> bool:
        networks = self.allowed
        if not any(address in network for network in self.of_others):
            networks += self.shared
        return any(address in network and _meant(address, network) for network in networks)


@dataclass(frozen=True, slots=True)
class SiteNetworks:
    """CAMERAS_NETWORKS: networks for the cameras of every site (`shared`), and networks of single
    sites. An address in a network of single sites is only for those sites, even if a shared network
    contains it, so that the administrators of other sites cannot have their cameras polled."""

    shared: tuple[Network, ...]
    own: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, names: Sequence[str]) -> "SiteNetworks":
        """Parse `10.0.0.0/8` (every site), `north=10.1.0.0/16` (one site). Raises ValueError with
        the invalid one."""
        shared: list[Network] = []
        own: dict[str, tuple[Network, ...]] = {}
        for name in names:
            site_id, equals, network = (part.strip() for part in name.rpartition("="))
            if equals:
                own[_site(site_id)] = (*own.get(site_id, ()), ip_network(network))
            else:
                shared.append(ip_network(network))
        return cls(tuple(shared), own)

    def of(self, site_id: str) -> Networks:
        """Return the networks for the cameras of one site."""
        others = [network for site, all_ in self.own.items() if site != site_id for network in all_]
        return Networks(self.own.get(site_id, ()), self.shared, tuple(others))

    def of_all(self) -> Networks:
        """Return the networks of all sites, for commands of the operator."""
        return Networks((*self.shared, *(one for all_ in self.own.values() for one in all_)))


def _site(site_id: str) -> str:
    try:
        return site_of(f"{site_id}/camera")
    except Invalid:
        raise ValueError(f"{site_id[:100]!r} is not a site's id") from None


def _plain(address: Address) -> Address:
    """Return the IPv4 address for one that is written as IPv6 (`::ffff:127.0.0.1`)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _meant(address: Address, network: Network) -> bool:
    if address in _METADATA:
        return network.num_addresses == 1
    kinds = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")
    return all(getattr(network, kind) for kind in kinds if getattr(address, kind))
