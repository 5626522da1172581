from pathlib import Path

import pytest

from parking.core.errors import SettingsError
from parking.runtime.kafka import KafkaSettings
from parking.runtime.settings import Reader
from services.ingest.settings import MqttSettings


def test_every_problem_is_reported_together(tmp_path):
    env = Reader({"PORT": "99999", "RATE": "many", "MODE": "fast", "ON": "perhaps"})
    env.text("MISSING")
    env.integer("PORT", 1, 1, 65535)
    env.number("RATE", 1.0, 0, 10)
    env.choice("MODE", ("slow",), "slow")
    env.flag("ON", default=True)
    env.secret("TOKEN")
    env.file("MODEL")
    with pytest.raises(SettingsError) as caught:
        env.done()
    text = str(caught.value)
    for name in ("MISSING", "PORT", "RATE", "MODE", "ON", "TOKEN", "TOKEN_FILE", "MODEL"):
        assert name in text


def test_a_secret_comes_from_the_environment_or_from_a_closed_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("from-file\n")
    path.chmod(0o600)
    env = Reader({"A": "direct", "B_FILE": str(path)})
    assert (env.secret("A"), env.secret("B")) == ("direct", "from-file")
    env.done()


@pytest.mark.parametrize(
    ("mode", "content", "complaint"), [(0o644, "x", "open to others"), (0o600, "", "is empty")]
)
def test_a_secret_file_open_to_others_or_empty_does_not_start(tmp_path, mode, content, complaint):
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    env = Reader({"TOKEN_FILE": str(path)})
    env.secret("TOKEN")
    with pytest.raises(SettingsError, match=complaint):
        env.done()


def test_a_secret_never_shows_in_the_complaint(tmp_path):
    env = Reader({"TOKEN": "canary", "PORT": "x"})
    env.secret("TOKEN")
    env.integer("PORT", 1, 1, 2)
    with pytest.raises(SettingsError) as caught:
        env.done()
    assert "canary" not in str(caught.value)


def test_sasl_needs_a_user_and_a_password():
    env = Reader({"KAFKA_BOOTSTRAP": "127.0.0.1:9092", "KAFKA_SECURITY": "SASL_SSL"})
    KafkaSettings.read(env)
    assert len(env.problems) == 2


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_reported(tmp_path: Path, content: str | None):
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    settings = {"MQTT_HOST": "broker.example", "MQTT_PASSWORD": "secret", "MQTT_CA_FILE": str(path)}
    env = Reader(settings)
    MqttSettings.read(env)
    (problem,) = env.problems
    assert problem.startswith(f"MQTT_CA_FILE: no certificates can be read from '{path}'")
