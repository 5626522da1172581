from pathlib import Path

import pytest

from parking.core.errors import SettingsError
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
        "SIGN_IN": "off",
        "NOTIFIER_RING": "7",
        "NOTIFIER_SEND_TIMEOUT_S": "0.5",
    }
    settings = Settings.from_env(NEEDED | more)
    assert settings.cors_origins == ("https://a.example", "http://localhost:5173")
    assert settings.dashboard_dir == Path("site")
    assert (settings.limits.ring_changes, settings.limits.send_timeout_s) == (7, 0.5)


def test_all_faults_are_reported_together():
    wrong = {"CORS_ORIGINS": "*", "NOTIFIER_PING_S": "0", "HTTP_PORT": "x"}
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(wrong)
    problems = "\n".join(raised.value.problems)
    for name in ("KAFKA_BOOTSTRAP", "KEYS_FILE", "CORS_ORIGINS", "NOTIFIER_PING_S", "HTTP_PORT"):
        assert name in problems


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
    problems = "\n".join(raised.value.problems)
    assert "LIVE_URL" in problems
    assert "LIVE_KEY is not set" in problems


OIDC = {
    "SIGN_IN": "required",
    "ACCOUNTS_DATABASE_URL": "postgresql://x",
    "OIDC_ISSUER": "https://login.example.org/realms/parking",
    "OIDC_CLIENT_ID": "parking",
    "OIDC_CLIENT_SECRET": "very-secret",
}


def test_an_openid_provider_is_named_after_its_host():
    settings = Settings.from_env(NEEDED | OIDC)
    assert settings.sign_in is not None
    assert settings.sign_in.oidc is not None
    assert settings.sign_in.oidc.label == "login.example.org"
    assert "very-secret" not in repr(settings)
    labelled = Settings.from_env(NEEDED | OIDC | {"OIDC_LABEL": "Work account"})
    assert labelled.sign_in is not None
    assert labelled.sign_in.oidc is not None
    assert labelled.sign_in.oidc.label == "Work account"
    local = Settings.from_env(NEEDED | OIDC | {"OIDC_ISSUER": "http://127.0.0.1:9000"})
    assert local.sign_in is not None
    without = Settings.from_env(NEEDED | OIDC | {"OIDC_ISSUER": ""})
    assert without.sign_in is not None
    assert without.sign_in.oidc is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"SIGN_IN": "off"}, "only for SIGN_IN=required"),
        ({"OIDC_ISSUER": "http://login.example.org"}, "OIDC_ISSUER="),
        ({"OIDC_ISSUER": "https://me@login.example.org"}, "OIDC_ISSUER="),
        ({"OIDC_ISSUER": "https://login.example.org/?x"}, "OIDC_ISSUER="),
        ({"OIDC_ISSUER": "https://login.example.org:x"}, "OIDC_ISSUER="),
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is not set"),
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET is not set"),
        ({"OIDC_CLIENT_SECRET": "ä"}, "OIDC_CLIENT_SECRET"),
        ({"OIDC_LABEL": "x" * 61}, "OIDC_LABEL"),
        ({"OIDC_ISUER": "https://login.example.org"}, "did you mean OIDC_ISSUER?"),
    ],
    ids=str,
)
def test_an_unsafe_or_unfinished_openid_provider_does_not_start(wrong: dict[str, str], words: str):
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(NEEDED | OIDC | wrong)
    assert words in "\n".join(raised.value.problems)
