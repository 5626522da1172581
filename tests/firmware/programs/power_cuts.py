"""Row 24: the power fails at every single flash write, torn in several ways. No event is lost, none
comes twice under another id, the order is kept, and boot numbers never repeat.

Runs under MicroPython: power_cuts.py [broken]. Prints one JSON line.
"""

import json
import sys

sys.path.insert(0, "firmware")

from app import boots, ring
from app.clock import Clock
from app.outbox import Outbox
from loader.journal import Journal
from sim.flash import Flash, PowerCut

BROKEN = sys.argv[1] if len(sys.argv) > 1 else ""
Flash.SECTOR = 1024  # 15 events a sector: the ring goes round, the journal changes sectors
SECTORS, EVENTS, BEGIN = 7, 60, 1000
TRUE_MS, CLOCK_AFTER = 1_790_000_000_000, 8
TEARS = ((0.0, False), (0.03, False), (0.5, False), (0.97, False), (1.0, False), (0.5, True))


class World:
    """What survives a power cut: flash, what Kafka has, what the sensor reported, and the boot
    numbers used."""

    def __init__(self, flash):
        self.flash = flash
        self.kafka = []
        self.wanted = []  # events that `add` said are in flash
        self.begun = None  # the event being added when the power went
        self.boots = []
        self.made = 0
        self.torn = 0
        self.ms = 0  # true time
        self.happened = {}  # event: when, in true time
        self.timeless = self.wrong_times = 0


def boot(world):
    """Live one life of a device, until all events are made and delivered or the power fails."""
    flash = world.flash
    events = ring.Ring(flash, 4, SECTORS - 4)
    world.torn += events.torn
    boot_id = boots.next_boot(Journal(flash, 0), BEGIN, events.last_boot)
    assert boot_id not in world.boots, "a boot number came twice"
    world.boots.append(boot_id)
    began, clock = world.ms, Clock()
    box = Outbox(events, clock, boot_id, lambda: world.ms - began)
    box.connected()
    rounds = 0
    while world.made < EVENTS or len(events):
        # Two come in for one that goes out, until all are there: the ring fills and goes round.
        for _ in range(2):
            if world.made < EVENTS:
                world.made += 1
                world.begun = (boot_id, world.made)
                world.happened[world.begun] = world.ms
                if box.add(
                    "entry" if world.made % 2 else "exit", "main", world.made, world.ms - began
                ):
                    world.wanted.append(world.begun)
                world.begun = None
        world.ms += 1000
        rounds += 1
        if rounds == CLOCK_AFTER and clock.offer(TRUE_MS + world.ms, world.ms - began):
            box.anchored()
        deliver(world, events, box)


def deliver(world, events, box):
    entry = box.next()
    if entry is None:
        return
    (_, boot_id, seq), payload = entry
    captured_ms = json.loads(payload)["captured_at_ms"]
    if captured_ms is None:
        world.timeless += 1
    elif abs(captured_ms - TRUE_MS - world.happened[(boot_id, seq)]) > 2000:
        world.wrong_times += 1
    if BROKEN == "erase-on-puback":  # the broker has it, and dies with every third
        events.done()
        if seq % 3:
            world.kafka.append((boot_id, seq))
        return
    world.kafka.append((boot_id, seq))
    box.acked({"of": "gate", "boot_id": boot_id, "seq": seq, "result": "accepted"})


def run(cut_at, tear, scattered, again=0):
    """Live one device's life with the power cut at that write, and `again` writes into the next
    boot."""
    flash = Flash(SECTORS)
    flash.cut_at, flash.tear, flash.scattered = cut_at, tear, scattered
    world = World(flash)
    cuts = 0
    while True:
        try:
            boot(world)
            break
        except PowerCut:
            cuts += 1
            if again and cuts == 1:
                flash.cut_at = flash.writes + again
            if world.begun is not None:  # written whole or not at all: the device cannot know
                world.wanted.append(world.begun + ("maybe",))
                world.begun = None
    return world, cuts


def judge(world):
    sure = [one for one in world.wanted if len(one) == 2]
    maybe = {one[:2] for one in world.wanted if len(one) == 3}
    once = []
    for one in world.kafka:  # Kafka's readers keep the first of an id
        if one not in once:
            once.append(one)
    lost = [one for one in sure if one not in once]
    extra = [one for one in once if one not in sure and one not in maybe]
    return len(lost), len(extra), once == sorted(once), len(world.kafka) - len(once)


def garbage(n):
    try:
        return judge(run(n, 0.5, False)[0])[1]
    except UnicodeError:
        return 1


def main():
    whole, _ = run(0, 0, False)
    if BROKEN == "erase-on-puback":
        lost, _, _, _ = judge(whole)
        print(json.dumps({"lost": lost}))
        return
    total = {"writes": whole.flash.writes, "erases": whole.flash.erases, "runs": 0, "cuts": 0}
    total.update({"lost": 0, "extra": 0, "disordered": 0, "again": 0, "torn": 0})
    total.update({"timeless": 0, "wrong_times": 0})
    if BROKEN == "no-crc":  # what a torn write left is taken for an event
        ring.crc32 = lambda _: 0xFFFFFFFF
        print(json.dumps({"garbage": sum(garbage(n) for n in range(1, whole.flash.writes + 1))}))
        return
    cases = [(n, tear, 0) for n in range(1, whole.flash.writes + 1) for tear in TEARS]
    cases += [(n, (0.5, False), again) for n, tear, _ in cases if tear[1] for again in (1, 2, 3)]
    for n, (tear, scattered), again in cases:
        world, cuts = run(n, tear, scattered, again)
        lost, extra, ordered, repeated = judge(world)
        total["runs"] += 1
        total["cuts"] += cuts
        total["lost"] += lost
        total["extra"] += extra
        total["disordered"] += not ordered
        total["again"] += repeated
        total["torn"] += world.torn
        total["timeless"] += world.timeless
        total["wrong_times"] += world.wrong_times
    print(json.dumps(total))


main()
