"""deploy/aws: the template is deployed to moto's server and inspected with the real client."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.support import aws as support
from tests.support.aws import PARAMETERS, Aws, Stack, deploy, server, template
from tools.reach import aws, network
from tools.reach.__main__ import cloudflare
from tools.stack.settings import ROOT

pytestmark = pytest.mark.timeout(240)  # a deployment takes ten seconds, on a busy machine thirty
INSTANCE = ROOT / "deploy" / "aws" / "instance"
OUTSIDE = {
    "cloudflare": cloudflare(),
    "devices": [IPv4Network(PARAMETERS["DeviceCidr"])],
    "admin": [IPv4Network(PARAMETERS["AdminCidr"])],
}
# The brief's security groups, what the queue adds (8883, 9093), and the way to S3 and to updates.
BRIEF = [
    "admin -> backend: tcp/22",
    "backend -> database: tcp/5432",
    "backend -> detector: tcp/5000",
    "backend -> internet: tcp/443, tcp/80",
    "backend -> s3: tcp/443",
    "cloudflare -> backend: tcp/8080",
    "detector -> backend: tcp/9093",
    "detector -> s3: tcp/443",
    "devices -> backend: tcp/8080, tcp/8883",
]
CITY = [
    "backend -> database: tcp/5432",
    "backend -> detector: tcp/5000",
    "backend -> internet: tcp/443, tcp/80",
    "backend -> kafka: tcp/9096",
    "backend -> s3: tcp/443",
    "backend -> ssm: tcp/443",
    "backend -> ssmmessages: tcp/443",
    "cloudflare -> backend: tcp/8080",
    "detector -> kafka: tcp/9096",
    "detector -> s3: tcp/443",
    "detector -> ssm: tcp/443",
    "detector -> ssmmessages: tcp/443",
    "devices -> backend: tcp/8080, tcp/8883",
]


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def small(moto: Aws) -> Stack:
    """Return the brief's size, deployed once for all tests that only look at it."""
    return deploy(moto, template(), Access="ssh", GitHubRepository="owner/name")


@pytest.fixture
def cloud(moto: Aws) -> Aws:
    moto.forget()
    return moto


def reach(stack: Stack) -> list[str]:
    there = aws.read(stack.aws.client, stack.ids["Vpc"], OUTSIDE)
    return network.lines(network.matrix(there))


def test_the_linter_finds_nothing() -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), support.TEMPLATE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_reachability_matrix_is_as_specified(small: Stack) -> None:
    assert reach(small) == BRIEF


def test_each_resource_is_there(small: Stack) -> None:
    stack, cloud = small, small.aws
    missing = {
        one["Type"]
        for name, one in stack.body["Resources"].items()
        if stack.has(one.get("Condition")) and name not in stack.ids
    }
    assert missing <= support.COMPLETED | support.LEFT_OUT | support.UNLISTED
    ec2 = cloud.client("ec2")
    subnets = {s["CidrBlock"]: s for s in ec2.describe_subnets()["Subnets"]}
    private = [subnets["10.0.2.0/24"], subnets["10.0.3.0/24"]]
    assert private[0]["AvailabilityZone"] != private[1]["AvailabilityZone"]
    assert not ec2.describe_nat_gateways()["NatGateways"]
    [database] = cloud.client("rds").describe_db_instances()["DBInstances"]
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    assert database["BackupRetentionPeriod"] == 7
    assert database["EngineVersion"].startswith("16")
    assert {s["SubnetIdentifier"] for s in database["DBSubnetGroup"]["Subnets"]} == {
        s["SubnetId"] for s in private
    }


def test_buckets_are_private_encrypted_and_ask_for_tls(small: Stack) -> None:
    stack, cloud = small, small.aws
    s3 = cloud.client("s3")
    for name in ("Images", "Releases"):
        bucket = stack.ids[name]
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert set(block.values()) == {True}
        [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"][
            "Rules"
        ]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        assert "OnlyTls" in {one["Sid"] for one in policy["Statement"]}
    images = json.loads(s3.get_bucket_policy(Bucket=stack.ids["Images"])["Policy"])
    (through,) = (s for s in images["Statement"] if s["Sid"].startswith("PicturesOnly"))
    assert through["Condition"]["StringNotEquals"] == {"aws:SourceVpce": stack.ids["S3Endpoint"]}


def test_no_right_is_wider_than_a_bucket(small: Stack) -> None:
    stack, cloud = small, small.aws
    iam = cloud.client("iam")
    for name in ("BackendRole", "DetectorRole", "PublishRole"):
        role = stack.ids[name]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            text = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            document = ast.literal_eval(text)  # moto writes Python where AWS writes JSON
            for statement in document["Statement"]:
                actions, resources = statement["Action"], statement["Resource"]
                for action in [actions] if isinstance(actions, str) else actions:
                    assert not action.endswith("*"), statement
                for resource in [resources] if isinstance(resources, str) else resources:
                    if actions in ("ssm:ListCommands", "ec2:DescribeInstances"):  # none narrower
                        continue
                    assert resource.split(":::")[-1].split("/")[0].strip("*"), statement


def test_cloudflares_ranges_are_those_of_the_one_list() -> None:
    rules = template()["Resources"]["BackendGroup"]["Properties"]["SecurityGroupIngress"]
    ranges = [r["CidrIp"] for r in rules if r.get("Description") == "Cloudflare"]
    assert [*map(IPv4Network, ranges)] == [*cloudflare()]


@pytest.mark.nightly
def test_the_city_has_kafka_apart_and_no_ssh(cloud: Aws) -> None:
    assert reach(deploy(cloud, template(), Size="city", PrivateEndpoints="yes")) == CITY


RULES = [
    ("DetectorFromBackend", ["backend -> detector: tcp/5000"]),
    ("DetectorToBackend", ["detector -> backend: tcp/9093"]),
    ("PrivateSubnetRoutes", ["detector -> s3: tcp/443"]),
]


@pytest.mark.nightly
@pytest.mark.parametrize(("resource", "lines"), RULES)
def test_negative_control_without_one_resource_its_line_is_lost(
    cloud: Aws, resource: str, lines: list[str]
) -> None:
    body = template()
    del body["Resources"][resource]
    for one in body["Resources"].values():  # nothing waits for it
        one.pop("DependsOn", None)
    found = reach(deploy(cloud, body, Access="ssh"))
    assert sorted([*found, *lines]) == BRIEF


def test_negative_control_a_rule_too_wide_is_seen(cloud: Aws) -> None:
    body = template()
    body["Resources"]["BackendFromAdmin"]["Properties"]["CidrIp"] = "0.0.0.0/0"
    found = reach(deploy(cloud, body, Access="ssh"))
    assert "internet -> backend: tcp/22" in found


@pytest.mark.parametrize(
    "script",
    ["as-role", "detectors", "install", "page-settings", "ready", "release", "rollout", "update"],
)
def test_scripts_are_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n", INSTANCE / script], capture_output=True, check=False)  # noqa: S607 -- the one there is
    assert done.returncode == 0, done.stderr


def test_instances_begin_with_a_script_that_a_release_brings() -> None:
    brought = (INSTANCE / "release").read_text("utf-8")
    for name in ("Backend", "DetectorTemplate"):
        assert "/releases/bootstrap" in json.dumps(template()["Resources"][name])
    assert 'to="s3://$bucket/releases"' in brought
    assert 'deploy/aws/instance/update "$to/bootstrap"' in brought
