"""Row 24: a day without network and without a clock, wrong clocks, and a power cut in between.
Which time does the device report for each event?

Time is simulated, with a crystal that is 20 ppm off. Runs under MicroPython: outage.py [broken].
Prints one JSON line.
"""

import gc
import json
import random
import sys

sys.path.insert(0, "firmware")

from app import clock as clocks
from app import ring
from app.clock import Clock
from app.outbox import Outbox
from sim.flash import Flash

BROKEN = sys.argv[1] if len(sys.argv) > 1 else ""
TRUE_MS = 1_790_000_000_000  # when the device got power
DAY_MS = 86_400_000
PPM = 20
SECTORS, EVENTS = 32, 1000


class Board:
    """A device's memory, one boot of it at a time, and the true time."""

    def __init__(self):
        self.flash = Flash(SECTORS)
        self.true_ms = TRUE_MS
        self.boot_id = 0
        self.happened = {}
        self.reports = []

    def power_on(self):
        self.boot_id += 1
        self.began_ms = self.true_ms
        self.clock = Clock()
        self.ring = ring.Ring(self.flash, 4, SECTORS - 4)
        self.box = Outbox(self.ring, self.clock, self.boot_id, self.mono_ms)
        self.seq = 0

    def mono_ms(self):
        passed = self.true_ms - self.began_ms
        return passed + passed * PPM // 1_000_000

    def passes(self):
        self.seq += 1
        self.happened[(self.boot_id, self.seq)] = self.true_ms
        assert self.box.add("entry", "main", self.seq, self.mono_ms())

    def time_server(self, says_ms=None):
        believed = self.clock.offer(says_ms or self.true_ms, self.mono_ms())
        if believed:
            self.box.anchored()
        return believed

    def drain(self):
        """Once connected, send everything, each after its end-to-end ack."""
        self.box.connected()
        for _ in range(200_000):
            entry = self.box.next()
            if entry is None:
                if not len(self.ring):
                    return
                self.true_ms += 1000  # it waits for the clock, or for nothing more
                continue
            (_, boot_id, seq), payload = entry
            self.reports.append(((boot_id, seq), json.loads(payload)["captured_at_ms"]))
            ack = {"of": "gate", "boot_id": boot_id, "seq": seq, "result": "accepted"}
            assert self.box.acked(ack)

    def result(self):
        ids = [one for one, _ in self.reports]
        off = [
            abs(time_ms - self.happened[one])
            for one, time_ms in self.reports
            if time_ms is not None
        ]
        return {
            "events": len(self.happened),
            "once": len(set(ids)) == len(ids) == len(self.happened),
            "ordered": ids == sorted(ids),
            "without_time": sum(time_ms is None for _, time_ms in self.reports),
            "off_ms": max(off) if off else None,
            "refused": self.clock.refused,
            "left": len(self.ring),
        }


def day(board, events=EVENTS):
    random.seed(24)
    moments = sorted(random.randrange(DAY_MS) for _ in range(events))
    began = board.true_ms
    for moment in moments:
        board.true_ms = began + moment
        board.passes()
    board.true_ms = began + DAY_MS


def outage():
    """There is a day without network, then the time server comes, then the broker."""
    board = Board()
    board.power_on()
    day(board)
    board.time_server()
    board.drain()
    return board.result()


def wrong(says_ms):
    """The time server first says 2000 or 2021."""
    board = Board()
    board.power_on()
    day(board, 100)
    board.time_server(says_ms)
    board.time_server()
    board.drain()
    return board.result()


def jump():
    """One answer of a server is a day off. A second one like it would be believed."""
    board = Board()
    board.power_on()
    board.time_server()
    day(board, 50)
    board.time_server(board.true_ms + DAY_MS)
    board.passes()
    board.drain()
    return board.result()


def real_jump():
    """The first answer was wrong by an hour, and two later ones agree with each other."""
    board = Board()
    board.power_on()
    board.time_server(board.true_ms - 3_600_000)
    taken = board.time_server(), board.time_server()
    board.true_ms += 60_000
    board.passes()
    board.drain()
    return dict(board.result(), taken=list(taken))


def cut_after_anchor():
    """The clock became known, and then the power failed before anything was delivered."""
    board = Board()
    board.power_on()
    day(board, 100)
    board.time_server()
    board.passes()
    board.power_on()
    board.passes()
    board.true_ms += 5000
    board.time_server()
    board.drain()
    return board.result()


def cut_before_anchor():
    """The power failed while the clock was unknown, so the times of those events are unknown."""
    board = Board()
    board.power_on()
    day(board, 100)
    board.power_on()
    board.time_server()
    board.drain()
    return board.result()


def full():
    """There are more events than the ring holds. The oldest stay, and every refused one is
    counted."""
    board = Board()
    board.power_on()
    refused = 0
    for seq in range(1, 2001):
        refused += not board.box.add("entry", "main", seq, board.mono_ms())
        if not refused:
            board.happened[(1, seq)] = board.true_ms
    held, counted, capacity = len(board.ring), board.ring.refused, board.ring.capacity
    board.drain()
    again = board.box.add("exit", "main", 2001, board.mono_ms())
    return dict(
        board.result(), held=held, refused=refused, counted=counted, capacity=capacity, again=again
    )


def main():
    gc.threshold(50_000)  # what is kept for the verdict must not lie scattered over the heap
    if BROKEN == "believe-any-clock":
        clocks.NOT_BEFORE_MS = 0
    said = {"2000": 946_684_800_000, "2021": 1_609_459_200_000}
    out = {"outage": outage(), "jump": jump(), "real_jump": real_jump(), "full": full()}
    out.update({year: wrong(ms) for year, ms in said.items()})
    out.update({"cut_after": cut_after_anchor(), "cut_before": cut_before_anchor()})
    print(json.dumps(out))


main()
