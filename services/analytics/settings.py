"""The settings of analytics, all read from the environment at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from parking.runtime.kafka import KafkaSettings
from parking.runtime.ops import HttpSettings
from parking.runtime.settings import Reader

_DEFAULT_HTTP_PORT = 8085


@dataclass(frozen=True, slots=True)
class Settings:
    """KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE],
    KAFKA_CA_FILE; FRAME_MAX_BYTES (1000000), as in ingest;
    ANALYTICS_SESSION_S (10): how long Kafka waits for a dead worker before another takes over;
    ANALYTICS_STALL_S (120): /healthz fails when, for this long while Kafka answers, records are
    not applied or partitions not assigned;
    HTTP_HOST (127.0.0.1), HTTP_PORT (8085); LOG_FORMAT, LOG_LEVEL."""

    kafka: KafkaSettings
    http: HttpSettings
    session_s: float
    stall_s: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises SettingsError with every problem."""
        env = Reader(environ)
        settings = cls(
            kafka=KafkaSettings.read(env),
            http=HttpSettings.read(env, _DEFAULT_HTTP_PORT),
            session_s=env.number("ANALYTICS_SESSION_S", 10.0, 6.0, 60.0),
            stall_s=env.number("ANALYTICS_STALL_S", 120.0, 5.0, 3600.0),
        )
        env.done()
        return settings
