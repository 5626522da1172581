"""Block the loop for seconds while vehicles pass, and check flash afterwards. The device, its loop
and its ring are the firmware's, and the sensors are a thread (sim/sensors.py).

Runs under MicroPython: held_up.py HELD_S VEHICLES EDGES [polling]. Prints one JSON line.
"""

import asyncio
import json
import random
import sys
import time

sys.path.insert(0, "firmware")

from app import device, edges
from app.clock import Monotonic
from app.config import filled
from sim.flash import Flash
from sim.sensors import Sensors

HELD_S, VEHICLES, EDGES = (int(one) for one in sys.argv[1:4])
POLLING = sys.argv[4:] == ["polling"]
CONFIG = {"device_id": "demo/gate-1", "host": "nowhere", "password": "p", "tls": False}
CONFIG.update({"gate": "two", "gate_stable_ms": 50, "provisioned_at_s": 1_790_000_000})


class Hal:
    """A board without a network, and what its sensors really showed."""

    def __init__(self, config):
        self.flash = Flash(32)
        self.mono_ms = Monotonic(time.ticks_ms)
        self.edges = edges.Edges(self.mono_ms, EDGES)
        self.store, self.proof = None, ""
        self.shown = []  # (ticks, state), each change
        self.state = 0
        Sensors({"passings": VEHICLES}, config["gate_stable_ms"], self.show).start()

    def show(self, state, ticks):
        if state != self.state:
            self.shown.append((ticks, state))
            self.state = state
        if not POLLING:
            self.edges.look(state, ticks)

    def random(self):
        return random.random()

    def online(self):
        return False

    async def join(self):
        return False

    def feed(self):
        pass

    def say(self, text):
        pass


async def main():
    config = filled(CONFIG)
    hal = Hal(config)
    one = device.Device(config, hal)
    tasks = [asyncio.create_task(one.run())]
    if POLLING:
        tasks.append(asyncio.create_task(poll(hal)))
    await asyncio.sleep_ms(100)
    before = len(one.ring)
    time.sleep(HELD_S)  # noqa: ASYNC251 -- a look-up, a handshake: no loop has its turn
    during = len(hal.shown)
    while len(hal.shown) < 4 * VEHICLES:
        await asyncio.sleep_ms(10)
    await asyncio.sleep_ms(200)
    print(json.dumps(judged(hal, one, {"edges_held_up": during, "events_before": before})))


async def poll(hal):
    """As the negative control, let the loop itself look at the inputs."""
    while True:
        hal.edges.look(hal.state, time.ticks_ms())
        await asyncio.sleep_ms(10)


def judged(hal, one, passages):
    gone = [hal.mono_ms.at(ticks) for ticks, state in hal.shown if not state]
    kept = []
    event = one.ring.first()
    while event is not None:
        kept.append(("entry" if event.kind == 0xA1 else "exit", event.mono_ms))
        one.ring.done()
        event = one.ring.first()
    passages["truth"] = [("exit" if n % 2 else "entry", at_ms) for n, at_ms in enumerate(gone)]
    passages["kept"] = kept
    passages["edges_lost"] = hal.edges.lost
    return passages


asyncio.run(main())
