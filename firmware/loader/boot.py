"""Start the image that is due. Its outcome is recorded for the next boot."""

import sys

from loader.journal import Journal
from loader.slots import Slots

SLOTS_SECTOR = 2


def boot(flash, folder, guard, start):
    """Run the image of the slot that is due, until the board restarts.

    `folder(slot)` returns the folder of its files. `guard()` arms a hardware timer that ends a
    hanging trial and that no image can reach. `start()` imports and runs the image. On an
    exception, the caller reports it and restarts the board."""
    slots = Slots(Journal(flash, SLOTS_SECTOR))
    slot, trial = slots.begin()
    if trial:
        guard()
    sys.path.insert(0, folder(slot))
    start()
