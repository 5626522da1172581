"""The `hal` of a simulated board. `world` is a dict:

state      folder: flash.bin, the slots a/ and b/, `wifi-off` (if it exists: no network), `wdt` (its
           change is the watchdog's feed)
frames     JPEG files that the camera plays by the wall clock, so all cameras are in step
interval_ms, length, gate [[frame, direction]], balance [direction]: the scene and its passings
passings   a number of further passages, one after the other, on the inputs
ntp        "ok", "off", "2000", "2021" (the time server's answer until a file `ntp-ok` exists)
"""

import gc
import os
import random
import sys
import time

from app.clock import Monotonic
from app.edges import Edges
from app.tls import context
from hal.store import Store
from sim.flash import FlashFile
from sim.sensors import Sensors

RESTART = 75
_WRONG_MS = {"2000": 946_684_800_000, "2021": 1_609_459_200_000}


class Board:
    """See the module's docstring."""

    def __init__(self, config, world):
        self._config, self._world = config, world
        self._state = world["state"]
        self.flash = FlashFile(32, self._state + "/flash.bin")
        self.store, self.proof = Store(self._state), self._state + "/proof"
        self.mono_ms = Monotonic(time.ticks_ms)
        self._frames = world.get("frames", [])
        self.edges = Edges(self.mono_ms)
        if config["gate"]:
            Sensors(world, config["gate_stable_ms"], self.edges.look).start()

    def random(self):
        """Return 0 <= x < 1."""
        return random.random()

    def say(self, text):
        """Print to the serial line."""
        print(self._config["device_id"], text)

    def ssl(self):
        """Return the TLS context."""
        return context(self._config)

    def online(self):
        """Return whether there is a network."""
        return not _exists(self._state + "/wifi-off")

    async def join(self):
        """Try to find a network."""
        return self.online()

    async def ntp(self):
        """Return (wall ms, monotonic ms), or None."""
        kind = self._world.get("ntp", "ok")
        if _exists(self._state + "/ntp-ok"):
            kind = "ok"
        if kind == "off":
            return None
        return _WRONG_MS.get(kind) or time.time_ns() // 1_000_000, self.mono_ms()

    def health(self):
        """Return this board's part of the telemetry."""
        return {"rssi_dbm": -60.0, "heap_free_bytes": gc.mem_free()}

    def feed(self):
        """Feed the watchdog."""
        with open(self._state + "/wdt", "w") as file:
            file.write(str(self.mono_ms()))

    def restart(self):
        """Exit with the status on which the parent process restarts it."""
        sys.exit(RESTART)

    def set_frame_size(self, name):
        """Only log it, because the pictures have a fixed size."""
        self.say("frame size " + name)

    def capture(self):
        """Return the picture of this moment, or None without a camera."""
        if not self._frames:
            return None
        interval_ms = self._world["interval_ms"]
        scene = time.time_ns() // 1_000_000 // interval_ms % self._world["length"]
        with open(self._frames[scene % len(self._frames)], "rb") as file:
            return file.read()


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True
