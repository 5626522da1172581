"""The services as parts of the stack: their environment, their health, what they need first."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from parking.keys import KeyFile
from parking.secret_files import made_once, write_private
from parking.stack import mqtt, objects, postgres
from parking.stack.checks import HOST, NotReady, healthz, http_status
from parking.stack.settings import ROOT, Paths, StackSettings
from parking.stack.supervisor import Part

NOTIFIERS_KEY: Final = "notifier"
NEEDS: Final = {
    "ingest": ("kafka", "mqtt"),
    "detector": ("kafka",),
    "tracker": ("kafka",),
    "persister": ("kafka", "postgres", "s3"),
    "notifier": ("kafka", "postgres"),
    "analytics": ("kafka",),
}


def key_file(paths: Paths) -> Path:
    """The hashed API keys that ingest and notifier read."""
    return paths.secrets / "api_keys"


def env_for(service: str, settings: StackSettings) -> dict[str, str]:
    """The whole environment of a service (or of a tool that wants the same servers)."""
    paths, ports = settings.paths, settings.ports
    common = {
        "KAFKA_BOOTSTRAP": f"{HOST}:{ports['kafka']}",
        "KAFKA_SECURITY": "PLAINTEXT",
        "LOG_FORMAT": settings.log_format,
        "HTTP_HOST": HOST,
        "PYTHONUNBUFFERED": "1",
    }
    if service in ports:
        common["HTTP_PORT"] = str(ports[service])
    return {**settings.python_env, **common, **_SPECIFIC.get(service, _nothing)(paths, ports)}


def part(
    service: str, settings: StackSettings, infra: tuple[str, ...], env: Mapping[str, str]
) -> Part:
    """A service as a part; `env` is put over its environment."""
    environment = {**env_for(service, settings), **env}
    port = int(environment["HTTP_PORT"])

    async def ready() -> None:
        status = await http_status(port, "/readyz")
        if status != 200:
            raise NotReady(f"/readyz answers {status}")

    async def alive() -> None:
        await healthz(port)

    return Part(
        name=service,
        command=(sys.executable, "-m", f"services.{service}"),
        env={**environment, "PYTHONPATH": str(ROOT)},
        ready=ready,
        watch=alive,
        needs=tuple(need for need in NEEDS[service] if need in infra),
        stage=1,
        start_limit_s=120.0,
        stop_limit_s=20.0,
        port=port,
    )


def _nothing(_: Paths, __: Mapping[str, int]) -> dict[str, str]:
    return {}


def _ingest(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    secret = paths.secrets / "mqtt_bridge"
    made_once(secret)
    return {
        "MQTT_HOST": HOST,
        "MQTT_PORT": str(ports["mqtt"]),
        "MQTT_TLS": "off",
        "MQTT_USERNAME": mqtt.BRIDGE,
        "MQTT_PASSWORD_FILE": str(secret),
        "KEYS_FILE": str(key_file(paths)),
    }


def _persister(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.database_url(paths, ports["postgres"]),
        "S3_ENDPOINT": f"http://{HOST}:{ports['s3']}",
        "S3_BUCKET": objects.BUCKET,
        "S3_REGION": objects.REGION,
        "AWS_ACCESS_KEY_ID": objects.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": objects.secret_key(paths),
    }


def _notifier(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.reader_url(paths, ports["postgres"]),
        "DASHBOARD_DIR": str(ROOT / "dashboard" / "dist"),
        "LIVE_URL": f"http://{HOST}:{ports['ingest']}",
        "LIVE_KEY_FILE": str(_live_key(paths)),
        **_tool(paths, ports),
    }


def _live_key(paths: Paths) -> Path:
    """The notifier's own key to the live pictures, in a file; made once."""
    secret = paths.secrets / "live_key"
    if not secret.exists():
        keys = KeyFile(key_file(paths))
        keys.remove(NOTIFIERS_KEY)
        write_private(secret, keys.add(NOTIFIERS_KEY, "live"))
    return secret


def _tool(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "KEYS_FILE": str(key_file(paths)),
        "DEVICES_FILE": str(mqtt.passwords(paths).path),
        "DEVICE_MQTT_URL": f"mqtt://{HOST}:{ports['mqtt']}",
        "DEVICE_HTTP_URL": f"http://{HOST}:{ports['ingest']}",
    }


_SPECIFIC: Final = {
    "ingest": _ingest,
    "persister": _persister,
    "notifier": _notifier,
    "tool": _tool,
}
