"""Changes of the gate's inputs, buffered from the moment they happen until the loop reads them.

One writer (interrupt handlers, or a thread) and one reader (the loop): each moves only its own end,
so neither waits for the other. Writing allocates no memory. The buffer is in RAM, so a power cut
loses the changes that the loop has not read.
"""

from array import array

SIZE = 1024  # docs/firmware.md says how long that is enough
OUTSIDE, INSIDE = 1, 2
_HOLE = 4
_MASK = (1 << 30) - 1  # period of the millisecond counter, which the reader unwraps


class Edges:
    """`mono` is the clock.Monotonic over the counter that the writer's `ticks` (ms) come from.

    `lost` counts changes that found no room. `blind_ms` is the longest time, since it was last
    reset to 0, during which the writer could not read the inputs."""

    def __init__(self, mono, size=SIZE):
        self._mono, self._size = mono, size
        self._ticks = array("I", bytes(4 * size))
        self._states = bytearray(size)
        self._in = self._out = 0
        self._last = 0
        self._refused = -1
        self._hole = False
        self._looked = -1
        self.lost = self.blind_ms = 0

    def put(self, state, ticks):
        """For the writer: the inputs are now `state` (OUTSIDE | INSIDE). An unchanged state is not
        stored. A change that found no room is stored later if the writer repeats the state."""
        if state == self._last:
            self._refused = -1
            return
        after = (self._in + 1) % self._size
        if after == self._out:
            if state != self._refused:  # a retry of the same change is not another loss
                self.lost += 1
                self._refused = state
                self._hole = True
            return
        self._ticks[self._in] = ticks & _MASK
        self._states[self._in] = state | (_HOLE if self._hole else 0)
        self._last, self._refused, self._hole = state, -1, False
        self._in = after

    def one(self, bit, on, ticks):
        """For the writer: this one input (OUTSIDE or INSIDE) is now on or off."""
        self.put(self._last | bit if on else self._last & ~bit, ticks)

    def look(self, state, ticks):
        """For the writer, at every regular reading: like `put`, and also measures how late the
        reading is."""
        if self._looked >= 0:
            blind_ms = (ticks - self._looked) & _MASK
            if blind_ms > self.blind_ms:
                self.blind_ms = blind_ms
        self._looked = ticks
        self.put(state, ticks)

    def take(self):
        """For the reader: return the oldest change as (ms since boot, outside, inside, whether
        changes before it were lost), or None when there are no more."""
        if self._out == self._in:
            return None
        ticks, state = self._ticks[self._out], self._states[self._out]
        self._out = (self._out + 1) % self._size
        at_ms = self._mono.at(ticks)
        return at_ms, bool(state & OUTSIDE), bool(state & INSIDE), bool(state & _HOLE)
