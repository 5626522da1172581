"""The simulated site: its devices' passwords, its layouts (published once), its cameras."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parking.errors import Invalid
from parking.secret_files import write_private
from parking.stack import mqtt
from parking.stack.errors import StackError
from parking.stack.services import env_for
from parking.stack.settings import ROOT, StackSettings
from parking.stack.supervisor import Part
from tools.simulator.footage import GATE_DEVICE, load
from tools.simulator.pace import INTERVAL_MS

FOOTAGE: Final = ROOT / "demo"
PICTURE_MS: Final = 50  # one picture's whole way, on two cores that have more to do
HOLD: Final = 2  # pictures of each scene: the tracker wants two, and cars are to come and go
BEGIN: Final = 4  # nothing happens before, in the project's own footage


def footage(settings: StackSettings) -> Path | None:
    """The folder to play: the one asked for, else the project's own; None for none. Raises
    StackError when it cannot be played."""
    if not settings.demo:
        return None
    folder = settings.footage or FOOTAGE
    if not (folder / "annotations.json").is_file():
        raise StackError(
            f"{folder} holds no annotations.json: FOOTAGE=DIR plays another, DEMO=off none"
        )
    try:
        load(folder)
    except Invalid as error:
        raise StackError(f"FOOTAGE cannot be played: {error.detail}") from error
    return folder


def interval_ms(folder: Path) -> int:
    """The cameras' pace: a picture every five seconds, or as they were recorded where that is
    faster; slower where two cores could not look at as many."""
    played = load(folder)
    wanted_ms = min(INTERVAL_MS, max(1000, played.gap_ms or INTERVAL_MS))
    return max(wanted_ms, PICTURE_MS * len(played.shots))


def hold(folder: Path) -> int:
    """Pictures in a row of each scene: one of a recording that is as dense as cameras send."""
    gap_ms = load(folder).gap_ms
    return HOLD if gap_ms is None or gap_ms > INTERVAL_MS else 1


def env_for_service(service: str, settings: StackSettings) -> dict[str, str]:
    """What a service is told because of the footage, where the caller did not tell it."""
    folder = footage(settings)
    if service != "detector" or folder is None:
        return {}
    played = load(folder)
    told = {}
    if played.has_stills:  # one picture sent again and again is what a frozen camera sends
        told["DETECTOR_FROZEN_AFTER"] = "0"
    return {name: value for name, value in told.items() if name not in settings.python_env}


def parts(settings: StackSettings, folder: Path) -> list[Part]:
    """What plays it: simulated boards for as many devices as were asked for (the gate first, then
    the cameras, then cameras more than the site has), the simulator for the rest."""
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
    made = []
    if rest:
        made.append(_part(settings, "demo", ("tools.simulator", *common, *begin, *in_step)))
    if boards:
        made.append(_part(settings, "boards", ("tools.boards", *common, *boards)))
    return made


def _part(settings: StackSettings, name: str, program: Sequence[str]) -> Part:
    """A player as a part: it connects by itself as soon as the broker is there."""
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
    """Tell the detector and the tracker of the footage's slots, when its annotations.json is not
    the one told last: a later start leaves what was edited since. Raises StackError. Blocks for
    some seconds."""
    digest = hashlib.sha256((folder / "annotations.json").read_bytes()).hexdigest()
    told = settings.paths.data / "devices" / f"{load(folder).site_id}.layouts"
    if told.exists() and told.read_text("utf-8") == digest:
        return
    command = [sys.executable, "-m", "parking", "layout", "publish", str(folder)]
    # It is durable once written; on a busy computer the tracker may need a while to come to it.
    command += ["--interval-ms", str(interval_ms(folder)), "--wait-s", "0"]
    environment = _environment(settings)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    if done.returncode != 0:
        raise StackError(f"the layouts of {folder} could not be published: {done.stderr.strip()}")
    write_private(told, digest)


def _environment(settings: StackSettings) -> dict[str, str]:
    return {**env_for("tool", settings), "PYTHONPATH": str(ROOT)}
