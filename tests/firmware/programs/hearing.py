"""A minimal board that only receives acks, for the programs in this folder."""

import json

from app.clock import Monotonic
from app.edges import Edges


class Hal:
    """As much of a board as a device needs to receive an ack. `proof` is the path of its file."""

    def __init__(self, flash, proof=""):
        self.flash, self.store, self.proof, self.said = flash, None, proof, []
        self.now = 0
        self.mono_ms = Monotonic(lambda: self.now)
        self.edges = Edges(self.mono_ms)
        self.say = self.said.append

    def random(self):
        return 0.5

    def feed(self):
        pass

    def restart(self):
        self.said.append("restarted")


def hears(device, **body):
    device.received("parking/v1/demo/gate-1/ack", json.dumps(body))
