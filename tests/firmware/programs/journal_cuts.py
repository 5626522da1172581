"""Cut the power at every write of many boots: the boot counter only grows.

Runs under MicroPython: journal_cuts.py. Prints one JSON line.
"""

import json
import sys

sys.path.insert(0, "firmware")

from app import boots
from loader.journal import Journal
from sim.flash import Flash, PowerCut

BOOTS, BEGIN = 40, 1 << 40
Flash.SECTOR = 1024  # 16 records a sector


def run(cut_at, tear, scattered):
    flash = Flash(2)
    flash.cut_at, flash.tear, flash.scattered = cut_at, tear, scattered
    used, cuts = [], 0
    while len(used) < BOOTS:
        try:
            used.append(boots.next_boot(Journal(flash, 0), BEGIN))
        except PowerCut:
            cuts += 1
    return flash, used, cuts


def main():
    flash, _, _ = run(0, 0, False)
    total = {"writes": flash.writes, "cuts": 0, "wrong": 0}
    for n in range(1, flash.writes + 1):
        for tear, scattered in (
            (0.0, False),
            (0.3, False),
            (0.9, False),
            (1.0, False),
            (0.5, True),
        ):
            _, used, cuts = run(n, tear, scattered)
            total["cuts"] += cuts
            # Strictly growing: a number may be left out (its boot never ran), none comes again.
            total["wrong"] += any(a >= b for a, b in zip(used, used[1:])) or used[0] < BEGIN
    erased = boots.base(1_800_000_000, 0.1), boots.base(1_800_000_001, 0.1)
    total["begins_later"] = erased[1] - erased[0]
    print(json.dumps(total))


main()
