"""Read a VPC's network from AWS (EC2, RDS and MSK), using only describe calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

from tools.reach.network import Group, Network, Node, Rule, Subnet

Client = Callable[[str], Any]  # boto3's client function, which takes the service's name
_NAME_PREFIX: Final = "parking-"


def read(client: Client, vpc_id: str, outside: Mapping[str, Sequence[IPv4Network]]) -> Network:
    """Return the network of `vpc_id`. `outside` is as in Network. Machines are named by their Name
    tag. Raises botocore's errors."""
    ec2 = client("ec2")
    mine = [{"Name": "vpc-id", "Values": [vpc_id]}]
    groups = {
        one["GroupId"]: Group(
            tuple(_rules(one["IpPermissions"])), tuple(_rules(one["IpPermissionsEgress"]))
        )
        for one in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
    }
    subnets = _subnets(ec2, mine)
    nodes = [
        *_instances(ec2, mine),
        *_databases(client("rds"), subnets),
        *_brokers(client("kafka"), subnets),
        *_endpoints(ec2, mine, subnets),
    ]
    return Network(tuple(nodes), groups, subnets, outside)


def _rules(permissions: Sequence[Mapping[str, Any]]) -> Iterator[Rule]:
    for one in permissions:
        protocol = "any" if one["IpProtocol"] == "-1" else str(one["IpProtocol"])
        first, last = one.get("FromPort", 0), one.get("ToPort", 65535)
        first, last = (0, 65535) if first == -1 or protocol == "any" else (first, last)
        for peer in one.get("IpRanges", ()):
            yield Rule(protocol, first, last, network=IPv4Network(peer["CidrIp"]))
        for peer in one.get("UserIdGroupPairs", ()):
            yield Rule(protocol, first, last, group=peer["GroupId"])
        for peer in one.get("PrefixListIds", ()):
            yield Rule(protocol, first, last, prefix_list=peer["PrefixListId"])


def _subnets(ec2: Any, mine: list[dict[str, Any]]) -> dict[str, Subnet]:
    tables = ec2.describe_route_tables(Filters=mine)["RouteTables"]
    by_subnet = {a.get("SubnetId", ""): t for t in tables for a in t["Associations"]}
    main = next((t for t in tables if any(a.get("Main") for a in t["Associations"])), None)
    endpoints = ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
    with_s3 = {
        table
        for one in endpoints
        if one["VpcEndpointType"] == "Gateway" and one["ServiceName"].endswith(".s3")
        for table in one["RouteTableIds"]
    }
    found = {}
    for one in ec2.describe_subnets(Filters=mine)["Subnets"]:
        table = by_subnet.get(one["SubnetId"], main) or {"Routes": [], "RouteTableId": ""}
        away = [r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
        found[one["SubnetId"]] = Subnet(
            IPv4Network(one["CidrBlock"]),
            internet=any(r.get("GatewayId", "").startswith("igw-") for r in away),
            nat=any(r.get("NatGatewayId") or r.get("InstanceId") for r in away),
            s3=table["RouteTableId"] in with_s3,
        )
    return found


def _instances(ec2: Any, mine: list[dict[str, Any]]) -> Iterator[Node]:
    addresses = {a.get("InstanceId") for a in ec2.describe_addresses()["Addresses"]}
    for reservation in ec2.describe_instances(Filters=mine)["Reservations"]:
        for one in reservation["Instances"]:
            if one["State"]["Name"] == "terminated":
                continue
            names = [t["Value"] for t in one.get("Tags", ()) if t["Key"] == "Name"]
            interfaces = [i for i in one["NetworkInterfaces"] if i.get("Association")]
            yield Node(
                (names or [one["InstanceId"]])[0].removeprefix(_NAME_PREFIX),
                frozenset(g["GroupId"] for g in one["SecurityGroups"]),
                (one["SubnetId"],),
                (IPv4Network(one["PrivateIpAddress"]),),
                public=bool(interfaces) or one["InstanceId"] in addresses,
            )


def _databases(rds: Any, subnets: Mapping[str, Subnet]) -> Iterator[Node]:
    for one in rds.describe_db_instances()["DBInstances"]:
        ids = [s["SubnetIdentifier"] for s in one["DBSubnetGroup"]["Subnets"]]
        groups = frozenset(g["VpcSecurityGroupId"] for g in one["VpcSecurityGroups"])
        if set(ids) <= subnets.keys():
            yield _placed("database", groups, ids, subnets, one["PubliclyAccessible"])


def _brokers(kafka: Any, subnets: Mapping[str, Subnet]) -> Iterator[Node]:
    for one in kafka.list_clusters()["ClusterInfoList"]:
        info = kafka.describe_cluster(ClusterArn=one["ClusterArn"])["ClusterInfo"]
        placement = info["BrokerNodeGroupInfo"]
        ids = placement["ClientSubnets"]
        if set(ids) <= subnets.keys():
            yield _placed("kafka", frozenset(placement["SecurityGroups"]), ids, subnets)


def _endpoints(
    ec2: Any, mine: list[dict[str, Any]], subnets: Mapping[str, Subnet]
) -> Iterator[Node]:
    for one in ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]:
        if one["VpcEndpointType"] == "Interface":
            groups = frozenset(g["GroupId"] for g in one["Groups"])
            yield _placed(one["ServiceName"].split(".")[-1], groups, one["SubnetIds"], subnets)


def _placed(
    name: str,
    groups: frozenset[str],
    ids: Sequence[str],
    subnets: Mapping[str, Subnet],
    public: bool = False,
) -> Node:
    return Node(name, groups, tuple(ids), tuple(subnets[one].network for one in ids), public)
