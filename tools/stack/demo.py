"""The simulated site: the passwords of its devices, its layouts (published once), its cameras."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parking.access.secret_files import write_private
from parking.core.errors import Invalid
from tools.simulator.footage import GATE_DEVICE, load
from tools.simulator.pace import INTERVAL_MS
from tools.stack import mqtt
from tools.stack.errors import StackError
from tools.stack.services import env_for
from tools.stack.settings import ROOT, StackSettings
from tools.stack.supervisor import Part

FOOTAGE: Final = ROOT / "demo"
PICTURE_MS: Final = 50  # time from camera to page for one picture, on two busy cores
HOLD: Final = 2  # pictures of each scene: the tracker needs two, and cars should come and go
BEGIN: Final = 4  # nothing happens in the project's own footage before this scene


def footage(settings: StackSettings) -> Path | None:
    """Return the folder to play: the chosen one or the project's own, or None to play nothing.
    Raises StackError if it cannot be played."""
    if not settings.demo:
        return None
    folder = settings.footage or FOOTAGE
    if not (folder / "annotations.json").is_file():
        raise StackError(
            f"{folder} contains no annotations.json: set another FOOTAGE=DIR, or DEMO=off"
        )
    try:
        load(folder)
    except Invalid as error:
        raise StackError(f"FOOTAGE cannot be played: {error.detail}") from error
    return folder


def interval_ms(folder: Path) -> int:
    """Return the interval between pictures: five seconds, or the recorded interval if that is
    shorter. It is longer if two cores could not analyse that many pictures."""
    played = load(folder)
    wanted_ms = min(INTERVAL_MS, max(1000, played.gap_ms or INTERVAL_MS))
    return max(wanted_ms, PICTURE_MS * len(played.shots))


def hold(folder: Path) -> int:
    """Return the number of consecutive pictures of each scene. It is one for a recording that is as
    dense as a camera's stream."""
    gap_ms = load(folder).gap_ms
    return HOLD if gap_ms is None or gap_ms > INTERVAL_MS else 1


def env_for_service(service: str, settings: StackSettings) -> dict[str, str]:
    """Return the settings that the footage requires of a service, unless the caller set them."""
    folder = footage(settings)
    if service != "detector" or folder is None:
        return {}
    played = load(folder)
    needed = {}
    if played.has_stills:  # sending the same picture again and again looks like a frozen camera
        needed["DETECTOR_FROZEN_AFTER"] = "0"
    return {name: value for name, value in needed.items() if name not in settings.python_env}


def parts(settings: StackSettings, folder: Path) -> list[Part]:
    """Return the players: simulated boards for the requested number of devices (the gate first,
    then the cameras, then further cameras that the site does not have), and the simulator for the
    rest."""
    played = load(folder)
    names = sorted(played.device_ids, key=lambda device: not device.endswith(f"/{GATE_DEVICE}"))
    more = range(len(names) + 1, settings.boards + 1)
    boards = [*names[: settings.boards], *(f"{played.site_id}/board-{n}" for n in more)]
    rest = names[settings.boards :]
    passwords = settings.paths.secrets / "demo_devices.json"
    devices = {device: mqtt.add_device(settings.paths, device) for device in [*boards, *rest]}
    write_private(passwords, json.dumps(devices))
    common = (
        *("--footage", str(folder), "--passwords", str(passwords)),
        *("--state", str(settings.paths.data / "devices")),
        *("--interval-ms", str(interval_ms(folder)), "--hold", str(hold(folder))),
    )
    begin = ("--begin", str(BEGIN if folder == FOOTAGE else 0))
    in_step = ("--in-step", "--only", *(name.split("/")[1] for name in rest)) if boards else ()
    players = []
    if rest:
        players.append(_part(settings, "demo", ("tools.simulator", *common, *begin, *in_step)))
    if boards:
        players.append(_part(settings, "boards", ("tools.boards", *common, *boards)))
    return players


def _part(settings: StackSettings, name: str, program: Sequence[str]) -> Part:
    """Return a player as a part. It connects by itself as soon as the broker is up."""
    env = _environment(settings) | {
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(settings.ports["mqtt"]),
    }
    needs = ("mqtt", *(name for name in ("ingest", "tracker") if name in settings.services))

    async def ready() -> None:
        return

    return Part(
        name=name,
        command=(sys.executable, "-m", *program),
        env=env,
        ready=ready,
        needs=needs,
        stage=2,
        stop_limit_s=5.0,
    )


def publish_layouts(settings: StackSettings, folder: Path) -> None:
    """Publish the footage's layouts if its annotations.json has changed since the last time, so
    that a restart keeps later edits. Raises StackError. Blocks for some seconds."""
    digest = hashlib.sha256((folder / "annotations.json").read_bytes()).hexdigest()
    published = settings.paths.data / "devices" / f"{load(folder).site_id}.layouts"
    if published.exists() and published.read_text("utf-8") == digest:
        return
    command = [sys.executable, "-m", "tools.cli", "layout", "publish", str(folder)]
    # A layout is durable once written. On a busy computer the tracker may reach it much later.
    command += ["--interval-ms", str(interval_ms(folder)), "--wait-s", "0"]
    # The footage shows no real people. Only its operator may make a real lot public.
    if folder == FOOTAGE:
        command.append("--public")
    environment = _environment(settings)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    if done.returncode != 0:
        raise StackError(f"the layouts of {folder} could not be published: {done.stderr.strip()}")
    write_private(published, digest)


def _environment(settings: StackSettings) -> dict[str, str]:
    return {**env_for("tool", settings), "PYTHONPATH": str(ROOT)}
