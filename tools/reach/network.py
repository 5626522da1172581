"""Compute which machines can reach which through security groups, routes and endpoints. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

INTERNET: Final = "internet"
S3: Final = "s3"
ANYWHERE: Final = IPv4Network("0.0.0.0/0")
_ALL_PORTS: Final = (0, 65535)

# (protocol, first port, last port); the protocol `any` covers every other.
Ports = frozenset[tuple[str, int, int]]
Matrix = dict[tuple[str, str], Ports]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group. Its peer is a network, a group or a prefix list (for S3)."""

    protocol: str
    first: int
    last: int
    network: IPv4Network | None = None
    group: str | None = None
    prefix_list: str | None = None

    @property
    def ports(self) -> tuple[str, int, int]:
        """The ports that the rule allows."""
        return (self.protocol, self.first, self.last)


@dataclass(frozen=True, slots=True)
class Group:
    """A security group."""

    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Subnet:
    """Where a subnet's route table leads. `internet` is an internet gateway, and `nat` a NAT
    gateway."""

    network: IPv4Network
    internet: bool = False
    nat: bool = False
    s3: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One kind of machine: `public` if it has a public address. `where` holds its own addresses, or
    its subnets if the addresses are unknown."""

    name: str
    groups: frozenset[str]
    subnets: tuple[str, ...]
    where: tuple[IPv4Network, ...]
    public: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """All parts of a VPC. `outside` names known networks outside it, for example Cloudflare's."""

    nodes: tuple[Node, ...]
    groups: Mapping[str, Group]
    subnets: Mapping[str, Subnet]
    outside: Mapping[str, Sequence[IPv4Network]]


def matrix(network: Network) -> Matrix:
    """Return every possible (from, to) with its ports. An address that belongs to no known
    network outside counts as `internet`."""
    found: Matrix = {}
    for node in network.nodes:
        for name in (*network.outside, INTERNET):
            _note(found, name, node.name, _from_outside(network, name, node))
            if name == INTERNET:
                _note(found, node.name, name, _to_internet(network, node))
        _note(found, node.name, S3, _to_s3(network, node))
        for other in network.nodes:
            _note(found, node.name, other.name, _between(network, node, other))
    return found


def lines(found: Matrix) -> list[str]:
    """Return the matrix as sorted text, one pair per line."""
    return sorted(
        f"{source} -> {target}: {', '.join(sorted(map(_words, ports)))}"
        for (source, target), ports in found.items()
    )


def _note(found: Matrix, source: str, target: str, ports: Ports) -> None:
    if ports and source != target:
        found[source, target] = found.get((source, target), frozenset()) | ports


def _from_outside(network: Network, name: str, node: Node) -> Ports:
    if not (node.public and any(network.subnets[one].internet for one in node.subnets)):
        return frozenset()
    rules = _rules(network, node, "ingress")
    return frozenset(r.ports for r in rules if r.network and _allows(network, r.network, name))


def _allows(network: Network, allowed: IPv4Network, name: str) -> bool:
    """Return whether a rule for `allowed` lets (any address of) `name` in."""
    if name != INTERNET:
        return any(allowed.overlaps(one) for one in network.outside[name])
    inside = [subnet.network for subnet in network.subnets.values()]
    known = [one for networks in network.outside.values() for one in networks]
    return not any(allowed.subnet_of(one) for one in (*known, *inside))


def _to_internet(network: Network, node: Node) -> Ports:
    ways = [network.subnets[one] for one in node.subnets]
    if not any(way.nat or (way.internet and node.public) for way in ways):
        return frozenset()
    rules = _rules(network, node, "egress")
    return frozenset(r.ports for r in rules if r.network and not r.network.is_private)


def _to_s3(network: Network, node: Node) -> Ports:
    if not any(network.subnets[one].s3 for one in node.subnets):
        return frozenset()
    wide = [r for r in _rules(network, node, "egress") if r.prefix_list or r.network == ANYWHERE]
    return _both([r.ports for r in wide], [("tcp", 443, 443)])


def _between(network: Network, source: Node, target: Node) -> Ports:
    leaving = [r.ports for r in _rules(network, source, "egress") if _names(r, target)]
    entering = [r.ports for r in _rules(network, target, "ingress") if _names(r, source)]
    return _both(leaving, entering)


def _names(rule: Rule, peer: Node) -> bool:
    if rule.group is not None:
        return rule.group in peer.groups
    network = rule.network
    return network is not None and any(network.overlaps(one) for one in peer.where)


def _rules(network: Network, node: Node, way: str) -> Iterator[Rule]:
    for group in node.groups:
        yield from getattr(network.groups[group], way)


def _both(
    left: Iterable[tuple[str, int, int]], right: Iterable[tuple[str, int, int]]
) -> frozenset[tuple[str, int, int]]:
    """Return the ports that both sides allow."""
    pairs = [(one, other) for one in left for other in right]
    found = set()
    for (one, first, last), (other, low, high) in pairs:
        if (one == other or "any" in (one, other)) and max(first, low) <= min(last, high):
            protocol = other if one == "any" else one
            found.add((protocol, max(first, low), min(last, high)))
    return frozenset(found)


def _words(ports: tuple[str, int, int]) -> str:
    protocol, first, last = ports
    if (first, last) == _ALL_PORTS:
        return f"{protocol}/all"
    return f"{protocol}/{first}" if first == last else f"{protocol}/{first}-{last}"
