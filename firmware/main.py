"""The program that MicroPython runs on a board: the loader, then the image that is due."""

import sys

import machine

from loader.boot import SLOTS_SECTOR, boot
from loader.journal import Journal
from loader.partition import Flash
from loader.slots import Slots

GUARD_MS = 900_000

flash = Flash()


def still_on_trial(_timer):
    """Restart, because a trial that is neither confirmed nor restarted by now has hung."""
    if Slots(Journal(flash, SLOTS_SECTOR)).on_trial:
        machine.reset()


def guard():
    """Arm a hardware timer that no image knows of."""
    machine.Timer(0).init(mode=machine.Timer.ONE_SHOT, period=GUARD_MS, callback=still_on_trial)


def start():
    """Import and run the image."""
    from hal.esp32 import run

    run(flash)


try:
    boot(flash, lambda slot: "/" + slot, guard, start)
except KeyboardInterrupt:
    raise  # interrupted by a person at the serial line
except BaseException as error:  # noqa: BLE001 -- whatever it is, the next boot is the answer
    sys.print_exception(error)
    machine.reset()
