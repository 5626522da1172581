"""Settings of the embedded stack: folder, ports, which services, how to log."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parking.core.topics import FRAME_MAX_BYTES
from parking.runtime.settings import Reader, frame_max_bytes
from tools.stack.network import Lan, read_lan

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("ingest", "detector", "tracker", "persister", "notifier", "analytics")
LAN_PORTS: Final = {"page": 8443, "mqtts": 8883, "intake": 8444}
"""The doors of LAN=1, each with TLS: the page and API, MQTT, ingest's HTTP intake."""
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
    **LAN_PORTS,
}


@dataclass(frozen=True, slots=True)
class Paths:
    """The stack's folders. `state` is its own; several stacks may share `cache`."""

    state: Path
    cache: Path

    @property
    def secrets(self) -> Path:
        """The folder of passwords, one per file."""
        return self.state / "secrets"

    @property
    def logs(self) -> Path:
        """The folder of logs, one file per process."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """The folder of pid files and the status file."""
        return self.state / "run"

    @property
    def lan(self) -> Path:
        """The file with the running stack's address on the local network."""
        return self.run / "lan"

    @property
    def data(self) -> Path:
        """The folder in which Kafka, PostgreSQL and S3 store their data."""
        return self.state / "data"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """How to run the stack."""

    paths: Paths
    ports: Mapping[str, int] = field(default_factory=lambda: dict(PORTS))
    services: tuple[str, ...] = SERVICES
    demo: bool = True  # the simulated cameras
    boards: int = 0  # how many of its devices run the real firmware (DEVICES=unix:N)
    footage: Path | None = None  # a folder with annotations.json; None means the demo site's own
    log_format: str = "text"
    kafka_heap_mb: int = 512
    frame_max_bytes: int = FRAME_MAX_BYTES
    python_env: Mapping[str, str] = field(default_factory=dict)  # what every process inherits
    sign_in: str = "off"
    lan: Lan | None = None  # the address that is open to the local network

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "StackSettings":
        """Read STATE, PORT_*, SERVICES, DEMO, DEVICES, FOOTAGE, LOG_FORMAT, KAFKA_HEAP_MB, SIGN_IN,
        LAN and LAN_HOST.

        Raises SettingsError with every bad value.
        """
        env = Reader(environ)
        state = Path(env.text("STATE", str(ROOT / ".state"))).absolute()
        ports = {
            name: env.integer(port_setting(name), port, 1, 65535) for name, port in PORTS.items()
        }
        chosen = tuple(filter(None, env.text("SERVICES", ",".join(SERVICES)).split(",")))
        services = () if chosen == ("none",) else chosen
        env.problems += [
            f"SERVICES: there is no service {name!r}, only {', '.join(SERVICES)} (or none)"
            for name in services
            if name not in SERVICES
        ]
        devices = env.text("DEVICES", "unix:0")
        boards = re.fullmatch(r"unix:(\d{1,2})", devices)
        if boards is None:
            env.problems.append(
                f"DEVICES={devices!r} is not unix:N (N devices run the real firmware)"
            )
        footage = env.file("FOOTAGE") if environ.get("FOOTAGE") else None
        lan = read_lan(env)
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
            _sign_in(env, lan),
            lan,
        )
        env.done()
        return settings


def _sign_in(env: Reader, lan: Lan | None) -> str:
    """Return whether people sign in. They always do if the stack is open to the local network."""
    usual = "off" if lan is None else "required"
    chosen = env.choice("SIGN_IN", ("off", "required"), usual)
    if lan is not None and chosen == "off":
        env.problems.append("SIGN_IN=off would show everything to the network: omit LAN")
    return chosen


def port_setting(name: str) -> str:
    """Return the environment variable that sets a port."""
    return f"PORT_{name.upper()}"


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for child processes, without variables that would point them to other
    servers."""
    foreign = (
        "AWS_",
        "PG",
        "KAFKA_",
        "MQTT_",
        "S3_",
        "DATABASE_",
        "HTTP_HOST",
        "HTTP_PORT",
        "HTTPS_",
        "ACCOUNTS_",
        "SETUP_CODE",
    )
    return {name: value for name, value in environ.items() if not name.startswith(foreign)}
