"""What the gate's inputs did, kept from the moment it happened until the loop has time for it.

One writer (interrupt handlers, or a thread) and one reader (the loop): each moves only its own end,
so neither waits for the other, and writing takes no memory. It lies in RAM: what the loop has not
yet read when the power goes is lost.
"""

from array import array

SIZE = 1024  # docs/firmware.md says how long that lasts
OUTSIDE, INSIDE = 1, 2
_HOLE = 4
_MASK = (1 << 30) - 1  # of the counter of milliseconds, which the reader knows how to unwrap


class Edges:
    """`mono`: clock.Monotonic, of the counter that the writer's `ticks` (ms) are of.

    `lost`: changes that found no room; `blind_ms`: the longest time, since it was last set to 0,
    that the writer did not get to look at the inputs at all."""

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
        """Writer: the inputs are now `state` (OUTSIDE | INSIDE). One that did not change is not
        kept, so a writer that puts the state again and again mends what had found no room."""
        if state == self._last:
            self._refused = -1
            return
        after = (self._in + 1) % self._size
        if after == self._out:
            if state != self._refused:  # the same one tried again is no other loss
                self.lost += 1
                self._refused = state
                self._hole = True
            return
        self._ticks[self._in] = ticks & _MASK
        self._states[self._in] = state | (_HOLE if self._hole else 0)
        self._last, self._refused, self._hole = state, -1, False
        self._in = after

    def one(self, bit, on, ticks):
        """Writer: this input alone (OUTSIDE or INSIDE) is now on, or off."""
        self.put(self._last | bit if on else self._last & ~bit, ticks)

    def look(self, state, ticks):
        """Writer, at every regular look: as `put`, and measures how late the look is."""
        if self._looked >= 0:
            blind_ms = (ticks - self._looked) & _MASK
            if blind_ms > self.blind_ms:
                self.blind_ms = blind_ms
        self._looked = ticks
        self.put(state, ticks)

    def take(self):
        """Reader: (ms since the boot, outside, inside, whether changes before it were lost), the
        oldest first; None when there is no more."""
        if self._out == self._in:
            return None
        ticks, state = self._ticks[self._out], self._states[self._out]
        self._out = (self._out + 1) % self._size
        at_ms = self._mono.at(ticks)
        return at_ms, bool(state & OUTSIDE), bool(state & INSIDE), bool(state & _HOLE)
