"""The MQTT broker: aedes on Node from pip, with the devices' passwords and access rights."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from parking.access.secret_files import PasswordFile, made_once
from parking.core.topics import ENVELOPE_BYTES
from tools.stack.certificates import Certificates
from tools.stack.checks import HOST, tcp
from tools.stack.errors import StackError
from tools.stack.node import NODE, npm
from tools.stack.settings import Paths, StackSettings
from tools.stack.supervisor import Part

BRIDGE: Final = "bridge"
_SOURCE: Final = Path(__file__).parent / "mqtt_broker"


def passwords(paths: Paths) -> PasswordFile:
    """Return the users of the embedded broker."""
    return PasswordFile(paths.secrets / "mqtt_passwords")


def add_device(paths: Paths, device_id: str) -> str:
    """Return the password of a device (`{site}/{device}`). The first call adds the device to the
    broker."""
    secret = paths.secrets / "devices" / f"{device_id.replace('/', '~')}"
    known = secret.exists()
    password = made_once(secret)
    if not known:
        passwords(paths).set(device_id, password)
    return password


def certificates(paths: Paths) -> Certificates:
    """Return the certificates for the local network."""
    return Certificates(paths.secrets / "lan")


def part(settings: StackSettings, env: Mapping[str, str]) -> Part:
    """Install the broker's packages once and describe the process."""
    program = install(settings.paths.cache, env)
    users = passwords(settings.paths)
    if not users.path.exists():
        users.set(BRIDGE, made_once(settings.paths.secrets / "mqtt_bridge"))
    port = settings.ports["mqtt"]
    limit_bytes = settings.frame_max_bytes + ENVELOPE_BYTES
    command: tuple[str, ...] = (
        str(NODE),
        str(program),
        HOST,
        str(port),
        str(users.path),
        str(limit_bytes),
    )
    if settings.lan is not None:
        files = certificates(settings.paths)
        door = (settings.lan.address, str(settings.ports["mqtts"]))
        command += (*door, str(files.chain), str(files.key))

    async def ready() -> None:
        await tcp(port)

    return Part(
        name="mqtt",
        command=command,
        env=env,
        ready=ready,
        quiet=True,
        stop_limit_s=5.0,
        port=port,
    )


def install(cache: Path, env: Mapping[str, str]) -> Path:
    """Return the broker's program with its npm packages beside it. Installs it again if either
    changed."""
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
                "npm could not install the MQTT broker's packages: see its output above"
            )
        new.rename(home)
    return home / "broker.mjs"
