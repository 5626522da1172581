"""With unsafe or misspelt settings nothing starts, and one line says why."""

import ast
import re
from pathlib import Path

import pytest

from parking.core.errors import SettingsError
from parking.runtime.settingnames import KNOWN, misspelt
from services.ingest.settings import Settings as Ingest
from services.notifier.settings import Settings as Notifier
from services.tracker.settings import Settings as Tracker

ROOT = Path(__file__).parents[2]
GOOD = {
    "KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "KEYS_FILE": "keys",
    "MQTT_HOST": "127.0.0.1",
    "MQTT_TLS": "off",
    "MQTT_PASSWORD": "x",
}
SERVICES = {"ingest": Ingest, "notifier": Notifier, "tracker": Tracker}

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- to be refused

ODD = [
    ("tracker", {"KAFKA_BOOTSTRAP": "kafka.example:9092"}, "KAFKA_ALLOW_PLAINTEXT=on"),
    ("tracker", {"KAFKA_BOOTSTRAP": "127.0.0.1:9092,10.0.0.5:9092"}, "'10.0.0.5:9092'"),
    ("notifier", {"KAFKA_BOOTSTRAP": "10.0.0.5:9092"}, "KAFKA_SECURITY=PLAINTEXT"),
    (
        "tracker",
        {
            "KAFKA_BOOTSTRAP": "10.0.0.5:9092",
            "KAFKA_SECURITY": "SASL_PLAINTEXT",
            "KAFKA_USERNAME": "a",
            "KAFKA_PASSWORD": "b",
        },
        "KAFKA_SECURITY=SASL_PLAINTEXT",
    ),
    ("tracker", {"KAFKA_SECURITY": "plain"}, "KAFKA_SECURITY='plain'"),
    ("tracker", {"HTTP_HOST": EVERYWHERE}, "HTTP_ALLOW_OPEN=on"),
    ("tracker", {"HTTP_HOST": "::"}, "HTTP_ALLOW_OPEN=on"),
    ("tracker", {"HTTP_HOST": "10.0.0.5"}, "has no login"),
    ("ingest", {"MQTT_HOST": "broker.example"}, "MQTT_ALLOW_PLAINTEXT=on"),
    ("notifier", {"HTTP_HOST": EVERYWHERE}, "set SIGN_IN=required"),
    # Behind a proxy on the same computer.
    ("notifier", {"ALLOWED_HOSTS": "lot.example"}, "everyone who reaches lot.example"),
    ("notifier", {"CORS_ORIGINS": "https://a.example"}, "everyone who reaches a.example"),
    ("notifier", {"SIGN_IN": "on"}, "SIGN_IN='on'"),
    ("notifier", {"SIGN_IN": "required"}, "ACCOUNTS_DATABASE_URL is not set"),
    ("notifier", {"SIGN_INN": "required"}, "did you mean SIGN_IN?"),
    ("notifier", {"CORS_ORIGIN": "https://lot.example"}, "did you mean CORS_ORIGINS?"),
    ("notifier", {"CORS_ORIGINS": "*"}, "CORS_ORIGINS: '*'"),
    ("notifier", {"ALLOWED_HOST": "lot.example"}, "did you mean ALLOWED_HOSTS?"),
    ("notifier", {"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS: '*'"),
    ("notifier", {"ALLOWED_HOSTS": "https://lot.example"}, "ALLOWED_HOSTS"),
    ("notifier", {"NOTIFIER_CLIENT": "5"}, "did you mean NOTIFIER_CLIENTS?"),
    ("notifier", {"NOTIFIER_SPEED": "5"}, "NOTIFIER_SPEED is not a setting"),
    ("notifier", {"KEY_FILE": "keys"}, "did you mean KEYS_FILE?"),
    ("ingest", {"MQTT_TSL": "on"}, "did you mean MQTT_TLS?"),
    ("ingest", {"CAMERAS_KEY": bytes(range(32)).hex()}, "set CAMERAS_NETWORKS"),
    ("ingest", {"MQTT_USER": "bridge"}, "MQTT_USER is not a setting"),
    ("ingest", {"FRAME_MAX_BYTE": "5"}, "did you mean FRAME_MAX_BYTES?"),
    ("ingest", {"PLATE_FILE": "p"}, "did you mean PLATES_FILE?"),
    ("tracker", {"KAFKA_SECURTY": "SSL"}, "did you mean KAFKA_SECURITY?"),
    ("tracker", {"DETECTOR_SKIPS": "off"}, "did you mean DETECTOR_SKIP?"),
    ("tracker", {"HTTP_PORTS": "1"}, "did you mean HTTP_PORT?"),
    ("tracker", {"TRACKER_STALL": "5"}, "did you mean TRACKER_STALL_S?"),
]


def problems(service: str, changes: dict[str, str]) -> list[str]:
    try:
        SERVICES[service].from_env(GOOD | changes)  # type: ignore[attr-defined]
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(("service", "changes", "words"), ODD, ids=[str(odd[1]) for odd in ODD])
def test_odd_settings_start_nothing(service: str, changes: dict[str, str], words: str):
    (line,) = problems(service, changes)
    assert words in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("service", "changes"),
    [
        ("tracker", {}),
        (
            "notifier",
            {"HTTP_HOST": EVERYWHERE, "ALLOWED_HOSTS": "lot.example", "SIGN_IN": "off"},
        ),
        (
            "notifier",
            {"HTTP_HOST": EVERYWHERE, "SIGN_IN": "required", "ACCOUNTS_DATABASE_URL": "x"},
        ),
        ("notifier", {"CORS_ORIGINS": "http://localhost:5173"}),
        ("ingest", {"HTTP_HOST": EVERYWHERE}),
        ("ingest", {"CAMERAS_KEY": bytes(range(32)).hex(), "CAMERAS_NETWORKS": "10.0.0.0/8"}),
        ("tracker", {"HTTP_HOST": EVERYWHERE, "HTTP_ALLOW_OPEN": "on"}),
        ("tracker", {"KAFKA_BOOTSTRAP": "kafka:9092", "KAFKA_ALLOW_PLAINTEXT": "on"}),
        ("tracker", {"KAFKA_BOOTSTRAP": "kafka.example:9093", "KAFKA_SECURITY": "SSL"}),
        ("tracker", {"KAFKA_BOOTSTRAP": "[::1]:9092"}),
        ("tracker", {"DETECTOR_SKIP": "off", "NOTIFIER_RING": "7"}),  # of other services
    ],
)
def test_what_is_meant_starts(service: str, changes: dict[str, str]):
    assert problems(service, changes) == []


def test_variables_of_other_programs_and_kubernetes_are_not_misspellings():
    foreign = ["HTTP_PROXY", "KAFKA_OPTS", "KAFKA_HEAP_OPTS", "KAFKA_HOME", "LOG_DIR", "PATH"]
    links = ["NOTIFIER_SERVICE_HOST", "NOTIFIER_SERVICE_PORT", "NOTIFIER_PORT",
             "MQTT_PORT_1883_TCP", "MQTT_PORT_1883_TCP_ADDR", "KAFKA_PORT",
             "TRACKER_SERVICE_PORT_HTTP"]  # fmt: skip
    assert misspelt([*foreign, *links]) == []


def test_every_setting_that_is_read_is_known():
    read = set()
    files = [*ROOT.glob("services/**/*.py"), *ROOT.glob("parking/**/*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    on_reader = (
                        isinstance(node.func.value, ast.Name) and node.func.value.id == "env"
                    )
                    read |= {first.value} if on_reader else set()
    assert "KAFKA_BOOTSTRAP" in read
    assert {name for name in read if re.fullmatch(r"[A-Z0-9_]+", name)} - {"RUN", "PLATES"} <= KNOWN
