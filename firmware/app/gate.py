"""From bouncing inputs to entry and exit. Times are monotonic milliseconds."""


class Debounce:
    """An input counts as changed once it has kept its new value for `stable_ms`."""

    def __init__(self, stable_ms=50):
        self._stable_ms = stable_ms
        self._since_ms = None
        self.value = False

    def feed(self, raw, now_ms):
        """The debounced value after this reading."""
        if bool(raw) == self.value:
            self._since_ms = None
        elif self._since_ms is None:
            self._since_ms = now_ms
        elif now_ms - self._since_ms >= self._stable_ms:
            self.value, self._since_ms = not self.value, None
        return self.value


class Near:
    """An ultrasonic distance as an input: on below `near_cm`, off again beyond `far_cm`. No echo
    (None) changes nothing."""

    def __init__(self, near_cm=150, far_cm=200):
        self._near_cm, self._far_cm = near_cm, far_cm
        self.value = False

    def feed(self, distance_cm):
        """Whether something is near after this reading."""
        if distance_cm is not None:
            self.value = distance_cm < (self._far_cm if self.value else self._near_cm)
        return self.value


class Direction:
    """Two inputs in the way of a vehicle, the first on the outside: which way did it pass?

    A passing begins when one comes on and ends when both have been off for `gap_ms` (sensors
    further apart than a car is long need a gap). The input that came on first and the one that
    went off last tell the way; the same one means that the car backed out, and nothing passed.
    """

    def __init__(self, gap_ms=0):
        self._gap_ms = gap_ms
        self._first = self._last = None
        self._both = (False, False)
        self._idle_ms = 0

    def feed(self, outside, inside, now_ms):
        """ "entry", "exit" or None, after these debounced values."""
        now, before, self._both = (outside, inside), self._both, (outside, inside)
        if any(now):
            if self._first is None:  # both at once tell no way
                self._first = "both" if all(now) else "outside" if outside else "inside"
            self._last = None
            return None
        if self._first is None:
            return None
        if any(before):
            self._last = "both" if all(before) else "outside" if before[0] else "inside"
            self._idle_ms = now_ms
        if now_ms - self._idle_ms < self._gap_ms:
            return None
        way = (self._first, self._last)
        self._first = self._last = None
        return {("outside", "inside"): "entry", ("inside", "outside"): "exit"}.get(way)


class OneWay:
    """A single input at a gate with one direction: each time it comes on, a vehicle passed."""

    def __init__(self, direction):
        self._direction = direction
        self._before = False

    def feed(self, on, _inside, _now_ms):
        """The direction when the input came on, else None."""
        came, self._before = on and not self._before, on
        return self._direction if came else None
