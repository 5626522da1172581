"""Put MicroPython and this firmware on a board (`make flash PORT=/dev/ttyUSB0 IMAGE=FILE`).

IMAGE is a build of MicroPython with the camera module for your board (docs/firmware.md says where
from). The steps: erase and write IMAGE, make room for the ring of gate events, copy the loader and
the compiled firmware. Needs the extra `flash` (esptool, mpremote).

  python -m tools.boards.flash --port /dev/ttyUSB0 --image FILE --board ai_thinker
  python -m tools.boards.flash --port /dev/ttyUSB0 --board ai_thinker      only the firmware
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tools.boards import image
from tools.boards.partitions import NoRoom, with_ring

_TABLE_AT: Final = 0x8000
_TABLE_BYTES: Final = 0xC00
_START: Final = {"ai_thinker": 0x1000, "xiao_s3_sense": 0x0, "freenove_s3": 0x0}
_LOADER: Final = ("boot.py", "journal.py", "partition.py", "slots.py", "__init__.py")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.boards.flash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", required=True, help="the serial port")
    parser.add_argument("--image", type=Path, help="MicroPython with the camera module")
    parser.add_argument("--board", choices=sorted(_START), default="ai_thinker")
    parser.add_argument("--config", type=Path, help="a configuration file to copy too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.image:
            _micropython(options, Path(folder))
        _firmware(options, Path(folder))


def _micropython(options: argparse.Namespace, folder: Path) -> None:
    esptool = [sys.executable, "-m", "esptool", "--port", options.port]
    table = folder / "table.bin"
    # The board must not boot before its last step: it would make a file system of the wrong size.
    esptool += ["--after", "no-reset"]
    _run(*esptool, "erase-flash")
    _run(*esptool, "write-flash", hex(_START[options.board]), str(options.image))
    _run(*esptool, "read-flash", hex(_TABLE_AT), hex(_TABLE_BYTES), str(table))
    try:
        made, _, _ = with_ring(table.read_bytes())
    except NoRoom as error:
        sys.exit(f"flash: {error}")
    table.write_bytes(made)
    # The flash is erased, so the file system is made anew, in its smaller size, at the first boot.
    _run(*esptool[:-2], "write-flash", hex(_TABLE_AT), str(table))


def _firmware(options: argparse.Namespace, folder: Path) -> None:
    mpremote = [sys.executable, "-m", "mpremote", "connect", options.port]
    out = folder / "a"
    text = (image.FIRMWARE / "app" / "__init__.py").read_text("utf-8")
    told: dict[str, object] = {}
    exec(compile(text, "app", "exec"), told)  # noqa: S102 -- our own file: VERSION and RELEASE
    size = image.build(image.FIRMWARE, out, int(str(told["RELEASE"])), str(told["VERSION"]))
    (out / "manifest.json").unlink()
    print(f"firmware {told['VERSION']}: {size} bytes")
    loader = folder / "loader"
    loader.mkdir()
    for name in _LOADER:
        image.compile_to(image.FIRMWARE / "loader" / name, loader / Path(name).with_suffix(".mpy"))
    _run(*mpremote, "fs", "cp", "-r", str(out), str(loader), ":")
    _run(*mpremote, "fs", "cp", str(image.FIRMWARE / "main.py"), ":main.py")
    if options.config:
        _run(*mpremote, "fs", "cp", str(_stamped(options.config, folder)), ":config.json")
    _run(*mpremote, "reset")


def _stamped(config: Path, folder: Path) -> Path:
    """The configuration with the second of its provisioning, from which the board counts."""
    told = json.loads(config.read_text("utf-8"))
    if not told.get("wifi_ssid"):
        sys.exit(
            f"flash: {config} has no wifi_ssid (and wifi_password): add them, or use the portal"
        )
    told |= {"provisioned_at_s": int(time.time()), "provisioned_chance": random.random()}  # noqa: S311 -- no secret
    stamped = folder / "config.json"
    stamped.write_text(json.dumps(told), "utf-8")
    return stamped


def _run(*command: str) -> None:
    print("$", *command)
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        sys.exit(f"flash: {Path(command[2]).name} ended with status {done.returncode}")


if __name__ == "__main__":
    main()
