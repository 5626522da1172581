"""Settings of the embedded stack: folder, ports, which services, how to log."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parking.settings import Reader, frame_max_bytes
from parking.topics import FRAME_MAX_BYTES

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("ingest", "detector", "tracker", "persister", "notifier", "analytics")
PORTS: Final = {
    "kafka": 9092,
    "kafka_controller": 9093,
    "postgres": 15432,
    "s3": 9000,
    "mqtt": 1883,
    "notifier": 8080,
    "ingest": 8081,
    "detector": 8082,
    "tracker": 8083,
    "persister": 8084,
    "analytics": 8085,
}


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the stack keeps things: `state` is its own, `cache` may be shared by several stacks."""

    state: Path
    cache: Path

    @property
    def secrets(self) -> Path:
        """Passwords, one a file."""
        return self.state / "secrets"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Pid files, the status file."""
        return self.state / "run"

    @property
    def data(self) -> Path:
        """What Kafka, PostgreSQL and S3 store."""
        return self.state / "data"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """How to run the stack."""

    paths: Paths
    ports: Mapping[str, int] = field(default_factory=lambda: dict(PORTS))
    services: tuple[str, ...] = SERVICES
    demo: bool = True  # the simulated cameras
    boards: int = 0  # how many of its devices run the firmware itself (DEVICES=unix:N)
    footage: Path | None = None  # a folder with annotations.json; None: the demo site's own
    log_format: str = "text"
    kafka_heap_mb: int = 512
    frame_max_bytes: int = FRAME_MAX_BYTES
    python_env: Mapping[str, str] = field(default_factory=dict)  # what every process inherits

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "StackSettings":
        """STATE, PORT_*, SERVICES, DEMO, DEVICES, FOOTAGE, LOG_FORMAT, KAFKA_HEAP_MB.

        Raises SettingsError with every bad value.
        """
        env = Reader(environ)
        state = Path(env.text("STATE", str(ROOT / ".state"))).absolute()
        ports = {
            name: env.integer(port_setting(name), port, 1, 65535) for name, port in PORTS.items()
        }
        asked = tuple(filter(None, env.text("SERVICES", ",".join(SERVICES)).split(",")))
        services = () if asked == ("none",) else asked
        env.problems += [
            f"SERVICES: there is no service {name!r}, only {', '.join(SERVICES)} (or none)"
            for name in services
            if name not in SERVICES
        ]
        devices = env.text("DEVICES", "unix:0")
        boards = re.fullmatch(r"unix:(\d{1,2})", devices)
        if boards is None:
            env.problems.append(f"DEVICES={devices!r} is not unix:N (N run the firmware itself)")
        footage = env.file("FOOTAGE") if environ.get("FOOTAGE") else None
        settings = cls(
            Paths(state, Path(env.text("CACHE", str(ROOT / ".state" / "cache"))).absolute()),
            ports,
            services,
            env.flag("DEMO", True),
            int(boards[1]) if boards else 0,
            footage.absolute() if footage else None,
            env.choice("LOG_FORMAT", ("text", "json"), "text"),
            env.integer("KAFKA_HEAP_MB", 512, 256, 65536),
            frame_max_bytes(env),
            inherited(environ),
        )
        env.done()
        return settings


def port_setting(name: str) -> str:
    """The environment variable that sets a port."""
    return f"PORT_{name.upper()}"


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for child processes: without what would lead them to other servers."""
    foreign = ("AWS_", "PG", "KAFKA_", "MQTT_", "S3_", "DATABASE_", "HTTP_HOST", "HTTP_PORT")
    return {name: value for name, value in environ.items() if not name.startswith(foreign)}
