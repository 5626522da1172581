"""Print which machines can reach which in a VPC. Needs credentials that may describe EC2, RDS and
MSK."""

import argparse
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

import boto3

from tools.reach import aws, network

RANGES: Final = Path(__file__).resolve().parents[2] / "deploy" / "cloudflare" / "ranges.txt"


def cloudflare() -> tuple[IPv4Network, ...]:
    """Return Cloudflare's IPv4 ranges, from deploy/cloudflare/ranges.txt."""
    return tuple(map(IPv4Network, RANGES.read_text("utf-8").split()))


def main(arguments: list[str] | None = None) -> None:
    """Print the matrix, one pair per line."""
    parser = argparse.ArgumentParser(prog="python -m tools.reach", description=__doc__)
    parser.add_argument("vpc", help="vpc-...")
    parser.add_argument("--devices", type=IPv4Network, action="append", default=[], metavar="CIDR")
    parser.add_argument("--admin", type=IPv4Network, action="append", default=[], metavar="CIDR")
    options = parser.parse_args(arguments)
    outside = {"cloudflare": cloudflare(), "devices": options.devices, "admin": options.admin}
    clients: Any = boto3.client
    print("\n".join(network.lines(network.matrix(aws.read(clients, options.vpc, outside)))))


if __name__ == "__main__":
    main()
