"""The persister's settings, from the environment.

KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE],
KAFKA_CA_FILE
FRAME_MAX_BYTES           as in ingest (1000000)
PERSISTER_GROUP           consumer group (parking.persister)
PERSISTER_BATCH           most records in one transaction (500)
PERSISTER_GATHER_MS       Kafka gathers records for a batch for this long, or up to 4 MB: rows
                          are written later by as much, at a tenth of the cost (1000)
PERSISTER_STALL_S         /healthz fails when, for this long while the servers answer, records
                          are not written or partitions not assigned (300)
DATABASE_URL[_FILE]       postgresql://user:password@host/database
DATABASE_CONNECTIONS      size of the pool (4)
S3_BUCKET                 parking-images
S3_ENDPOINT               empty: AWS; else the server's URL
S3_REGION, AWS_*          boto3's own chain; credentials or a role
S3_TIMEOUT_S              connect and read (10)
CAPTURE_POLICY            which pictures are kept: evidence (of changes), all, none
KEEP_CAPTURES_DAYS        rows of frames (30)
KEEP_EVIDENCE_DAYS        pictures (90)
KEEP_DEVICE_EVENTS_DAYS   (30)
KEEP_SESSIONS_DAYS        gate events, and stays from their end (both contain plates' hashes); an
                          open stay is kept (90)
KEEP_PLATES_DAYS          plates themselves, encrypted, where a site keeps them: from the end of
                          their stay (7)
KEEP_CHANGES_DAYS         slot changes; the last expired one of each slot stays (400)
RETENTION_EVERY_S         (600)
RETENTION_ORPHANS_S       an object without a row is removed after this long (3600)
HTTP_HOST, HTTP_PORT      /healthz /readyz /metrics (127.0.0.1, 8084)
LOG_FORMAT text|json, LOG_LEVEL
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from parking.runtime.kafka import KafkaSettings
from parking.runtime.objects import S3Settings
from parking.runtime.ops import HttpSettings
from parking.runtime.settings import Reader
from services.persister.evidence import Policy
from services.persister.retention import Keep

_KEEP_DAYS: Final = {
    "captures": 30,
    "evidence": 90,
    "device_events": 30,
    "sessions": 90,
    "plates": 7,
    "changes": 400,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; see the module's docstring."""

    kafka: KafkaSettings
    group: str
    batch: int
    gather_ms: int
    stall_s: float
    database_url: str
    database_connections: int
    s3: S3Settings
    policy: Policy
    keep: Keep
    http: HttpSettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises SettingsError with every fault."""
        env = Reader(environ)
        days = {
            f"{what}_days": env.number(f"KEEP_{what.upper()}_DAYS", default, 0.01, 36_500)
            for what, default in _KEEP_DAYS.items()
        }
        settings = cls(
            kafka=KafkaSettings.read(env),
            group=env.text("PERSISTER_GROUP", "parking.persister"),
            batch=env.integer("PERSISTER_BATCH", 500, 1, 10_000),
            gather_ms=env.integer("PERSISTER_GATHER_MS", 1000, 0, 10_000),
            stall_s=env.number("PERSISTER_STALL_S", 300.0, 5.0, 3600.0),
            database_url=env.secret("DATABASE_URL"),
            database_connections=env.integer("DATABASE_CONNECTIONS", 4, 2, 50),
            s3=S3Settings.read(env),
            policy=cast(
                Policy, env.choice("CAPTURE_POLICY", ("evidence", "all", "none"), "evidence")
            ),
            keep=Keep(
                **days,
                orphans_s=env.number("RETENTION_ORPHANS_S", 3600, 60, 1e9),
                every_s=env.number("RETENTION_EVERY_S", 600, 1, 86_400),
            ),
            http=HttpSettings.read(env, 8084),
        )
        env.done()
        return settings
