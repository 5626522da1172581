"""Start the image that is due; whatever it does, the next boot knows."""

import sys

from loader.journal import Journal
from loader.slots import Slots

SLOTS_SECTOR = 2


def boot(flash, folder, guard, start):
    """Run the image of the slot that is due, until the board restarts.

    `folder(slot)`: where its files lie; `guard()`: arms what ends a trial that hangs (a hardware
    timer that no image can reach); `start()`: imports and runs it. An exception is the caller's to
    tell, then to restart the board."""
    slots = Slots(Journal(flash, SLOTS_SECTOR))
    slot, trial = slots.begin()
    if trial:
        guard()
    sys.path.insert(0, folder(slot))
    start()
