"""Put MicroPython and this firmware on a board (`make flash PORT=/dev/ttyUSB0 IMAGE=FILE`).

IMAGE is a build of MicroPython with the camera module for your board (docs/firmware.md links to
it). The tool erases the flash, writes IMAGE, makes room for the ring of gate events, and copies the
loader and the compiled firmware. Without IMAGE it asks the board which of its two slots it runs
from. The firmware then goes into the other slot, on trial, so that the working one stays. Needs the
extra `flash` (esptool, mpremote).

  python -m tools.boards.flash --port /dev/ttyUSB0 --image FILE --board ai_thinker
  python -m tools.boards.flash --port /dev/ttyUSB0 --board ai_thinker      only the firmware
  python -m tools.boards.flash --port x --dry-run b     show the steps for a board that runs slot b
"""

import argparse
import json
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.boards import image
from tools.boards.on_board import FEED, LOOK, TRY, NotReady, prepare, target
from tools.boards.partitions import NoRoom, with_ring

_TABLE_AT: Final = 0x8000
_TABLE_BYTES: Final = 0xC00
_START: Final = {"ai_thinker": 0x1000, "xiao_s3_sense": 0x0, "freenove_s3": 0x0}
LOOKS: Final = {"new": "slot a is empty", "a": "slot a runs", "b": "slot b runs"}
_LOADER: Final = ("boot.py", "journal.py", "partition.py", "slots.py", "__init__.py")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.boards.flash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", required=True, help="the serial port")
    parser.add_argument("--image", type=Path, help="MicroPython with the camera module")
    parser.add_argument("--board", choices=sorted(_START), default="ai_thinker")
    parser.add_argument(
        "--config", type=Path, help="a configuration file that is also copied to the board"
    )
    parser.add_argument("--dry-run", choices=LOOKS, help="only print the steps for this state")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.image:
            _micropython(options, Path(folder))
        _firmware(options, Path(folder))


def _micropython(options: argparse.Namespace, folder: Path) -> None:
    esptool = [sys.executable, "-m", "esptool", "--port", options.port]
    table, dry = folder / "table.bin", options.dry_run
    # The board must not boot before the last step: it would create a file system of the wrong size.
    esptool += ["--after", "no-reset"]
    _run(*esptool, "erase-flash", dry=dry)
    _run(*esptool, "write-flash", hex(_START[options.board]), str(options.image), dry=dry)
    _run(*esptool, "read-flash", hex(_TABLE_AT), hex(_TABLE_BYTES), str(table), dry=dry)
    if not dry:
        try:
            ring_table, _, _ = with_ring(table.read_bytes())
        except NoRoom as error:
            sys.exit(f"flash: {error}")
        table.write_bytes(ring_table)
    # The flash is erased, so the first boot creates the file system in its smaller size.
    _run(*esptool[:-2], "write-flash", hex(_TABLE_AT), str(table), dry=dry)


def _firmware(options: argparse.Namespace, folder: Path) -> None:
    said = _run(*look(options.port, folder), dry=options.dry_run, ask=True)
    if options.dry_run:
        said = LOOKS[options.dry_run]
    try:
        slot, trial = target(said)
    except NotReady as error:
        sys.exit(f"flash: {error} (flash a new board with --image)")
    config = _stamped(options.config, options.board, folder) if options.config else None
    _run(*copy(options.port, folder, slot, trial, config), dry=options.dry_run)
    if trial:
        print(f"The new firmware is in slot {slot}, on trial: if it does not reach ingest within")
        print("three boots, the board goes back to the previous one.")


def look(port: str, folder: Path) -> Sequence[str]:
    """Return the command that copies the loader and asks which slot the board runs from."""
    loader = folder / "loader"
    loader.mkdir()
    for name in _LOADER:
        image.compile_to(image.FIRMWARE / "loader" / name, loader / Path(name).with_suffix(".mpy"))
    return [*_mpremote(port), "fs", "cp", "-r", str(loader), ":", "+", "exec", LOOK]


def copy(port: str, folder: Path, slot: str, trial: bool, config: Path | None) -> Sequence[str]:
    """Return the command that copies the firmware into that slot. It is one command, because
    otherwise the board would restart in between and nothing would feed its watchdog."""
    text = (image.FIRMWARE / "app" / "__init__.py").read_text("utf-8")
    settings: dict[str, object] = {}
    exec(compile(text, "app", "exec"), settings)  # noqa: S102 -- our own file: VERSION and RELEASE
    out = folder / slot
    size = image.build(image.FIRMWARE, out, int(str(settings["RELEASE"])), str(settings["VERSION"]))
    (out / "manifest.json").unlink()
    print(f"firmware {settings['VERSION']}: {size} bytes, for slot {slot}")
    steps = [["exec", FEED], ["exec", prepare(slot)], ["fs", "cp", "-r", str(out), ":"]]
    steps.append(["fs", "cp", str(image.FIRMWARE / "main.py"), ":main.py"])
    if config is not None:
        steps.append(["fs", "cp", str(config), ":config.json"])
    if trial:
        steps.append(["exec", TRY])
    steps.append(["reset"])
    return [*_mpremote(port), *(word for step in steps for word in ("+", *step))]


def _mpremote(port: str) -> Sequence[str]:
    return [sys.executable, "-m", "mpremote", "connect", port]


def _stamped(config: Path, board: str, folder: Path) -> Path:
    """Write the configuration with its board, whose pins the firmware uses, and with the second of
    its provisioning, from which the boot counter begins."""
    settings = json.loads(config.read_text("utf-8"))
    if settings.setdefault("board", board) != board:
        sys.exit(f"flash: {config} is for the board {settings['board']}, not for {board} (BOARD=)")
    if not settings.get("wifi_ssid"):
        sys.exit(
            f"flash: {config} has no wifi_ssid (and wifi_password): add them, or use the portal"
        )
    if settings.get("tls", True) and not settings.get("ca"):
        sys.exit(f"flash: {config} has no ca: add the authority's certificate, or use the portal")
    settings |= {"provisioned_at_s": int(time.time()), "provisioned_chance": random.random()}  # noqa: S311 -- no secret
    stamped = folder / "config.json"
    stamped.write_text(json.dumps(settings), "utf-8")
    return stamped


def _run(*command: str, dry: str | None = None, ask: bool = False) -> str:
    """Run the command. Returns its output if requested."""
    print("$", shlex.join(command), flush=True)
    if dry:
        return ""
    pipe = subprocess.PIPE if ask else None
    done = subprocess.run(command, check=False, stdout=pipe, text=True)
    if done.returncode != 0:
        sys.exit(f"flash: {Path(command[2]).name} exited with status {done.returncode}")
    return done.stdout or ""


if __name__ == "__main__":
    main()
