"""Play footage over MQTT as a site's cameras would send it.

The folder holds annotations.json and pictures (`demo/`, or any in that form). Every camera in it
becomes a device with its own ids, status, last will and telemetry. A gate device sends the
footage's gate events and keeps them until their end-to-end ack.

  python -m tools.simulator --footage demo --passwords FILE --hold 2    as `make run` does, forever
  python -m tools.simulator --footage DIR --passwords FILE --once --interval-ms 200 --every-frame
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from parking.core.errors import Invalid, SettingsError
from parking.runtime.ops import set_up_logging
from parking.runtime.settings import Reader
from parking.wire import jsontext
from tools.simulator.device import Broker, Device
from tools.simulator.footage import GATE_DEVICE, Footage, load, with_recorded_at
from tools.simulator.pace import INTERVAL_MS, Pace
from tools.simulator.sensor import Sensors

log = logging.getLogger("simulator")

TELEMETRY_S = 10.0
CONNECT_TIMEOUT_S = 60.0


def main() -> None:
    """Run the command line."""
    options = _arguments()
    set_up_logging("simulator", os.environ)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        footage = load(options.footage).held(options.hold)
        devices = _devices(footage, options, os.environ)
    except (Invalid, SettingsError) as error:
        sys.exit(f"simulator: {error}")
    for device in devices.values():
        device.start()
    try:
        _await_connections(devices, stop)
        play(footage, devices, options, stop)
        _drain(devices, stop)
        if options.stay:
            stop.wait()
    finally:
        for device in devices.values():
            device.stop()
    counts = [device.counts for device in devices.values()]
    log.info(
        "sent %d frames, dropped %d; gate events: %d accepted, %d rejected",
        sum(c.frames_sent for c in counts),
        sum(c.frames_dropped for c in counts),
        sum(c.gate_accepted for c in counts),
        sum(c.gate_rejected for c in counts),
    )


def play(
    footage: Footage,
    devices: Mapping[str, Device],
    options: argparse.Namespace,
    stop: threading.Event,
) -> None:
    """Show picture k of the story at start + k intervals to every camera, each at its own pace. The
    first round begins with scene --begin. More rounds follow unless --once is given."""
    started_s = time.monotonic()
    sent_s = float("-inf")
    index = options.begin * options.hold % footage.length - 1
    if options.in_step:
        index = time.time_ns() // 1_000_000 // options.interval_ms % footage.length - 1
    sensors = Sensors() if options.hold > 1 else None
    pace = Pace(options.interval_ms / 1000, started_s, index)
    while not stop.is_set():
        now_s = time.monotonic()
        if now_s - sent_s >= TELEMETRY_S:
            sent_s = now_s
            for device in devices.values():
                device.telemetry(now_s - started_s)
        moved = pace.moves(now_s)
        if options.once and pace.index >= footage.length:
            return
        commanded_ms = {n: devices[n].interval_ms for n in footage.shots if n in devices}
        names = pace.due(now_s, moved, commanded_ms)
        for name, jpeg in _pictures(footage, pace.index, names, sensors):
            wait_s = 30.0 if options.every_frame else 0.0
            devices[name].frame(jpeg, time.time_ns() // 1_000_000, wait_s=wait_s)
        if moved:
            _pass_gate(footage, devices, pace.index)
        for device in devices.values():
            device.pump(time.monotonic())
        stop.wait(min(0.05, pace.wait_s(time.monotonic())))


def _pictures(
    footage: Footage, index: int, names: Sequence[str], sensors: Sensors | None
) -> Iterator[tuple[str, bytes]]:
    """Restart these cameras' pictures of the scene with new sensors. A camera with fewer pictures
    waits once for the others."""
    for name in names:
        shots = footage.shots[name]
        shot = shots[index % len(shots)]
        if index >= footage.length or index < len(shots):
            jpeg = sensors.taken(name, shot.path) if sensors else shot.path.read_bytes()
            yield name, with_recorded_at(jpeg, shot.recorded_at_ms)


def _pass_gate(footage: Footage, devices: Mapping[str, Device], index: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    if GATE_DEVICE not in devices:
        return
    for direction in footage.passed(index):
        devices[GATE_DEVICE].gate(direction, now_ms)


def _drain(devices: Mapping[str, Device], stop: threading.Event) -> None:
    """After --once, wait until every gate event has its ack, for at most one minute."""
    limit_s = time.monotonic() + 60
    while not stop.is_set() and time.monotonic() < limit_s:
        if not any([device.pump(time.monotonic()) for device in devices.values()]):
            return
        stop.wait(0.05)


def _await_connections(devices: Mapping[str, Device], stop: threading.Event) -> None:
    limit_s = time.monotonic() + CONNECT_TIMEOUT_S
    while not stop.is_set() and not all(device.connected for device in devices.values()):
        if time.monotonic() > limit_s:
            lost = [d.device_id for d in devices.values() if not d.connected]
            sys.exit(f"simulator: no connection to the broker for {', '.join(lost)}")
        stop.wait(0.05)


def _devices(
    footage: Footage, options: argparse.Namespace, environ: Mapping[str, str]
) -> dict[str, Device]:
    env = Reader(environ)
    ca_file = env.text("MQTT_CA_FILE", "")
    broker = Broker(
        env.text("MQTT_HOST", "127.0.0.1"), env.integer("MQTT_PORT", 1883, 1, 65535), ca_file
    )
    env.done()
    try:
        passwords = jsontext.parse(options.passwords.read_bytes())
    except (OSError, ValueError) as error:
        raise Invalid("no-passwords", f"{options.passwords}: {error}") from error
    names = footage.device_ids
    if options.only:
        names = [name for name in names if name.split("/")[1] in options.only]
    missing = [device_id for device_id in names if device_id not in passwords]
    if missing:
        raise Invalid(
            "no-passwords", f"{options.passwords} has no password for {', '.join(missing)}"
        )
    return {
        device_id.split("/")[1]: Device(device_id, passwords[device_id], broker, options.state)
        for device_id in names
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The broker: MQTT_HOST (127.0.0.1), MQTT_PORT (1883), MQTT_CA_FILE (TLS when set).",
    )
    parser.add_argument("--footage", type=Path, default=Path("demo"), help="folder to play (demo)")
    parser.add_argument(
        "--passwords", type=Path, required=True, help='JSON file {"site/device": "password"}'
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(".state/devices"),
        help="folder of the devices' boot counters (.state/devices)",
    )
    parser.add_argument(
        "--interval-ms",
        type=int,
        default=INTERVAL_MS,
        help=f"milliseconds between two pictures of a camera ({INTERVAL_MS})",
    )
    parser.add_argument(
        "--hold",
        type=int,
        default=1,
        metavar="N",
        help="consecutive pictures of each scene, each with its own noise (1: the files unchanged)",
    )
    parser.add_argument(
        "--begin",
        type=int,
        default=0,
        metavar="SCENE",
        help="first scene of the first round (0)",
    )
    parser.add_argument("--once", action="store_true", help="play one round, then exit")
    parser.add_argument(
        "--stay", action="store_true", help="with --once: stay connected until interrupted"
    )
    parser.add_argument(
        "--every-frame",
        action="store_true",
        help="wait until each frame is accepted instead of dropping it for the next one",
    )
    parser.add_argument("--only", nargs="+", metavar="DEVICE", help="play only these devices")
    parser.add_argument(
        "--in-step",
        action="store_true",
        help="start at the scene for the current time, as tools.boards does",
    )
    options = parser.parse_args()
    if options.interval_ms < 10:
        parser.error("--interval-ms must be 10 or more")
    if options.hold < 1 or options.begin < 0:
        parser.error("--hold must be 1 or more, --begin 0 or more")
    return options


if __name__ == "__main__":
    main()
