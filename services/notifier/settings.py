"""Settings of the notifier, read from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from parking.access.account_store import Expiry
from parking.access.devices import Address
from parking.access.oidc import Provider, is_safe_address
from parking.access.plates import Plates
from parking.runtime.hosts import is_host, is_loopback
from parking.runtime.kafka import KafkaSettings
from parking.runtime.objects import S3Settings
from parking.runtime.ops import HttpSettings
from parking.runtime.settings import Reader

DASHBOARD: Final = Path(__file__).parents[2] / "dashboard" / "dist"
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process, and how long it waits for a slow client."""

    clients: int = 1000
    clients_each: int = 200
    clients_kept: int = 100
    queue_messages: int = 256
    ring_changes: int = 4096
    resume_changes: int = 10_000
    watched_cameras: int = 32
    viewers: int = 64
    viewers_each: int = 32
    viewers_kept: int = 8
    send_timeout_s: float = 10.0
    ping_s: float = 15.0

    @classmethod
    def read(cls, env: Reader) -> "Limits":
        """Read NOTIFIER_*."""
        return cls(
            clients=env.integer("NOTIFIER_CLIENTS", 1000, 1, 100_000),
            clients_each=env.integer("NOTIFIER_CLIENTS_EACH", 200, 1, 100_000),
            clients_kept=env.integer("NOTIFIER_CLIENTS_KEPT", 100, 0, 100_000),
            queue_messages=env.integer("NOTIFIER_QUEUE", 256, 1, 100_000),
            ring_changes=env.integer("NOTIFIER_RING", 4096, 1, 1_000_000),
            resume_changes=env.integer("NOTIFIER_RESUME", 10_000, 1, 1_000_000),
            watched_cameras=env.integer("NOTIFIER_CAMERAS", 32, 1, 1000),
            viewers=env.integer("NOTIFIER_VIEWERS", 64, 1, 10_000),
            viewers_each=env.integer("NOTIFIER_VIEWERS_EACH", 32, 1, 10_000),
            viewers_kept=env.integer("NOTIFIER_VIEWERS_KEPT", 8, 0, 10_000),
            send_timeout_s=env.number("NOTIFIER_SEND_TIMEOUT_S", 10, 0.1, 600),
            ping_s=env.number("NOTIFIER_PING_S", 15, 0.1, 60),
        )


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Ingest's address, and a key with the scopes `live` and `cameras`. `FRAME_MAX_BYTES` limits
    its pictures in the same way as those in Kafka."""

    url: str
    key: str = field(repr=False)
    picture_max_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """The settings for places where people have to sign in. `url` is the accounts' Postgres."""

    url: str = field(repr=False)
    expiry: Expiry
    audit_days: int
    setup_code: str = field(repr=False, default="")
    secure_cookie: bool = False
    oidc: Provider | None = None

    @classmethod
    def read(cls, env: Reader, host: str) -> "SignInSettings | None":
        """Read the SIGN_IN settings; None means that nobody has to sign in. `host` is an address or
        name under which the server is reached, one beyond this computer if there is any."""
        chosen = env.choice("SIGN_IN", ("off", "required"), "off")
        if not env.text("SIGN_IN", "") and not is_loopback(host):
            env.problems.append(
                f"everyone who reaches {host} would see live pictures and stays: set"
                " SIGN_IN=required (docs/security.md), or SIGN_IN=off to allow it"
            )
        oidc = _oidc(env)
        if chosen != "required":
            if oidc is not None:
                env.problems.append("OIDC_ISSUER is only for SIGN_IN=required")
            return None
        hours = env.integer("SIGN_IN_IDLE_H", 12, 1, 24 * 400)
        days = env.integer("SIGN_IN_DAYS", 30, 1, 400)
        return cls(
            env.secret("ACCOUNTS_DATABASE_URL"),
            Expiry(hours * 3_600_000, days * 86_400_000),
            env.integer("KEEP_AUDIT_DAYS", 400, 1, 10_000),
            env.secret("SETUP_CODE", optional=True),
            env.flag("SIGN_IN_SECURE", False),
            oidc,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_SASL_MECHANISM, KAFKA_USERNAME,
    KAFKA_PASSWORD[_FILE], KAFKA_CA_FILE, HTTP_HOST (127.0.0.1), HTTP_PORT (8080),
    HTTP_KEEP_ALIVE_S (90), ALLOWED_HOSTS, LOG_FORMAT, LOG_LEVEL; HTTPS_HOST, HTTPS_PORT (8443),
    HTTPS_CERT_FILE, HTTPS_KEY_FILE: a second address, with TLS and without /metrics; and:

    DATABASE_URL[_FILE]  Postgres, for /api/history, /api/captures, proposals of slots, versions
                         of layouts and when devices were last seen; empty: 503, and the devices'
                         list without it
    S3_BUCKET, S3_ENDPOINT, S3_REGION, S3_TIMEOUT_S, AWS_*    as the persister's, for the pictures
                         of past changes; S3_BUCKET empty: 503
    KEYS_FILE            API keys (`parking keys`); required. Until the file exists, writes are
                         refused
    SIGN_IN              required: people sign in, programs need a key to read; off: everybody may
                         look. Must be set where HTTP_HOST is not this machine (default there: off)
    ACCOUNTS_DATABASE_URL[_FILE]    Postgres, as a role that may write the schema `accounts`;
                         required with SIGN_IN=required
    SETUP_CODE[_FILE]    asked for when the page creates the administrator; empty: that needs
                         `parking accounts add`
    SIGN_IN_IDLE_H (12), SIGN_IN_DAYS (30)    a sign-in ends so long after its last use or its start
    SIGN_IN_SECURE (off)    on: the cookie is only for https, whatever a proxy says
    OIDC_ISSUER          an OpenID Connect provider that signs people in, too: its issuer, https://
                         (http only on this computer); empty: only passwords
    OIDC_CLIENT_ID, OIDC_CLIENT_SECRET[_FILE]    how this system is registered there; required with
                         OIDC_ISSUER. Register the page's address with a slash as redirect URI
    OIDC_LABEL           the provider's name on the page (the issuer's host)
    KEEP_AUDIT_DAYS (400)    how long the audit log is kept
    DEVICES_FILE         the MQTT broker's password file, for /api/sites/{site}/devices; empty: 503
    DEVICE_MQTT_URL, DEVICE_CA_FILE    the broker for devices, mqtts://host:port, and its CA
    MQTT_ALLOW_PLAINTEXT (off)    on: DEVICE_MQTT_URL and DEVICE_HTTP_URL may be unencrypted
    DEVICE_HTTP_URL      ingest for devices, https://host:port, for those that post pictures
    PLATES_FILE          ingest's file of sites that keep plates, with their keys; empty: no plates
    CORS_ORIGINS         comma list of origins whose pages may read, and command as whoever is
                         signed in (docs/security.md); /ws too. Add the dashboard's public one
                         (https://lot.example), also behind a proxy that changes the Host. Its own
                         at localhost, an address or a local name is always allowed; empty: no
                         other
    DASHBOARD_DIR        the built dashboard (default dashboard/dist)
    SOURCE_URL           URL of this server's source code, for the page's link (AGPL-3.0)
    LIVE_URL             ingest's address, for live pictures of the cameras that it polls and to add
                         cameras; empty: /api/stream shows the frames in Kafka, none can be added
    LIVE_KEY[_FILE]      an API key of the scopes `live` and, to add cameras in the page, `cameras`;
                         required with LIVE_URL
    FRAME_MAX_BYTES (1000000), as in ingest
    DETECTOR_URL         the detector's private address, for what it says of slots while somebody
                         draws them; empty: 503
    NOTIFIER_CLIENTS (1000), NOTIFIER_VIEWERS (64)    event streams and live pictures at a time
    NOTIFIER_CLIENTS_EACH (200), NOTIFIER_VIEWERS_EACH (32)    limit of these per address or
                         API key
    NOTIFIER_CLIENTS_KEPT (100), NOTIFIER_VIEWERS_KEPT (8)    how many are reserved for clients
                         with a known API key
    NOTIFIER_QUEUE (256), NOTIFIER_SEND_TIMEOUT_S (10)    messages that may wait for a client, and
                         for how long; then its stream is ended
    NOTIFIER_RING (4096), NOTIFIER_RESUME (10000)    changes kept for resuming, and most sent
    NOTIFIER_CAMERAS (32)    cameras that may be watched at a time
    NOTIFIER_PING_S (15)    interval of pings on quiet streams
    """

    kafka: KafkaSettings
    http: HttpSettings
    database_url: str
    keys_file: Path
    devices_file: Path | None
    device_address: Address | None
    cors_origins: tuple[str, ...]
    dashboard_dir: Path
    limits: Limits
    plates: Plates
    objects: S3Settings | None = None
    live: LiveSource | None = None
    source_url: str = ""
    sign_in: SignInSettings | None = None
    detector_url: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises SettingsError with every problem."""
        env = Reader(environ)
        kafka, http = KafkaSettings.read(env), _http(env)
        # A proxy on this computer serves the public names, so they count too.
        named = (name for name in http.allowed_hosts if is_host(name))
        hosts = [http.host, *([http.tls.host] if http.tls else []), *named]
        open_host = next((host for host in hosts if not is_loopback(host)), http.host)
        settings = cls(
            kafka=kafka,
            live=_live(env, kafka.frame_max_bytes),
            http=http,
            sign_in=SignInSettings.read(env, open_host),
            source_url=_source(env),
            detector_url=_detector(env),
            database_url=env.secret("DATABASE_URL", optional=True),
            keys_file=Path(env.text("KEYS_FILE")),
            devices_file=_path(env.text("DEVICES_FILE", "")),
            device_address=Address.read(env),
            plates=Plates.read(env),
            cors_origins=_origins(env),
            dashboard_dir=Path(env.text("DASHBOARD_DIR", str(DASHBOARD))),
            limits=Limits.read(env),
            objects=S3Settings.read(env) if env.text("S3_BUCKET", "") else None,
        )
        env.done()
        return settings


def _http(env: Reader) -> HttpSettings:
    """Return the HTTP settings. Hosts of the allowed pages are accepted as Host names too."""
    http = HttpSettings.read(env, 8080, has_keys=True)
    hosts = tuple(urlsplit(origin).hostname or "" for origin in _named(env))
    return replace(http, allowed_hosts=(*http.allowed_hosts, *hosts))


def _oidc(env: Reader) -> Provider | None:
    issuer = env.text("OIDC_ISSUER", "")
    if not issuer:
        return None
    if not is_safe_address(issuer) or "?" in issuer:
        env.problems.append(
            f"OIDC_ISSUER={issuer!r} is not an address like https://login.example.org/realms/parking"
        )
        return None
    label = env.text("OIDC_LABEL", urlsplit(issuer).hostname)
    if len(label) > 60 or not label.isprintable():
        env.problems.append("OIDC_LABEL has up to 60 characters, on one line")
    client_id, secret = env.text("OIDC_CLIENT_ID"), env.secret("OIDC_CLIENT_SECRET")
    for name, value in {"OIDC_CLIENT_ID": client_id, "OIDC_CLIENT_SECRET": secret}.items():
        if not (value.isascii() and value.isprintable()):
            env.problems.append(f"{name} has characters other than ASCII")
    return Provider(issuer, client_id, secret, label)


def _source(env: Reader) -> str:
    url = env.text("SOURCE_URL", "")
    if url and not re.fullmatch(r"https?://[!-~]+", url):
        env.problems.append(
            f"SOURCE_URL={url!r} is not an address like https://example.org/parking"
        )
    return url


def _detector(env: Reader) -> str:
    url = env.text("DETECTOR_URL", "").rstrip("/")
    if url and not _ORIGIN.fullmatch(url):
        env.problems.append(f"DETECTOR_URL={url!r} is not an address like http://detector:5000")
    return url


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _live(env: Reader, picture_max_bytes: int) -> LiveSource | None:
    url = env.text("LIVE_URL", "").rstrip("/")
    if not url:
        return None
    if not _ORIGIN.fullmatch(url):
        env.problems.append(f"LIVE_URL={url!r} is not an address like http://127.0.0.1:8081")
    return LiveSource(url, env.secret("LIVE_KEY"), picture_max_bytes)


def _named(env: Reader) -> tuple[str, ...]:
    return tuple(o.strip() for o in env.text("CORS_ORIGINS", "").split(",") if o.strip())


def _origins(env: Reader) -> tuple[str, ...]:
    origins = _named(env)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            env.problems.append(
                f"CORS_ORIGINS: {origin!r} is not an origin like https://example.org"
            )
    return origins
