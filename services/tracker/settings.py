"""The settings of the tracker, all read from the environment at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from parking.runtime.kafka import KafkaSettings
from parking.runtime.ops import HttpSettings
from parking.runtime.settings import Reader

_DEFAULT_HTTP_PORT = 8083


@dataclass(frozen=True, slots=True)
class Settings:
    """KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE],
    KAFKA_CA_FILE; FRAME_MAX_BYTES (1000000), as in ingest;
    TRACKER_TICK_S (1): shortest time between ticks of a site; ticks are written only when they can
    change something;
    TRACKER_SESSION_S (10): how long Kafka waits for a dead tracker before another takes over;
    TRACKER_STALL_S (120): /healthz fails when, for this long while Kafka answers, records are not
    applied or partitions not assigned;
    RUN (live): a replay's name: topics, group and transactions of its own, part of every output's
    id, and no ticks except recorded ones;
    HTTP_HOST (127.0.0.1), HTTP_PORT (8083); LOG_FORMAT, LOG_LEVEL.
    Observations needed, confidence and silence are parameters of a site, set by command."""

    kafka: KafkaSettings
    http: HttpSettings
    tick_s: float
    session_s: float
    stall_s: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises SettingsError with every problem."""
        env = Reader(environ)
        settings = cls(
            kafka=KafkaSettings.read(env, replays=True),
            http=HttpSettings.read(env, _DEFAULT_HTTP_PORT),
            tick_s=env.number("TRACKER_TICK_S", 1.0, 0.1, 60.0),
            session_s=env.number("TRACKER_SESSION_S", 10.0, 6.0, 60.0),
            stall_s=env.number("TRACKER_STALL_S", 120.0, 5.0, 3600.0),
        )
        env.done()
        return settings
