"""deploy/aws: what the page needs from the backend. The scripts run with AWS's own client against
moto's server, to which the template is deployed."""

import ast
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from parking.access.keys import KeyFile
from parking.runtime.hosts import is_safe_from_rebinding
from services.ingest.settings import PullSettings
from services.ingest.settings import Settings as IngestSettings
from services.notifier.settings import Settings as NotifierSettings
from tests.support.aws import PARAMETERS, REGION, Stack, deploy, server, template
from tools.stack.settings import ROOT

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("aws"), reason="needs AWS's command line"),
]
INSTANCE: Final = ROOT / "deploy" / "aws" / "instance"
KAFKA: Final = {"KAFKA_BOOTSTRAP": "kafka:9093", "KAFKA_SECURITY": "SSL", "KAFKA_CA_FILE": ""}
PARAMETER: Final = "/parking/cameras-key"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with server(tmp_path_factory.mktemp("moto") / "log") as aws:
        yield deploy(aws, template())


def site_env(stack: Stack) -> dict[str, str]:
    """Return what the backend's user data writes into site.env for these scripts on AWS."""
    text = template()["Resources"]["Backend"]["Properties"]["UserData"]["Fn::Base64"]["Fn::Sub"][0]
    values = {
        "DeviceCidr": PARAMETERS["DeviceCidr"],
        "AWS::StackName": "parking",
        "Vpc": stack.ids["Vpc"],
    }
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    found = dict(re.findall(r"^(LOT_NETWORK|PARAMETERS|VPC)=(.*)$", text, re.MULTILINE))
    assert len(found) == 3
    return found


def run(stack: Stack, script: str, **more: str) -> None:
    known = {
        "AWS_ENDPOINT_URL": stack.aws.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "PATH": os.environ["PATH"],
    }
    env = known | site_env(stack) | more
    done = subprocess.run([INSTANCE / script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def backend(folder: Path) -> Path:
    """Return the backend's /etc/parking after its first installation, as far as these scripts read
    it."""
    (folder / "secrets").mkdir(parents=True)
    (folder / "keys").touch(mode=0o600)
    for name, text in {
        "ingest": f"MQTT_HOST=localhost\nKEYS_FILE={folder}/keys\n",
        "notifier": f"KEYS_FILE={folder}/keys\nSIGN_IN=off\n",
    }.items():
        (folder / f"{name}.env").write_text(text, "utf-8")
    return folder


def settings(folder: Path, service: str) -> dict[str, str]:
    lines = (folder / f"{service}.env").read_text("utf-8").splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines), "a setting is there twice"
    return KAFKA | found


def page_settings(stack: Stack, folder: Path) -> None:
    run(stack, "page-settings", ETC=str(folder), OWNER=str(os.getuid()))


def polling(folder: Path) -> PullSettings:
    env = settings(folder, "ingest") | {"MQTT_PASSWORD": "secret", "MQTT_TLS": "on"}
    pull = IngestSettings.from_env(env).pull
    assert pull is not None
    return pull


def test_the_notifier_knows_ingest_and_the_detector(stack: Stack, tmp_path: Path) -> None:
    folder = backend(tmp_path / "etc")
    page_settings(stack, folder)
    read = NotifierSettings.from_env(settings(folder, "notifier"))
    assert read.detector_url == "http://parking-detector:5000"
    assert is_safe_from_rebinding("parking-detector"), "the detector refuses this host"
    assert read.live is not None
    assert read.live.url == "http://127.0.0.1:8081"
    keys = KeyFile(folder / "keys")
    for scope in ("live", "cameras"):
        assert keys.check(read.live.key, scope)
    assert keys.check(read.live.key, "write") is None
    before = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    page_settings(stack, folder)  # at the next release
    assert [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()] == before
    for secret in (folder / "secrets").iterdir():
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_the_key_to_cameras_logins_is_created_once_and_outlives_the_instance(
    stack: Stack, tmp_path: Path
) -> None:
    first, second = backend(tmp_path / "one"), backend(tmp_path / "two")
    page_settings(stack, first)
    found = stack.aws.client("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]
    assert (found["Type"], found["Version"]) == ("SecureString", 1)
    pull = polling(first)
    assert pull.login_key is not None
    pull.networks.of("lot").check("198.51.100.7")  # in DeviceCidr
    page_settings(stack, second)
    kept = [(folder / "secrets" / "cameras_key").read_text("utf-8") for folder in (first, second)]
    assert kept == [found["Value"], found["Value"]]
    again = stack.aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]
    assert again["Version"] == 1


def test_an_instance_from_before_gets_everything_but_cameras(stack: Stack, tmp_path: Path) -> None:
    folder = backend(tmp_path / "etc")
    run(stack, "page-settings", ETC=str(folder), OWNER=str(os.getuid()), LOT_NETWORK="")
    assert "LIVE_URL" in settings(folder, "notifier")
    assert "CAMERAS_KEY_FILE" not in settings(folder, "ingest")


def test_only_the_backend_may_read_that_key(stack: Stack) -> None:
    iam = stack.aws.client("iam")

    def effects(role: str, policy: str) -> dict[str, str]:
        given = iam.get_role_policy(RoleName=stack.ids[role], PolicyName=policy)
        document = given["PolicyDocument"]
        if isinstance(document, str):
            document = ast.literal_eval(document)  # moto writes Python where AWS writes JSON
        found: list[dict[str, Any]] = document["Statement"]
        return {
            action: one["Effect"]
            for one in found
            if str(one["Resource"]).endswith(f":parameter{PARAMETER}")
            for action in one["Action"]
        }

    assert effects("BackendRole", "backend") == {
        "ssm:GetParameter": "Allow",
        "ssm:PutParameter": "Allow",
    }
    assert effects("DetectorRole", "detector") == {
        "ssm:GetParameter": "Deny",
        "ssm:GetParameters": "Deny",
    }


def test_the_running_detectors_are_known_by_name(stack: Stack, tmp_path: Path) -> None:
    ec2 = stack.aws.client("ec2")
    running = [{"Name": "tag:Name", "Values": ["parking-detector"]}]
    instances = [
        one
        for reservation in ec2.describe_instances(Filters=running)["Reservations"]
        for one in reservation["Instances"]
    ]
    assert instances
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n10.0.2.99 parking-detector\n", "utf-8")
    run(stack, "detectors", HOSTS=str(hosts))
    known = sorted(f"{one['PrivateIpAddress']} parking-detector" for one in instances)
    assert hosts.read_text("utf-8").splitlines() == ["127.0.0.1 localhost", *known]
    assert "10.0.2.99" not in hosts.read_text("utf-8")
    run(stack, "detectors", HOSTS=str(hosts), VPC="vpc-00000000")
    assert hosts.read_text("utf-8") == "127.0.0.1 localhost\n"


def test_each_release_and_each_minute_runs_the_scripts() -> None:
    assert '"$here/page-settings"' in (INSTANCE / "install").read_text("utf-8")
    update = (INSTANCE / "update").read_text("utf-8")
    assert update.index("instance/detectors") < update.index("exit 0")
