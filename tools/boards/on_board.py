"""The MicroPython code that `make flash` runs on the board through mpremote, beside the loader that
was just copied. Paths are relative: a board's own folder is its root."""

from typing import Final

# A running watchdog cannot be stopped, and copying takes longer than its timeout, so this feeds it.
FEED: Final = """
import machine
wdt = machine.WDT(timeout=60000)
machine.Timer(1).init(period=5000, mode=machine.Timer.PERIODIC, callback=lambda _: wdt.feed())
"""

_LOADER: Final = """
from loader.journal import Journal
from loader.partition import Flash
from loader.slots import Slots
"""
_SLOTS: Final = f"{_LOADER}slots = Slots(Journal(Flash(), 2))\n"

LOOK: Final = (
    _LOADER
    + """
import os
try:
    confirmed = Slots(Journal(Flash(), 2)).confirmed
    try:
        os.stat(confirmed + "/app")
        os.stat("main.py")  # copied last: without it, that of the image was cut
        print("slot", confirmed, "runs")
    except OSError:
        print("slot", confirmed, "is empty")
except OSError as error:
    print("board:", error)
"""
)

_CLEAR: Final = """
import os
def clear(path):
    try:
        is_folder = os.stat(path)[0] & 0x4000
    except OSError:
        return
    if is_folder:
        for name in os.listdir(path):
            clear(path + "/" + name)
        os.rmdir(path)
    else:
        os.remove(path)
"""

TRY: Final = _SLOTS + "slots.install()\n"


class NotReady(ValueError):
    """The board cannot be given the firmware alone. The message gives the reason."""


def prepare(slot: str) -> str:
    """Return the code that empties this slot, which is not the working one, and ends any trial of
    it."""
    return f"{_SLOTS}slots.cancel()\n{_CLEAR}clear('{slot}')\n"


def target(said: str) -> tuple[str, bool]:
    """Parse LOOK's output: the slot to write, and whether the other one works, so that the new one
    goes on trial. Raises NotReady."""
    for line in said.splitlines():
        match line.split():
            case ["slot", ("a" | "b") as slot, "is", "empty"]:
                return slot, False
            case ["slot", ("a" | "b") as slot, "runs"]:
                return "ab".replace(slot, ""), True
    raise NotReady(said.strip() or "the board sent nothing")
