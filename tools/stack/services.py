"""The services as parts of the stack: their environment, their health, the parts they depend on."""

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from parking.access.keys import KeyFile
from parking.access.secret_files import made_once, write_private
from services.ingest.pull.networks import PRIVATE
from tools.stack import mqtt, objects, postgres
from tools.stack.checks import HOST, NotReady, healthz, http_status
from tools.stack.settings import ROOT, Paths, StackSettings
from tools.stack.supervisor import Part

NOTIFIERS_KEY: Final = "notifier"
DOORS: Final = {"notifier": "page", "ingest": "intake"}
"""The services with an address on the local network, and the port's name."""
NEEDS: Final = {
    "ingest": ("kafka", "mqtt"),
    "detector": ("kafka",),
    "tracker": ("kafka",),
    "persister": ("kafka", "postgres", "s3"),
    "notifier": ("kafka", "postgres"),
    "analytics": ("kafka",),
}


def key_file(paths: Paths) -> Path:
    """Return the file of hashed API keys that ingest and notifier read."""
    return paths.secrets / "api_keys"


def env_for(service: str, settings: StackSettings) -> dict[str, str]:
    """Return the whole environment of a service (or of a tool that uses the same servers)."""
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
    specific = _SPECIFIC.get(service, _nothing)(paths, ports)
    defaults = {"CAMERAS_NETWORKS": ",".join(PRIVATE)}
    return {**defaults, **settings.python_env, **common, **specific, **_on_lan(service, settings)}


def part(
    service: str, settings: StackSettings, infra: tuple[str, ...], env: Mapping[str, str]
) -> Part:
    """Return a service as a part. `env` overrides its environment."""
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


def _on_lan(service: str, settings: StackSettings) -> dict[str, str]:
    """Return what differs while the stack is open to the local network."""
    lan, ports = settings.lan, settings.ports
    if lan is None:
        return {}
    files = mqtt.certificates(settings.paths)
    env: dict[str, str] = {}
    if service in DOORS:
        env |= {
            "HTTPS_HOST": lan.address,
            "HTTPS_PORT": str(ports[DOORS[service]]),
            "HTTPS_CERT_FILE": str(files.chain),
            "HTTPS_KEY_FILE": str(files.key),
        }
    if service == "notifier":
        env["SIGN_IN"] = "required"
    if service in ("notifier", "tool"):
        env |= {
            "DEVICE_MQTT_URL": f"mqtts://{lan.address}:{ports['mqtts']}",
            "DEVICE_HTTP_URL": f"https://{lan.address}:{ports['intake']}",
            "DEVICE_CA_FILE": str(files.authority),
        }
    return env


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
        "CAMERAS_KEY_FILE": str(_cameras_key(paths)),
    }


def _cameras_key(paths: Paths) -> Path:
    """Return the file with the key to the logins of cameras that are added in the page. It is
    created once."""
    file = paths.secrets / "cameras_key"
    if not file.exists():
        write_private(file, secrets.token_hex(32))
    return file


def _persister(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.database_url(paths, ports["postgres"]),
        **_pictures(paths, ports),
    }


def _pictures(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "S3_ENDPOINT": f"http://{HOST}:{ports['s3']}",
        "S3_BUCKET": objects.BUCKET,
        "S3_REGION": objects.REGION,
        "AWS_ACCESS_KEY_ID": objects.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": objects.secret_key(paths),
    }


def _notifier(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.reader_url(paths, ports["postgres"]),
        **_pictures(paths, ports),
        "DASHBOARD_DIR": str(ROOT / "dashboard" / "dist"),
        "LIVE_URL": f"http://{HOST}:{ports['ingest']}",
        "LIVE_KEY_FILE": str(_live_key(paths)),
        "DETECTOR_URL": f"http://{HOST}:{ports['detector']}",
        "SETUP_CODE_FILE": str(setup_code(paths)),
        **_tool(paths, ports),
    }


def setup_code(paths: Paths) -> Path:
    """Return the file with the code that the page asks for when it creates the administrator."""
    file = paths.secrets / "setup_code"
    made_once(file)
    return file


def _live_key(paths: Paths) -> Path:
    """Return the file with the notifier's own key for ingest. It is created once."""
    secret = paths.secrets / "live_key"
    keys = KeyFile(key_file(paths))
    # A key from an earlier version has only the scope `live`.
    if not (secret.exists() and keys.check(secret.read_text("utf-8").strip(), "cameras")):
        keys.remove(NOTIFIERS_KEY)
        write_private(secret, keys.add(NOTIFIERS_KEY, "live", "cameras"))
    return secret


def _tool(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "ACCOUNTS_DATABASE_URL": postgres.accounts_url(paths, ports["postgres"]),
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
