"""The MQTT broker: aedes on Node from pip, with the devices' passwords and rights."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from parking.secret_files import PasswordFile, made_once
from parking.stack.checks import HOST, tcp
from parking.stack.errors import StackError
from parking.stack.node import NODE, npm
from parking.stack.settings import Paths, StackSettings
from parking.stack.supervisor import Part
from parking.topics import ENVELOPE_BYTES

BRIDGE: Final = "bridge"
_SOURCE: Final = Path(__file__).parent / "mqtt_broker"


def passwords(paths: Paths) -> PasswordFile:
    """The users of the embedded broker."""
    return PasswordFile(paths.secrets / "mqtt_passwords")


def add_device(paths: Paths, device_id: str) -> str:
    """The password of a device (`{site}/{device}`); the first time, the broker learns of it."""
    secret = paths.secrets / "devices" / f"{device_id.replace('/', '~')}"
    known = secret.exists()
    password = made_once(secret)
    if not known:
        passwords(paths).set(device_id, password)
    return password


def part(settings: StackSettings, env: Mapping[str, str]) -> Part:
    """Install the broker's packages once, describe the process."""
    program = install(settings.paths.cache, env)
    users = passwords(settings.paths)
    if not users.path.exists():
        users.set(BRIDGE, made_once(settings.paths.secrets / "mqtt_bridge"))
    port = settings.ports["mqtt"]
    limit_bytes = settings.frame_max_bytes + ENVELOPE_BYTES

    async def ready() -> None:
        await tcp(port)

    return Part(
        name="mqtt",
        command=(str(NODE), str(program), HOST, str(port), str(users.path), str(limit_bytes)),
        env=env,
        ready=ready,
        quiet=True,
        stop_limit_s=5.0,
        port=port,
    )


def install(cache: Path, env: Mapping[str, str]) -> Path:
    """The broker's program with its npm packages beside it, installed again when either changed."""
    files = sorted(_SOURCE.glob("*.mjs")) + sorted(_SOURCE.glob("package*.json"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    home = cache / "mqtt_broker" / digest
    if not home.exists():
        new = home.with_name(f"{digest}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for file in files:
            shutil.copy(file, new)
        done = subprocess.run(
            npm("ci", "--no-audit", "--no-fund"), cwd=new, env=dict(env), timeout=600, check=False
        )
        if done.returncode != 0:
            raise StackError(
                "npm could not install the MQTT broker's packages: see its words above"
            )
        new.rename(home)
    return home / "broker.mjs"
