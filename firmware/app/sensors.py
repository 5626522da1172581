"""Turn the buffered changes of the gate's inputs (edges.py) into passages (gate.py)."""

from app.gate import Gate

ULTRASONIC_STABLE_MS = 150  # two readings of hal/inputs.py, so a single one is ignored


class Sensors:
    """`config` is checked and `edges` is an edges.Edges. `passed(direction, at_ms)` is called for
    each vehicle, in order, with the (monotonic) moment at which it passed."""

    def __init__(self, config, edges, now_ms, passed):
        stable_ms = config["gate_stable_ms"]
        if config["ultrasonic"]:
            stable_ms = max(stable_ms, ULTRASONIC_STABLE_MS)
        self._gate = Gate(config["gate"], stable_ms, config["gate_gap_ms"])
        self._edges, self._now_ms, self._passed = edges, now_ms, passed

    @property
    def busy(self):
        """Return whether a vehicle is, or may be, in the gate."""
        return self._gate.busy

    def look(self):
        """Process all changes of the inputs since the last call."""
        now = self._now_ms()  # read before the edges, so that no change until then is missed
        edge = self._edges.take()
        while edge is not None:
            self._tell(self._gate.feed(*edge))
            edge = self._edges.take()
        self._tell(self._gate.settle(now))

    def telemetry(self):
        """Return the part of the telemetry about missed changes."""
        edges = self._edges
        blind_ms, edges.blind_ms = edges.blind_ms, 0
        return {"gate_edges_lost": edges.lost, "gate_blind_ms": blind_ms}

    def _tell(self, passings):
        for direction, at_ms in passings:
            self._passed(direction, at_ms)
