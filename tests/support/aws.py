"""Deploy the CloudFormation template to moto's server with the real client.

moto's CloudFormation leaves out some parts of a template. `COMPLETED` are created here from the
template by the same client, and `LEFT_OUT` are only linted.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tests.support.waiting import wait_until
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

TEMPLATE: Final = ROOT / "deploy" / "aws" / "parking.yaml"
REGION: Final = "ap-southeast-1"
COMPLETED: Final = {
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::MSK::Cluster",
    "AWS::S3::BucketPolicy",
}
UNLISTED: Final = {"AWS::EC2::SecurityGroupIngress", "AWS::RDS::DBSubnetGroup"}  # but created
LEFT_OUT: Final = {
    "AWS::AutoScaling::ScalingPolicy",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::IAM::OIDCProvider",
    "AWS::MSK::BatchScramSecret",
    "AWS::MSK::Configuration",
    "AWS::SecretsManager::Secret",
}
IMAGE: Final = "/test/image"
PARAMETERS: Final = {
    "DeviceCidr": "198.51.100.0/24",
    "AdminCidr": "203.0.113.7/32",
    "KeyName": "engineer",
    "S3PrefixList": "pl-6fa54006",
    "Email": "operator@parking.example",
    "ImagesBucket": "parking-images-test",
    "ReleasesBucket": "parking-releases-test",
    "UbuntuImage": IMAGE,
    "AmazonImage": IMAGE,
}


class _Loader(yaml.SafeLoader):
    """Loads YAML with CloudFormation's short forms: `!Ref x` is {"Ref": "x"}."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def template(path: Path = TEMPLATE) -> dict[str, Any]:
    """Return the template in its long form, as a fresh copy."""
    parsed: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 -- safe
    return parsed


class Aws:
    """An AWS that forgets everything when it is closed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[str, Any] = {}

    def forget(self) -> None:
        """Delete everything."""
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()

    def client(self, name: str) -> Any:
        """Return boto3's client for a service."""
        if name in self._clients:  # making one takes a second
            return self._clients[name]
        known: Any = boto3.client
        self._clients[name] = known(
            name,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        return self._clients[name]


@contextmanager
def server(log: Path) -> Iterator[Aws]:
    """Run moto's server as a process of its own."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    aws = Aws(f"http://{HOST}:{port}")
    try:
        wait_until(lambda: _answers(aws), 40.0, f"moto answers; see {log}")
        yield aws
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(aws: Aws) -> bool:
    try:
        aws.client("sts").get_caller_identity()
    except BotoCoreError:
        return False
    return True


@dataclass(frozen=True)
class Stack:
    """A deployed stack. `ids` are physical ids by logical name."""

    aws: Aws
    body: dict[str, Any]
    parameters: dict[str, str]
    ids: dict[str, str]

    def has(self, condition: str | None) -> bool:
        """Return whether a condition of the template is true."""
        return condition is None or bool(self.value(self.body["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        """Return the value of an expression. Knows only the functions that this template uses
        there."""
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if not isinstance(node, dict) or len(node) != 1:
            return {k: self.value(v) for k, v in node.items()} if isinstance(node, dict) else node
        [(name, argument)] = node.items()
        match name:
            case "Ref":
                default = self.body["Parameters"].get(argument, {}).get("Default", argument)
                return self.ids.get(argument) or self.parameters.get(argument, default)
            case "Fn::GetAtt":
                arn = argument[1] == "Arn" and argument[0] in {"Images", "Releases"}
                return f"arn:aws:s3:::{self.ids[argument[0]]}" if arn else self.ids[argument[0]]
            case "Fn::Equals":
                return self.value(argument[0]) == self.value(argument[1])
            case "Fn::Not":
                return not self.value(argument[0])
            case "Fn::If":
                return self.value(argument[1 if self.has(argument[0]) else 2])
            case "Fn::Sub":
                text = str(argument)
                for bucket in ("Images", "Releases"):
                    text = text.replace(f"${{{bucket}.Arn}}", f"arn:aws:s3:::{self.ids[bucket]}")
                return text.replace("${AWS::StackName}", "parking")
        return {name: self.value(argument)}

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return logical name and evaluated properties of each deployed resource of a type."""
        for name, one in self.body["Resources"].items():
            if one["Type"] == kind and self.has(one.get("Condition")):
                yield name, self.value(one.get("Properties", {}))


def deploy(aws: Aws, body: dict[str, Any], **parameters: str) -> Stack:
    """Create the stack `parking`, then the parts that moto's CloudFormation leaves out."""
    values = PARAMETERS | parameters
    body = copy.deepcopy(body)
    for name in ("UbuntuImage", "AmazonImage"):  # moto reads the default, which it does not know
        body["Parameters"][name]["Default"] = IMAGE
    image = aws.client("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ssm = aws.client("ssm")
    ssm.put_parameter(Name=IMAGE, Value=image, Type="String", Overwrite=True)
    cloud = aws.client("cloudformation")
    cloud.create_stack(
        StackName="parking",
        TemplateBody=_with_known_names(json.dumps(body)),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    there = cloud.describe_stack_resources(StackName="parking")["StackResources"]
    ids = {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in there
        if {"LogicalResourceId", "PhysicalResourceId"} <= one.keys()
    }
    stack = Stack(aws, body, values, ids)
    _complete(stack)
    return stack


def _with_known_names(text: str) -> str:
    """Put an ARN where the template asks for one that moto does not know."""
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:rds!db-test"
    asked = json.dumps({"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]})
    assert asked in text
    for name, value in (("MasterUserSecret.SecretArn", arn), ("Endpoint.Address", "db.test")):
        text = text.replace(f"${{Database.{name}}}", value)  # in user data
    for name in ("OperatorSecret", "BackendSecret", "DetectorSecret", "Kafka"):  # of size city
        ours = f"arn:aws:test:{REGION}:123456789012:{name}"
        text = text.replace(json.dumps({"Ref": name}), json.dumps(ours))
        text = text.replace(f"${{{name}}}", ours)
    return text.replace(asked, json.dumps(arn))


def _complete(stack: Stack) -> None:
    ec2 = stack.aws.client("ec2")
    for name, group in stack.resources("AWS::EC2::SecurityGroup"):
        if "SecurityGroupEgress" in group:  # then AWS takes its own rule, all to all, away
            everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
            ec2.revoke_security_group_egress(GroupId=stack.ids[name], IpPermissions=everything)
        for rule in group.get("SecurityGroupEgress", ()):
            _allow_out(ec2, stack.ids[name], rule)
    for _, rule in stack.resources("AWS::EC2::SecurityGroupEgress"):
        _allow_out(ec2, rule["GroupId"], rule)
    _complete_others(stack)


def _complete_others(stack: Stack) -> None:
    ec2 = stack.aws.client("ec2")
    for _, one in stack.resources("AWS::EC2::SubnetRouteTableAssociation"):
        ec2.associate_route_table(RouteTableId=one["RouteTableId"], SubnetId=one["SubnetId"])
    for name, bucket in stack.resources("AWS::S3::Bucket"):
        block = bucket["PublicAccessBlockConfiguration"]
        stack.aws.client("s3").put_public_access_block(
            Bucket=stack.ids[name], PublicAccessBlockConfiguration=block
        )
    for name, instance in stack.resources("AWS::EC2::Instance"):
        ec2.modify_instance_attribute(
            InstanceId=stack.ids[name], Groups=instance["SecurityGroupIds"]
        )
    for name, database in stack.resources("AWS::RDS::DBInstance"):
        stack.aws.client("rds").modify_db_instance(
            DBInstanceIdentifier=stack.ids[name],
            VpcSecurityGroupIds=database["VPCSecurityGroups"],
            ApplyImmediately=True,
        )
    for _, policy in stack.resources("AWS::S3::BucketPolicy"):
        text = json.dumps(policy["PolicyDocument"])
        stack.aws.client("s3").put_bucket_policy(Bucket=policy["Bucket"], Policy=text)
    for _, cluster in stack.resources("AWS::MSK::Cluster"):
        stack.aws.client("kafka").create_cluster(
            ClusterName=cluster["ClusterName"],
            KafkaVersion=cluster["KafkaVersion"],
            NumberOfBrokerNodes=cluster["NumberOfBrokerNodes"],
            BrokerNodeGroupInfo=cluster["BrokerNodeGroupInfo"]
            | {"StorageInfo": {"EbsStorageInfo": {"VolumeSize": 100}}},
        )


def _allow_out(ec2: Any, group: str, rule: dict[str, Any]) -> None:
    permission: dict[str, Any] = {
        "IpProtocol": rule["IpProtocol"],
        "FromPort": rule["FromPort"],
        "ToPort": rule["ToPort"],
    }
    if "CidrIp" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"]}]
    elif "DestinationPrefixListId" in rule:
        permission["PrefixListIds"] = [{"PrefixListId": rule["DestinationPrefixListId"]}]
    else:
        permission["UserIdGroupPairs"] = [{"GroupId": rule["DestinationSecurityGroupId"]}]
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[permission])
