"""Which image boots, with the power cut at every flash write of a life with two updates, a bad one
and a good one. Runs under MicroPython: trial_cuts.py. Prints one JSON line."""

import json
import sys

sys.path.insert(0, "firmware")

from loader.journal import Journal
from loader.slots import MAX_TRIALS, Slots
from sim.flash import Flash, PowerCut

Flash.SECTOR = 1024
TEARS = ((0.0, False), (0.3, False), (0.9, False), (1.0, False), (0.5, True))


class Life:
    """What survives a power cut: flash, the contents of the slots, and how often the bad image
    ran."""

    def __init__(self, cut_at, tear, scattered):
        self.flash = Flash(4)
        self.flash.cut_at, self.flash.tear, self.flash.scattered = cut_at, tear, scattered
        self.images = {"a": "first", "b": None}
        self.plan = ["bad", "good"]
        self.bad_runs = self.worst = 0
        self.empty = 0
        self.ran = []

    def boot(self):
        """Boot once: run the loader, then do what the image in that slot does."""
        slots = Slots(Journal(self.flash, 2))
        slot, trial = slots.begin()
        image = self.images[slot]
        self.ran.append(image)
        if image == "bad":
            self.bad_runs += 1
            self.worst = max(self.worst, self.bad_runs)
            return  # it hangs; the watchdog restarts the board
        self.bad_runs = 0
        if image is None:
            self.empty += 1  # nothing there: never to happen
            return
        if trial:
            slots.confirm()
        if self.plan and slots.on_trial is None:
            self.images[slots.other] = self.plan[0]
            slots.install()
            self.plan.pop(0)


def run(cut_at, tear, scattered):
    life, cuts = Life(cut_at, tear, scattered), 0
    for _ in range(30):
        try:
            life.boot()
        except PowerCut:
            cuts += 1
    return life, cuts


def main():
    whole, _ = run(0, 0, False)
    total = {"writes": whole.flash.writes, "cuts": 0, "worst": 0, "empty": 0, "not_good": 0}
    for n in range(1, whole.flash.writes + 1):
        for tear, scattered in TEARS:
            life, cuts = run(n, tear, scattered)
            total["cuts"] += cuts
            total["worst"] = max(total["worst"], life.worst)
            total["empty"] += life.empty
            total["not_good"] += life.ran[-1] != "good"
    total["max"] = MAX_TRIALS
    print(json.dumps(total))


main()
