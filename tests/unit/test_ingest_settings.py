"""Every error in the environment is reported at once, and no secret is sent in plain text."""

import pytest

from parking.core.errors import SettingsError
from services.ingest.settings import Settings, probe_settings

GOOD = {
    "KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "MQTT_HOST": "127.0.0.1",
    "MQTT_TLS": "off",
    "MQTT_PASSWORD": "secret",
    "KEYS_FILE": "keys",
}


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | changes)
    return caught.value.problems


def test_a_good_environment_is_read():
    settings = Settings.from_env(GOOD | {"FRAME_MAX_BYTES": "50000", "CLOCK_BACK_MS": "60000"})
    assert (settings.mqtt.port, settings.mqtt.username) == (1883, "bridge")
    assert settings.limits.frame_max_bytes == settings.kafka.frame_max_bytes == 50_000
    assert settings.limits.clock_back_ms == 60_000
    assert settings.http.port == 8081


def test_all_that_is_missing_is_reported_together():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({})
    problems_text = "\n".join(caught.value.problems)
    for name in ("KAFKA_BOOTSTRAP", "MQTT_HOST", "MQTT_PASSWORD", "KEYS_FILE"):
        assert name in problems_text


def test_a_site_that_keeps_plates_without_a_key_does_not_start():
    (problem,) = problems(PLATES='{"demo": {"plates": "text"}}')
    assert "PLATES_FILE, site 'demo': plates 'text' needs a key" in problem


@pytest.mark.parametrize("host", ["broker.example", "10.0.0.7", "127.0.0.1.evil.example"])
def test_plain_text_to_another_machine_must_be_asked_for(host):
    assert "MQTT_TLS=off" in problems(MQTT_HOST=host)[0]
    allowed = GOOD | {"MQTT_HOST": host, "MQTT_ALLOW_PLAINTEXT": "on"}
    assert not Settings.from_env(allowed).mqtt.tls


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_encryption(host):
    assert Settings.from_env(GOOD | {"MQTT_HOST": host}).mqtt.host == host


def test_encryption_is_on_unless_turned_off():
    assert Settings.from_env({k: v for k, v in GOOD.items() if k != "MQTT_TLS"}).mqtt.tls


def test_without_a_cameras_file_no_camera_is_asked():
    assert Settings.from_env(GOOD).pull is None
    pull = Settings.from_env(GOOD | {"CAMERAS_FILE": "cameras.json"}).pull
    assert pull is not None
    assert (pull.credentials_file, pull.limit_s) == (None, 10)
    pull.networks.of("lot").check("192.168.1.20")
    with pytest.raises(OSError, match=r"not in an allowed network"):
        pull.networks.of("lot").check("127.0.0.1")


def test_invalid_networks_are_reported():
    wrong = {"CAMERAS_FILE": "cameras.json", "CAMERAS_NETWORKS": "10.0.0.0/8,home"}
    assert problems(**wrong)[0].startswith("CAMERAS_NETWORKS: 'home'")


def test_a_network_can_belong_to_one_site():
    pull = Settings.from_env(
        GOOD | {"CAMERAS_FILE": "cameras.json"} | {"CAMERAS_NETWORKS": "north=10.1.0.0/16"}
    ).pull
    assert pull is not None
    pull.networks.of("north").check("10.1.2.3")
    with pytest.raises(OSError, match=r"not in an allowed network"):
        pull.networks.of("south").check("10.1.2.3")
    _, for_commands, _ = probe_settings({"CAMERAS_NETWORKS": "north=10.1.0.0/16"})
    for_commands.check("10.1.2.3")
