"""Settings of the notifier, from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parking.devices import Address
from parking.kafka import KafkaSettings
from parking.ops import HttpSettings
from parking.plates import Plates
from parking.settings import Reader

DASHBOARD: Final = Path(__file__).parents[2] / "dashboard" / "dist"
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process holds at most, and how long it waits for a slow client."""

    clients: int = 1000
    queue_messages: int = 256
    ring_changes: int = 4096
    resume_changes: int = 10_000
    watched_cameras: int = 32
    viewers: int = 64
    send_timeout_s: float = 10.0
    ping_s: float = 15.0


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Where ingest answers, and a key of scope `live`. Pictures are no larger than Kafka's."""

    url: str
    key: str = field(repr=False)
    picture_max_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_SASL_MECHANISM, KAFKA_USERNAME,
    KAFKA_PASSWORD[_FILE], KAFKA_CA_FILE, HTTP_HOST (127.0.0.1), HTTP_PORT (8080),
    HTTP_KEEP_ALIVE_S (90), LOG_FORMAT, LOG_LEVEL, and:

    DATABASE_URL[_FILE]  Postgres, for /api/history, /api/captures and when devices were last seen;
                         empty: 503, and the devices' list without it
    KEYS_FILE            API keys (`parking keys`); needed. While no such file is there, nothing can
                         be written
    DEVICES_FILE         the MQTT broker's password file, for /api/sites/{site}/devices; empty: 503
    DEVICE_MQTT_URL, DEVICE_CA_FILE    the broker as devices find it, mqtts://host:port, and its CA
    MQTT_ALLOW_PLAINTEXT (off)    on: DEVICE_MQTT_URL and DEVICE_HTTP_URL may be unencrypted
    DEVICE_HTTP_URL      ingest as devices find it, https://host:port, for those that post pictures
    PLATES_FILE          which sites keep plates, and their keys: ingest's; empty: none is known
    CORS_ORIGINS         comma list of origins that may read from a browser, /ws too: name here the
                         dashboard's public one (https://lot.example), also behind a proxy that
                         changes the Host. Its own at localhost, an address or a local name counts
                         without; empty: no other
    DASHBOARD_DIR        the built dashboard (default dashboard/dist)
    LIVE_URL             ingest's address, for live pictures of the cameras that it fetches; empty:
                         /api/stream shows what comes to Kafka
    LIVE_KEY[_FILE]      an API key of scope `live`; needed with LIVE_URL
    FRAME_MAX_BYTES (1000000), as in ingest
    NOTIFIER_CLIENTS (1000), NOTIFIER_VIEWERS (64)    event streams and live pictures at a time
    NOTIFIER_QUEUE (256), NOTIFIER_SEND_TIMEOUT_S (10)    messages that may wait for a client, and
                         how long for one; then its stream is ended
    NOTIFIER_RING (4096), NOTIFIER_RESUME (10000)    changes kept to resume from, and sent at most
    NOTIFIER_CAMERAS (32)    cameras whose pictures are watched at a time
    NOTIFIER_PING_S (15)    a sign of life on streams where nothing happens
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
    live: LiveSource | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError with every problem."""
        env = Reader(environ)
        kafka = KafkaSettings.read(env)
        settings = cls(
            kafka=kafka,
            live=_live(env, kafka.frame_max_bytes),
            http=HttpSettings.read(env, 8080),
            database_url=env.secret("DATABASE_URL", optional=True),
            keys_file=Path(env.text("KEYS_FILE")),
            devices_file=_path(env.text("DEVICES_FILE", "")),
            device_address=Address.read(env),
            plates=Plates.read(env),
            cors_origins=_origins(env),
            dashboard_dir=Path(env.text("DASHBOARD_DIR", str(DASHBOARD))),
            limits=Limits(
                clients=env.integer("NOTIFIER_CLIENTS", 1000, 1, 100_000),
                queue_messages=env.integer("NOTIFIER_QUEUE", 256, 1, 100_000),
                ring_changes=env.integer("NOTIFIER_RING", 4096, 1, 1_000_000),
                resume_changes=env.integer("NOTIFIER_RESUME", 10_000, 1, 1_000_000),
                watched_cameras=env.integer("NOTIFIER_CAMERAS", 32, 1, 1000),
                viewers=env.integer("NOTIFIER_VIEWERS", 64, 1, 10_000),
                send_timeout_s=env.number("NOTIFIER_SEND_TIMEOUT_S", 10, 0.1, 600),
                ping_s=env.number("NOTIFIER_PING_S", 15, 0.1, 60),
            ),
        )
        env.done()
        return settings


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _live(env: Reader, picture_max_bytes: int) -> LiveSource | None:
    url = env.text("LIVE_URL", "").rstrip("/")
    if not url:
        return None
    if not _ORIGIN.fullmatch(url):
        env.problems.append(f"LIVE_URL={url!r} is no address like http://127.0.0.1:8081")
    return LiveSource(url, env.secret("LIVE_KEY"), picture_max_bytes)


def _origins(env: Reader) -> tuple[str, ...]:
    origins = tuple(o.strip() for o in env.text("CORS_ORIGINS", "").split(",") if o.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            env.problems.append(f"CORS_ORIGINS: {origin!r} is no origin like https://example.org")
    return origins
