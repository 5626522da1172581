"""The settings of ingest, all read from the environment in one go."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from parking.access.camera_logins import LoginKey
from parking.access.plates import Plates
from parking.core.topics import FRAME_PARTITIONS
from parking.runtime.hosts import is_loopback
from parking.runtime.kafka import KafkaSettings
from parking.runtime.ops import HttpSettings
from parking.runtime.rates import RateLimits
from parking.runtime.settings import Reader, frame_max_bytes
from services.ingest.messages import Limits
from services.ingest.pull.networks import PRIVATE, Networks, SiteNetworks
from services.ingest.shares import ShareSettings

_DEFAULT_HTTP_PORT = 8081
# A camera that posts pictures sends a few per second, and each camera has its own key.
_RATES = RateLimits(each_requests=10, each_bytes=5_000_000, site_requests=200)


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach the broker. Each lane connects as `{client_id}-{lane}`."""

    host: str
    port: int
    username: str
    password: str
    client_id: str = "parking-bridge"
    share_group: str = ""
    tls: bool = True
    ca_file: str = ""

    @classmethod
    def read(cls, env: Reader) -> "MqttSettings":
        """Read MQTT_*. Plain text needs a loopback host or MQTT_ALLOW_PLAINTEXT=on."""
        host = env.text("MQTT_HOST")
        tls = env.flag("MQTT_TLS", True)
        if not (tls or env.flag("MQTT_ALLOW_PLAINTEXT", False) or is_loopback(host)):
            env.problems.append(
                f"MQTT_TLS=off would send the password to {host!r} in plain text: "
                "turn it on, or set MQTT_ALLOW_PLAINTEXT=on"
            )
        settings = cls(
            host=host,
            port=env.integer("MQTT_PORT", 1883, 1, 65535),
            username=env.text("MQTT_USERNAME", "bridge"),
            password=env.secret("MQTT_PASSWORD"),
            client_id=env.text("MQTT_CLIENT_ID", "parking-bridge"),
            share_group=_group(env),
            tls=tls,
            ca_file=env.text("MQTT_CA_FILE", ""),
        )
        if tls and settings.ca_file:
            try:
                settings.context()
            except OSError as error:
                env.problems.append(f"MQTT_CA_FILE: {error}")
        return settings

    def context(self) -> ssl.SSLContext:
        """Load the trusted certificates from the file's current content. Raises OSError, because
        the file may be in the middle of being replaced."""
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ValueError) as error:
            raise OSError(f"no certificates can be read from {self.ca_file!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class PullSettings:
    """Which cameras are polled, and in which networks. `login_key` encrypts the logins of cameras
    that were added on the page."""

    cameras_file: Path | None
    credentials_file: Path | None
    networks: SiteNetworks
    limit_s: float
    login_key: LoginKey | None = None

    @classmethod
    def read(cls, env: Reader) -> "PullSettings | None":
        """Read CAMERAS_FILE and CAMERAS_*; None when no camera is polled."""
        path, key = env.text("CAMERAS_FILE", ""), LoginKey.read(env)
        if not path and key is None:
            return None
        if key is not None and not env.text("CAMERAS_NETWORKS", ""):
            env.problems.append(
                "CAMERAS_KEY lets the administrators of every site choose cameras' addresses: set"
                " CAMERAS_NETWORKS to the cameras' networks, without that of the services"
            )
        return cls(Path(path) if path else None, *_reaching(env), key)


@dataclass(frozen=True, slots=True)
class Settings:
    """KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE],
    KAFKA_CA_FILE;
    HTTPS_HOST, HTTPS_PORT (8443), HTTPS_CERT_FILE, HTTPS_KEY_FILE: a second address of the HTTP
    intake, with TLS and without /metrics;
    MQTT_HOST, MQTT_PORT (1883), MQTT_TLS (on), MQTT_ALLOW_PLAINTEXT (off), MQTT_CA_FILE,
    MQTT_USERNAME (bridge), MQTT_PASSWORD[_FILE], MQTT_CLIENT_ID (parking-bridge; different for
    each bridge), MQTT_SHARE_GROUP: bridges with the same group share the work (mosquitto supports
    this, the embedded broker does not);
    FRAME_MAX_BYTES (1000000), FRAME_MAX_PIXELS (2000000);
    CLOCK_BACK_MS (3600000), CLOCK_AHEAD_MS (5000): how far a device's time may be from receipt
    (less, if its pictures show that its clock is slow: services/ingest/clocks.py);
    GATE_BACK_MS (604800000): the same for gate events, which devices store during an outage;
    HANDOVER_FRAMES (32), HANDOVER_EVENTS (200): how many may wait for Kafka;
    HEARTBEAT_PARTITIONS (1): in how many partitions of parking.frames it writes a heartbeat every
    3 s, from partition 0 on; 12 with several detectors or trackers, 0: none;
    CAMERAS_FILE: cameras to poll (services/ingest/pull/camerafile.py; empty: none),
    CAMERAS_CREDENTIALS_FILE: their logins, mode 600, CAMERAS_NETWORKS (10.0.0.0/8, 172.16.0.0/12,
    192.168.0.0/16, fc00::/7): where they may be, `SITE=10.1.0.0/16` for the cameras of that site
    only, CAMERAS_LIMIT_S (10): how long a poll may take;
    CAMERAS_KEY[_FILE]: 64 hex digits, encrypts the logins of cameras that are added in the page;
    empty: none can be added. Set it at one ingest only, which polls all of them;
    PLATES_FILE: which sites keep plates, in what form, with their keys, mode 600
    (parking/access/plates.py), the same file as the notifier's; empty: only hashes from devices
    are passed on;
    KEYS_FILE: hashed API keys; HTTP_HOST (127.0.0.1), HTTP_PORT (8081); LOG_FORMAT, LOG_LEVEL."""

    kafka: KafkaSettings
    mqtt: MqttSettings
    http: HttpSettings
    limits: Limits
    pull: PullSettings | None
    keys_file: Path
    plates: Plates
    handover_frames: int
    handover_events: int
    heartbeat_partitions: int
    shares: ShareSettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises SettingsError with every problem."""
        env = Reader(environ)
        kafka = KafkaSettings.read(env)
        settings = cls(
            kafka=kafka,
            mqtt=MqttSettings.read(env),
            http=HttpSettings.read(env, _DEFAULT_HTTP_PORT, _RATES, has_keys=True),
            limits=Limits(
                frame_max_bytes=kafka.frame_max_bytes,
                frame_max_pixels=_frame_max_pixels(env),
                clock_back_ms=env.integer("CLOCK_BACK_MS", 3_600_000, 0, 86_400_000),
                gate_back_ms=env.integer("GATE_BACK_MS", 604_800_000, 0, 2_592_000_000),
                clock_ahead_ms=env.integer("CLOCK_AHEAD_MS", 5_000, 0, 3_600_000),
            ),
            pull=PullSettings.read(env),
            keys_file=Path(env.text("KEYS_FILE")),
            plates=Plates.read(env),
            handover_frames=env.integer("HANDOVER_FRAMES", 32, 1, 10_000),
            handover_events=env.integer("HANDOVER_EVENTS", 200, 1, 100_000),
            heartbeat_partitions=env.integer("HEARTBEAT_PARTITIONS", 1, 0, FRAME_PARTITIONS),
            shares=ShareSettings.read(env),
        )
        env.done()
        return settings


def _group(env: Reader) -> str:
    group = env.text("MQTT_SHARE_GROUP", "")
    if group and not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", group):
        env.problems.append(f"MQTT_SHARE_GROUP: {group!r} may contain only A-Z a-z 0-9 _ -")
    return group


def check_settings(environ: Mapping[str, str]) -> tuple[PullSettings, Limits]:
    """Read the settings of `parking cameras check`. Raises SettingsError with every problem
    found."""
    env = Reader(environ)
    pull, limits = PullSettings.read(env), Limits(frame_max_bytes(env), _frame_max_pixels(env))
    if pull is None or pull.cameras_file is None:
        env.problems.append("CAMERAS_FILE is not set")
    env.done()
    return cast(PullSettings, pull), limits


def probe_settings(environ: Mapping[str, str]) -> tuple[Path | None, Networks, float]:
    """Read the settings of `parking cameras probe`: the credentials file, the networks in which
    cameras may be, and how many seconds an answer may take. Raises SettingsError with every problem
    found."""
    env = Reader(environ)
    credentials, networks, limit_s = _reaching(env)
    env.done()
    return credentials, networks.of_all(), limit_s


def _reaching(env: Reader) -> tuple[Path | None, SiteNetworks, float]:
    credentials = env.text("CAMERAS_CREDENTIALS_FILE", "")
    names = env.text("CAMERAS_NETWORKS", ",".join(PRIVATE))
    networks = SiteNetworks(())
    try:
        networks = SiteNetworks.parse(names.split(","))
    except ValueError as error:
        env.problems.append(f"CAMERAS_NETWORKS: {error}")
    limit_s = env.number("CAMERAS_LIMIT_S", 10, 0.1, 60)
    return Path(credentials) if credentials else None, networks, limit_s


def _frame_max_pixels(env: Reader) -> int:
    return env.integer("FRAME_MAX_PIXELS", 2_000_000, 10_000, 50_000_000)
