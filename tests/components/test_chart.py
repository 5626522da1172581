"""The Helm chart, tested by its rendered output in tests/components/chart/. Helm itself is needed
only to check that the chart still renders to that output. CHART_WRITE=1 writes it again."""

import importlib
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parking.core.errors import SettingsError
from parking.core.topics import FRAME_PARTITIONS, FRAMES
from services.detector.handler import SERVICE
from services.tracker.settings import Settings as TrackerSettings
from tools.stack.settings import ROOT

CHART = ROOT / "deploy" / "kubernetes" / "chart"
RENDERED = Path(__file__).parent / "chart"
SIZES = ("small", "city")
SERVICES = ("ingest", "detector", "tracker", "persister", "notifier", "analytics")
SET = "kafka.bootstrap=kafka:9093,kafka.caSecret=kafka-ca,mqtt.host=mosquitto,mqtt.caSecret=mqtt-ca"
NETWORKS = ("192.168.7.0/24", "north=10.1.0.0/16")
WITH_CAMERAS = "city-cameras"  # city, with IP cameras that the page adds
SECRETS = {
    "cameras-key": bytes(range(32)).hex(),
    "database-url": "postgresql://u:p@postgres/parking",
    "database-url-reader": "postgresql://r:p@postgres/parking",
}
HELM = shutil.which("helm")


@cache
def load(size: str) -> list[dict[str, Any]]:
    text = (RENDERED / f"{size}.yaml").read_text("utf-8")
    return [one for one in yaml.safe_load_all(text) if one]


def of_kind(size: str, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in load(size) if one["kind"] == kind}


def pod(size: str, service: str) -> dict[str, Any]:
    template: dict[str, Any] = of_kind(size, "Deployment")[f"parking-{service}"]["spec"]["template"]
    return template


def environment(size: str, service: str, folder: Path) -> dict[str, str]:
    """Return the environment as the pod sees it. Files are in `folder`, and a secret without a form
    of its own is "secret"."""
    env = {}
    for one in pod(size, service)["spec"]["containers"][0]["env"]:
        source = one.get("valueFrom", {})
        if "secretKeyRef" in source:
            env[one["name"]] = SECRETS.get(source["secretKeyRef"]["key"], "secret")
        elif "fieldRef" in source:
            env[one["name"]] = f"parking-{service}-7d9c-x2x"
        else:
            env[one["name"]] = one["value"].replace("/etc/parking", str(folder))
    return env


def authority() -> bytes:
    """Return a self-signed certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_accepts_the_environment_that_the_chart_gives(
    size: str, service: str, tmp_path: Path
):
    read, env = accepted(size, service, service, tmp_path)
    assert read.http.host == "0.0.0.0"  # noqa: S104 -- in a pod the network policy decides
    assert str(read.http.port) == env["HTTP_PORT"]


def accepted(size: str, part: str, service: str, tmp_path: Path) -> tuple[Any, dict[str, str]]:
    """Return the settings that a service reads from the environment of a pod, and that
    environment."""
    for name in ("kafka/ca.crt", "mqtt/ca.crt", "keys/api_keys"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
    (tmp_path / "mqtt" / "ca.crt").write_bytes(authority())
    settings = importlib.import_module(f"services.{service}.settings").Settings
    env = environment(size, part, tmp_path)
    return settings.from_env(env), env


def test_one_more_ingest_polls_the_cameras_that_the_page_adds(tmp_path: Path):
    read, env = accepted(WITH_CAMERAS, "cameras", "ingest", tmp_path)
    assert read.pull.login_key is not None
    assert env["CAMERAS_NETWORKS"] == ",".join(NETWORKS)
    spec = of_kind(WITH_CAMERAS, "Deployment")["parking-cameras"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}, "two would poll each camera twice"
    [container] = pod(WITH_CAMERAS, "cameras")["spec"]["containers"]
    assert container["command"] == ["python", "-m", "services.ingest"]
    notifier = environment(WITH_CAMERAS, "notifier", tmp_path)
    assert notifier["LIVE_URL"] == f"http://parking-cameras:{env['HTTP_PORT']}"
    assert "parking-cameras" in of_kind(WITH_CAMERAS, "Service")
    for part in SERVICES:
        assert "CAMERAS_KEY" not in environment(WITH_CAMERAS, part, tmp_path)
    assert "parking-cameras" not in of_kind("city", "Deployment")


def test_only_that_ingest_reaches_the_cameras_networks_and_the_notifier_reaches_it():
    policies = of_kind(WITH_CAMERAS, "NetworkPolicy")
    allowed = policies["parking-cameras"]["spec"]
    [rule] = allowed["egress"]
    assert [one["ipBlock"]["cidr"] for one in rule["to"]] == ["192.168.7.0/24", "10.1.0.0/16"]
    assert [port["port"] for port in rule["ports"]] == [80, 443, 554]
    labels = {
        part: pod(WITH_CAMERAS, part)["metadata"]["labels"] for part in (*SERVICES, "cameras")
    }

    def chosen(selector: dict[str, Any]) -> list[str]:
        wanted = selector["matchLabels"].items()
        return [part for part, own in labels.items() if wanted <= own.items()]

    assert chosen(allowed["podSelector"]) == ["cameras"]
    assert chosen(policies["parking-live-in"]["spec"]["podSelector"]) == ["cameras"]
    [out] = policies["parking-live-out"]["spec"]["egress"]
    assert chosen(out["to"][0]["podSelector"]) == ["cameras"]
    everyone = policies["parking"]["spec"]["podSelector"]
    assert len(chosen(everyone)) == len(labels)


@pytest.mark.parametrize("size", SIZES)
def test_the_notifier_alone_reaches_the_detector(size: str, tmp_path: Path):
    read, _ = accepted(size, "notifier", "notifier", tmp_path)
    [port] = of_kind(size, "Service")["parking-detector"]["spec"]["ports"]
    assert read.detector_url == f"http://parking-detector:{port['port']}"
    policies = of_kind(size, "NetworkPolicy")
    incoming = policies["parking-preview-in"]["spec"]
    outgoing = policies["parking-preview-out"]["spec"]
    [rule_in], [rule_out] = incoming["ingress"], outgoing["egress"]
    detector, notifier = (
        pod(size, name)["metadata"]["labels"]["app.kubernetes.io/name"]
        for name in ("detector", "notifier")
    )
    for selector, name in (
        (incoming["podSelector"], detector),
        (rule_out["to"][0]["podSelector"], detector),
        (outgoing["podSelector"], notifier),
        (rule_in["from"][0]["podSelector"], notifier),
    ):
        assert selector["matchLabels"]["app.kubernetes.io/name"] == name
    wanted = [{"port": port["port"], "protocol": "TCP"}]
    assert (rule_in["ports"], rule_out["ports"]) == (wanted, wanted)
    # Nobody else but Prometheus.
    others = [
        one["metadata"]["name"]
        for one in policies.values()
        if one["metadata"]["name"] not in {"parking", "parking-preview-in"}
        and "Ingress" in one["spec"]["policyTypes"]
        and any(p["port"] == port["port"] for r in one["spec"]["ingress"] for p in r["ports"])
    ]
    assert others == []


def test_negative_control_a_service_refuses_an_environment_without_kafka(tmp_path: Path):
    env = environment("small", "tracker", tmp_path)
    del env["KAFKA_BOOTSTRAP"]
    with pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP"):
        TrackerSettings.from_env(env)


@pytest.mark.parametrize("size", SIZES)
def test_ports_and_probes_are_those_of_the_code(size: str):
    assert {
        path.name for path in (ROOT / "services").iterdir() if (path / "settings.py").exists()
    } == {*SERVICES}
    ops = "".join(path.read_text("utf-8") for path in (ROOT / "parking" / "runtime").glob("*.py"))
    for service in SERVICES:
        [container] = pod(size, service)["spec"]["containers"]
        [port] = [port["containerPort"] for port in container["ports"]]
        written = (ROOT / "services" / service / "settings.py").read_text("utf-8")
        assert re.search(rf"\b{port}\b", written), f"{service} has another default than {port}"
        assert container["command"] == ["python", "-m", f"services.{service}"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert f'"{container[probe]["httpGet"]["path"]}"' in ops
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("size", SIZES)
def test_nothing_runs_as_root_or_writes_to_its_own_files(size: str):
    for service in SERVICES:
        spec = pod(size, service)["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        [container] = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("size", SIZES)
def test_every_selector_meets_pods(size: str):
    labels = [pod(size, service)["metadata"]["labels"] for service in SERVICES]

    def meets(selector: dict[str, Any]) -> bool:
        wanted = selector.get("matchLabels", {}).items()
        among = selector.get("matchExpressions", [])
        return any(
            wanted <= each.items() and all(each[one["key"]] in one["values"] for one in among)
            for each in labels
        )

    policies = of_kind(size, "NetworkPolicy").values()
    assert len(policies) == 6
    for policy in policies:
        assert meets(policy["spec"]["podSelector"]), policy["metadata"]["name"]
    for service in of_kind(size, "Service").values():
        assert meets({"matchLabels": service["spec"]["selector"]})
    for budget in of_kind(size, "PodDisruptionBudget").values():
        assert meets(budget["spec"]["selector"])
    everyone = of_kind(size, "NetworkPolicy")["parking"]["spec"]
    assert everyone["policyTypes"] == ["Ingress", "Egress"]
    assert all(everyone["podSelector"]["matchLabels"].items() <= each.items() for each in labels)


def test_only_what_there_are_two_of_has_a_disruption_budget():
    assert of_kind("small", "PodDisruptionBudget") == {}
    budgets = of_kind("city", "PodDisruptionBudget")
    assert budgets.keys() == {f"parking-{name}" for name in SERVICES if name != "analytics"}
    assert {one["spec"]["maxUnavailable"] for one in budgets.values()} == {1}


def test_detectors_scale_by_their_own_lag_up_to_the_partitions():
    assert of_kind("small", "ScaledObject") == {}
    scaled = of_kind("city", "ScaledObject")["parking-detector"]["spec"]
    assert scaled["maxReplicaCount"] <= FRAME_PARTITIONS
    assert "replicas" not in of_kind("city", "Deployment")["parking-detector"]["spec"]
    [trigger] = scaled["triggers"]
    assert trigger["metadata"]["topic"] == FRAMES
    group = trigger["metadata"]["consumerGroup"]
    assert group == SERVICE, "the detector names its group for itself"
    found = of_kind("city", "TriggerAuthentication")[trigger["authenticationRef"]["name"]]["spec"]
    parameters = {one["parameter"] for one in found["secretTargetRef"]}
    assert parameters == {"sasl", "tls", "username", "password", "ca"}


@pytest.mark.skipif(HELM is None, reason="helm is not installed")
@pytest.mark.parametrize("size", [*SIZES, WITH_CAMERAS])
def test_the_chart_renders_to_what_is_tested_here(size: str):
    values = CHART / f"{size.removesuffix('-cameras')}.yaml"
    command = [str(HELM), "template", "parking", str(CHART), "-f", str(values)]
    command += ["--kube-version", "1.30.0", "--set", SET]
    if size == WITH_CAMERAS:
        command += ["--set", f"cameras.networks={{{','.join(NETWORKS)}}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept = RENDERED / f"{size}.yaml"
    if os.environ.get("CHART_WRITE"):
        kept.write_text(done.stdout, "utf-8")
    assert done.stdout == kept.read_text("utf-8")


@pytest.mark.skipif(HELM is None, reason="helm is not installed")
@pytest.mark.parametrize("size", SIZES)
def test_helms_linter_finds_nothing(size: str):
    command = [str(HELM), "lint", str(CHART), "--strict", "-f", str(CHART / f"{size}.yaml")]
    done = subprocess.run([*command, "--set", SET], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
