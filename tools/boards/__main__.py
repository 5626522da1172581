"""Play footage with simulated boards: the real firmware, one MicroPython process per device.

  python -m tools.boards --footage demo --passwords FILE --state DIR demo/gate-1 demo/north

The broker: MQTT_HOST (127.0.0.1), MQTT_PORT (1883). All boards follow the wall clock, so that they
show the same moment of the scene.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parking.core.errors import Invalid, SettingsError
from parking.runtime.ops import set_up_logging
from parking.runtime.settings import Reader
from parking.wire import jsontext
from tools.boards.board import Board
from tools.simulator.footage import GATE_DEVICE, Footage, load
from tools.simulator.pace import INTERVAL_MS

log = logging.getLogger("boards")

_TEND_S = 0.5
_GATE_STABLE_MS = 30


def main() -> None:
    """Run the command line."""
    options = _arguments()
    set_up_logging("boards", os.environ)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        boards = _boards(options)
    except (Invalid, SettingsError, OSError) as error:
        sys.exit(f"boards: {error}")
    try:
        for board in boards.values():
            board.power_on()
        while not stop.wait(_TEND_S):
            for name, board in boards.items():
                if board.tend():
                    log.warning("%s restarted; its last output is in %s", name, board.state)
    finally:
        for board in boards.values():
            board.power_off()


def world_of(footage: Footage, device: str, interval_ms: int) -> dict[str, Any]:
    """The footage that a board of this name (without its site) sees."""
    if device == GATE_DEVICE:
        world: dict[str, Any] = {
            "gate": footage.gate,
            "balance": footage.passed(footage.length)[: _balance(footage)],
        }
    else:
        shots = footage.shots.get(device) or next(iter(footage.shots.values()))
        world = {"frames": [str(shot.path.resolve()) for shot in shots]}
    return world | {"interval_ms": interval_ms, "length": footage.length}


def _balance(footage: Footage) -> int:
    directions = [direction for _, direction in footage.gate]
    return abs(directions.count("entry") - directions.count("exit"))


def _boards(options: argparse.Namespace) -> Mapping[str, Board]:
    env = Reader(os.environ)
    host, port = env.text("MQTT_HOST", "127.0.0.1"), env.integer("MQTT_PORT", 1883, 1, 65535)
    env.done()
    footage = load(options.footage).held(options.hold)
    passwords = jsontext.parse(options.passwords.read_bytes())
    started: dict[str, Board] = {}
    for device_id in options.devices:
        name = device_id.split("/")[1]
        config = {
            "device_id": device_id,
            "password": passwords[device_id],
            "host": host,
            "port": port,
            "tls": False,
            "reconnect_s": 2,  # few devices: no load to spread
            "gate": "two" if name == GATE_DEVICE else "",
            "gate_stable_ms": _GATE_STABLE_MS,
            "interval_ms": 0 if name == GATE_DEVICE else options.interval_ms,
            "frame_qos": 1,
        }
        world = world_of(footage, name, options.interval_ms)
        started[device_id] = Board(options.state / f"board-{name}", config, world)
    return started


def _arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.boards",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--footage", type=Path, default=Path("demo"), help="folder to play (demo)")
    parser.add_argument("--passwords", type=Path, required=True, help='{"site/device": "password"}')
    parser.add_argument("--state", type=Path, required=True, help="folder of the boards' flash")
    parser.add_argument(
        "--interval-ms",
        type=int,
        default=INTERVAL_MS,
        help=f"milliseconds between two pictures of a camera ({INTERVAL_MS})",
    )
    parser.add_argument(
        "--hold", type=int, default=1, metavar="N", help="consecutive pictures of each scene (1)"
    )
    parser.add_argument("devices", nargs="+", metavar="site/device")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
