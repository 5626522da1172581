from pathlib import Path

import pytest

from parking.errors import SettingsError
from services.notifier.settings import DASHBOARD, Settings

NEEDED = {"KAFKA_BOOTSTRAP": "127.0.0.1:9092", "KEYS_FILE": "keys"}


def test_little_is_needed():
    settings = Settings.from_env(NEEDED)
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8080)
    assert (settings.database_url, settings.cors_origins) == ("", ())
    assert settings.dashboard_dir == DASHBOARD
    assert settings.limits.ping_s == 15.0


def test_every_value_can_be_set():
    more = {
        "DATABASE_URL": "postgresql://x",
        "CORS_ORIGINS": "https://a.example, http://localhost:5173",
        "DASHBOARD_DIR": "site",
        "NOTIFIER_RING": "7",
        "NOTIFIER_SEND_TIMEOUT_S": "0.5",
    }
    settings = Settings.from_env(NEEDED | more)
    assert settings.cors_origins == ("https://a.example", "http://localhost:5173")
    assert settings.dashboard_dir == Path("site")
    assert (settings.limits.ring_changes, settings.limits.send_timeout_s) == (7, 0.5)


def test_all_faults_are_told_together():
    wrong = {"CORS_ORIGINS": "*", "NOTIFIER_PING_S": "0", "HTTP_PORT": "x"}
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(wrong)
    told = "\n".join(raised.value.problems)
    for name in ("KAFKA_BOOTSTRAP", "KEYS_FILE", "CORS_ORIGINS", "NOTIFIER_PING_S", "HTTP_PORT"):
        assert name in told


def test_live_pictures_need_an_address_and_a_key():
    settings = Settings.from_env(
        NEEDED | {"LIVE_URL": "http://127.0.0.1:8081/", "LIVE_KEY": "pk_x"}
    )
    assert settings.live is not None
    assert settings.live.url == "http://127.0.0.1:8081"
    assert "pk_x" not in repr(settings)
    assert Settings.from_env(NEEDED).live is None
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(NEEDED | {"LIVE_URL": "127.0.0.1/x"})
    told = "\n".join(raised.value.problems)
    assert "LIVE_URL" in told
    assert "LIVE_KEY is not set" in told
