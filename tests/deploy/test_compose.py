"""deploy/compose: the files agree with the code and with each other, and open nothing by
mistake."""

import importlib
import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from parking.access.keys import KeyFile
from parking.core.errors import SettingsError
from parking.runtime import metrics
from tests.components.test_chart import authority
from tools.stack.settings import ROOT, SERVICES

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
SERVERS = {"kafka", "postgres", "mosquitto", "s3", "prometheus", "grafana"}
TOOLS = {"files", "topics", "cli", "demo-site", "simulator"}
HOST = "lot.example"


def filled(text: str, **given: str) -> str:
    """Return the file with the variables' defaults, a host, and whatever else is in .env."""
    values = {"PARKING_HOST": HOST, **given}

    def value(found: re.Match[str]) -> str:
        name, kind, word = found.groups()
        there = values.get(name, "")
        return (word if there else "") if kind == "+" else there or (word if kind == "-" else "")

    return re.sub(r"\$\{(\w+):([-?+])([^}]*)\}", value, text)


def image(part: str) -> tuple[str, str]:
    reference, _, _ = filled(PARTS[part]["image"]).partition("@")  # make digests adds the digest
    name, _, tag = reference.rpartition(":")
    return name, tag


def environment(service: str, private: Path, **dotenv: str) -> dict[str, str]:
    """Return the environment as the container sees it, with its secrets and volumes in a folder."""
    given = PARTS[service]["environment"]
    places = {"/run/secrets/": f"{private}/", "/var/lib/parking/": f"{private}/"}
    env = {}
    for name, value in given.items():
        text = filled(str(value), **dotenv)
        for inside, outside in places.items():
            text = text.replace(inside, outside)
        env[name] = text
    return env


@pytest.fixture
def private(tmp_path: Path) -> Path:
    for name in COMPOSE["secrets"]:
        path = tmp_path / name
        path.write_text("secret", "utf-8")
        path.chmod(0o600)
    (tmp_path / "ca").write_bytes(authority())
    return tmp_path


def test_every_part_is_known() -> None:
    assert PARTS.keys() == {*SERVICES} | SERVERS | TOOLS


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_accepts_its_environment(service: str, private: Path) -> None:
    env = environment(service, private)
    mounted = {f"{private}/{name}" for name in PARTS[service]["secrets"]}
    named = {v for v in env.values() if v.startswith(str(private)) and (Path(v)).exists()}
    assert named <= mounted
    env["HTTP_PORT"] = port_of(service)
    settings = importlib.import_module(f"services.{service}.settings").Settings.from_env(env)
    assert settings.kafka.security == "SASL_SSL"
    assert settings.kafka.username == service


def test_negative_control_a_missing_secret_is_refused(private: Path) -> None:
    (private / "kafka_tracker").unlink()
    settings = importlib.import_module("services.tracker.settings").Settings
    with pytest.raises(SettingsError, match="KAFKA_PASSWORD"):
        settings.from_env(environment("tracker", private))


def test_the_page_can_add_ip_cameras_once_their_networks_are_named(private: Path) -> None:
    (private / "cameras_key").write_text(bytes(range(32)).hex(), "utf-8")
    ingest = importlib.import_module("services.ingest.settings").Settings
    assert ingest.from_env(environment("ingest", private)).pull is None
    pull = ingest.from_env(environment("ingest", private, CAMERAS_NETWORKS="192.168.7.0/24")).pull
    assert pull is not None
    assert pull.login_key is not None
    assert "outside" in PARTS["ingest"]["networks"]  # `inside` has no way to a camera
    notifier = importlib.import_module("services.notifier.settings").Settings
    live = notifier.from_env(environment("notifier", private)).live
    assert live is not None
    assert live.url == f"http://ingest:{port_of('ingest')}"


PROMETHEUS, NOTIFIER = "prometheus read 0a", "notifier-live cameras,live 0b"


def hashes(folder: Path, *lines: str) -> None:
    for name, line in zip(("prometheus", "live"), lines, strict=True):
        (folder / "private" / f"{name}_key_hash").write_text(f"{line}\n", "utf-8")


def known_keys(folder: Path) -> list[str]:
    """Return the keys in the key file after the job `files`."""
    [script] = PARTS["files"]["command"]
    places = {"/var/lib/parking-s3": "s3", "/var/lib/parking": "state", "/run/secrets": "private"}
    for inside, outside in places.items():
        script = script.replace(inside, str(folder / outside))
    subprocess.run(["/bin/sh", "-ec", script.replace("$$", "$")], check=True)
    return sorted((folder / "state" / "api_keys").read_text("utf-8").splitlines())


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for name in ("state", "s3", "private"):
        (tmp_path / name).mkdir()
    hashes(tmp_path, PROMETHEUS, NOTIFIER)
    return tmp_path


def test_the_notifiers_and_prometheus_keys_come_into_the_key_file_once(volumes: Path) -> None:
    assert known_keys(volumes) == [NOTIFIER, PROMETHEUS]
    keys = volumes / "state" / "api_keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    keys.write_text("mine write 0c\n", "utf-8")  # both are revoked
    assert known_keys(volumes) == ["mine write 0c"]
    hashes(volumes, "prometheus read 1a", "notifier-live cameras,live 1b")  # made anew
    new = ["mine write 0c", "notifier-live cameras,live 1b", "prometheus read 1a"]
    assert known_keys(volumes) == new
    assert known_keys(volumes) == new


@pytest.mark.parametrize("there", [[PROMETHEUS], []], ids=["known", "revoked"])
def test_an_older_installation_gets_only_the_notifiers_key(there: list[str], volumes: Path) -> None:
    keys = volumes / "state" / "api_keys"
    keys.write_text("".join(f"{line}\n" for line in there), "utf-8")
    for _ in range(2):
        assert known_keys(volumes) == [NOTIFIER, *there]


def test_an_administrator_can_create_accounts_at_the_command_line() -> None:
    cli = PARTS["cli"]
    assert "database_url_parking_accounts" in cli["secrets"]
    assert cli["environment"]["ACCOUNTS_DATABASE_URL_FILE"].endswith("parking_accounts")
    locked = (ROOT / "requirements" / "tools.txt").read_text("utf-8")
    for package in ("argon2-cffi", "psycopg-binary", "psycopg-pool"):  # `parking accounts`
        assert re.search(rf"^{package}==", locked, re.M)
    # The simulator, `parking cameras probe`.
    assert {"paho-mqtt", "av"} <= set(re.findall(r"^([\w-]+)==", locked, re.M))


def test_every_secret_is_a_file_and_used() -> None:
    used: set[str] = set()
    for name, part in PARTS.items():
        used |= set(part.get("secrets", ()))
        for setting, value in part.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|URL_FILE|CREDENTIALS", setting):
                assert setting.endswith("_FILE"), f"{name}: {setting} is not read from a file"
                assert value.startswith("/run/secrets/"), f"{name}: {setting}={value}"
    assert used == COMPOSE["secrets"].keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="each file gets an owner of its own")
def test_the_script_creates_every_secret_once(tmp_path: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [str(FOLDER / "secrets"), HOST]
        env = {"PATH": os.environ["PATH"], "TO": str(tmp_path)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 0, done.stderr
    for secret in COMPOSE["secrets"].values():
        path = tmp_path / secret["file"]
        status = path.stat()
        assert status.st_size > 0, path
        if path.name != "ca":
            assert stat.S_IMODE(status.st_mode) == 0o600
            assert status.st_uid == reader(path.name), path
    assert (tmp_path / ".env").read_text("utf-8").endswith(f"PARKING_HOST={HOST}\n")
    before = {path: path.read_bytes() for path in (tmp_path / "private").iterdir()}
    assert run().returncode == 1
    assert {path: path.read_bytes() for path in (tmp_path / "private").iterdir()} == before
    # An installation from before IP cameras could be added in the page.
    added = {"cameras_key", "live_key", "live_key_hash"}
    for name in added:
        (tmp_path / "private" / name).unlink()
    again = run()
    assert again.returncode == 0, again.stderr
    after = {path: path.read_bytes() for path in (tmp_path / "private").iterdir()}
    assert {path.name for path in before if after[path] != before[path]} == added
    assert after.keys() == before.keys()
    key = after[tmp_path / "private" / "live_key"].decode()
    known = KeyFile(tmp_path / "private" / "live_key_hash").find(key)
    assert known is not None
    assert known.scopes == {"cameras", "live"}


def reader(file: str) -> int:
    """Return the user that every container with this secret runs as."""
    name = next(n for n, one in COMPOSE["secrets"].items() if one["file"] == f"private/{file}")
    uids = set()
    for part, one in PARTS.items():
        if name in one.get("secrets", ()):
            own = part in SERVICES or part in TOOLS
            uids.add("10001" if own else one.get("user", "472").split(":")[0])
    [uid] = uids
    return int(uid)


def test_only_the_devices_port_is_open_to_the_network() -> None:
    ports = {filled(port) for part in PARTS.values() for port in part.get("ports", ())}
    assert {port for port in ports if not port.startswith("127.0.0.1:")} == {"0.0.0.0:8883:8883"}


def test_what_has_no_login_is_in_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("kafka", "postgres", "s3", "detector", "tracker", "persister", "analytics"):
        assert PARTS[name]["networks"] == ["inside"]
        assert "ports" not in PARTS[name]


@pytest.mark.parametrize("name", PARTS)
def test_a_container_has_limits_and_no_rights(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in part["security_opt"]
    assert not {"privileged", "cap_add", "pid", "ipc"} & part.keys()
    assert part["mem_limit"]
    assert part["logging"]["options"].keys() == {"max-size", "max-file"}
    for volume in part.get("volumes", ()):
        source, _, rest = volume.partition(":")
        assert source in COMPOSE["volumes"] or rest.endswith(":ro"), volume
        assert "docker.sock" not in volume


def test_images_are_of_this_version_and_of_the_servers_that_the_tests_run() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name in {*SERVICES} | TOOLS:
        assert image(name)[1] == project["version"]
    jars = (ROOT / "tools" / "stack" / "jars.txt").read_text("utf-8")
    tested = dict(re.findall(r"^[\w.]+:(kafka_2\.13|s3proxy):([\d.]+)", jars, re.M))
    assert image("kafka")[1] == tested["kafka_2.13"]
    assert image("s3")[1] == f"s3proxy-{tested['s3proxy']}"


def test_profiles_add_the_demo_and_the_monitoring() -> None:
    profiles = {name: set(part.get("profiles", ())) for name, part in PARTS.items()}
    assert {n for n, of in profiles.items() if "demo" in of} == {
        *("demo-site", "simulator", "prometheus", "grafana")
    }
    assert {n for n, of in profiles.items() if "production" in of} == {"prometheus", "grafana"}
    assert {n for n, of in profiles.items() if not of} >= {*SERVICES}


# ---------------------------------------------------------------- the images
def port_of(service: str) -> str:
    found = re.search(rf"AS for-{service}\n(?:[A-Z]+ .*\n)*?ENV HTTP_PORT=(\d+)", DOCKERFILE)
    assert found, f"the Dockerfile gives {service} no port"
    return found[1]


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_listens_where_the_service_does(service: str) -> None:
    written = (ROOT / "services" / service / "settings.py").read_text("utf-8")
    assert re.search(rf"\b{port_of(service)}\b", written)
    assert (ROOT / "requirements" / f"{service}.txt").exists()
    assert PARTS[service]["build"]["args"] == {"SERVICE": service}


def test_the_image_has_a_user_a_health_check_and_hashed_packages() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last
    assert "\nHEALTHCHECK " in last
    assert not re.search(r"^ADD ", DOCKERFILE, re.M)
    [install] = re.findall(r"^RUN pip install .*", DOCKERFILE, re.M)
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(install.split())


def test_a_new_volume_belongs_to_the_images_user() -> None:
    [created] = re.findall(r"^RUN install -d -m 750 -o 10001 -g 10001 (.*)", DOCKERFILE, re.M)
    mounted = {
        volume.split(":")[1]
        for name in {*SERVICES} | TOOLS
        for volume in PARTS[name].get("volumes", ())
    }
    assert mounted == set(created.split())


# ---------------------------------------------------------------- monitoring
def metric_names() -> Iterator[str]:
    """Return every sample that the services export, with those of the process and Prometheus'
    `up`."""
    yield from ("up", "process_resident_memory_bytes")
    for metric in vars(metrics).values():
        if isinstance(metric, prometheus_client.metrics.MetricWrapperBase):
            [family] = list(metric.describe())
            yield from (family.name, f"{family.name}_total", f"{family.name}_bucket")


def expressions() -> Iterator[str]:
    [group] = yaml.safe_load((FOLDER / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]
    yield from (rule["expr"] for rule in group["rules"])
    board = json.loads((FOLDER / "grafana" / "dashboards" / "parking.json").read_text("utf-8"))
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_alerts_and_dashboard_name_metrics_that_exist() -> None:
    known = set(metric_names())
    for text in expressions():
        named = set(re.findall(r"\b(?:parking_\w+|process_\w+|up)\b", re.sub('"[^"]*"', "", text)))
        assert named
        assert named <= known, text


def test_every_alert_has_a_page_that_says_what_to_do() -> None:
    [group] = yaml.safe_load((FOLDER / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]
    sections = re.split(r"^## ", (ROOT / "docs" / "runbook.md").read_text("utf-8"), flags=re.M)[1:]
    runbook = dict(section.split("\n", 1) for section in sections)
    assert list(runbook) == [rule["alert"] for rule in group["rules"]]
    for rule in group["rules"]:
        name = rule["alert"]
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        parts = re.findall(r"^\*\*([\w ]+)\.\*\* \S", runbook[name], re.M)
        assert parts == ["Means", "Look at", "Do"], name


def test_prometheus_scrapes_every_service() -> None:
    config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    targets = {
        target
        for job in jobs.values()
        for one in job["static_configs"]
        for target in one["targets"]
    }
    assert jobs["parking-notifier"]["authorization"]["credentials_file"].endswith("prometheus_key")
    assert targets == {f"{service}:{port_of(service)}" for service in SERVICES}
