"""The simulated gate's inputs: a separate thread that, like interrupts, continues while the board's
loop is blocked."""

import _thread
import time

from app.edges import INSIDE, OUTSIDE

STEP_MS = 10
_STEPS = 2  # how long a state of the inputs lasts; longer than the debounce time
_WAY = (OUTSIDE, OUTSIDE | INSIDE, INSIDE, 0)
_BACK = (INSIDE, OUTSIDE | INSIDE, OUTSIDE, 0)


class Sensors:
    """`world` is as in board.py. `put(state, ticks)` is called at every step with the inputs'
    state."""

    def __init__(self, world, stable_ms, put):
        self._world, self._put = world, put
        self._steps = _STEPS + stable_ms // STEP_MS
        self._left = world.get("passings", 0)
        self._passed = 0
        self._index = None
        self._queue = []
        self._shape = []

    def start(self):
        """Play until the power fails."""
        _thread.start_new_thread(self._play, ())

    def _play(self):
        while True:
            self._put(self._state(), time.ticks_ms())
            stepped_ms = time.ticks_ms()
            # Missed steps are not replayed: a state that is too short would look like a bounce.
            while time.ticks_diff(time.ticks_ms(), stepped_ms) < STEP_MS:
                time.sleep_ms(STEP_MS)

    def _state(self):
        self._plan()
        if not self._shape:
            if not self._queue:
                return 0
            way = _WAY if self._queue.pop(0) == "entry" else _BACK
            self._shape = [state for state in way for _ in range(self._steps)]
        return self._shape.pop(0)

    def _plan(self):
        if self._left and not self._queue and not self._shape:
            self._left -= 1
            self._passed += 1
            self._queue.append("entry" if self._passed % 2 else "exit")
        gate = self._world.get("gate")
        if not gate:
            return
        index = time.time_ns() // 1_000_000 // self._world["interval_ms"] % self._world["length"]
        if index == self._index:
            return
        began = self._index is not None and index == 0
        self._index = index
        if began:
            self._queue += self._world.get("balance", [])
        self._queue += [direction for frame, direction in gate if frame == index]
