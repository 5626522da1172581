"""Turn bouncing inputs into entries and exits. Each change carries its own time in monotonic
milliseconds, so changes may be fed in later."""


class Debounce:
    """An input counts as changed once it has kept the new value for `stable_ms`. The change then
    dates from its first moment."""

    def __init__(self, stable_ms=50):
        self._stable_ms = stable_ms
        self.value = False
        self.since = None  # (at_ms, sequence) of the change away from `value`, or None

    def feed(self, raw, at_ms, number=0):
        """Set the input's state from this moment on. `number` orders changes of the same moment."""
        if bool(raw) == self.value:
            self.since = None
        elif self.since is None:
            self.since = (at_ms, number)

    def is_due(self, now_ms):
        """Return whether a new value has lasted long enough."""
        return self.since is not None and now_ms - self.since[0] >= self._stable_ms

    def flip(self):
        """Accept the new value."""
        self.value, self.since = not self.value, None


class Near:
    """Treats an ultrasonic distance as an input: on below `near_cm`, off again beyond `far_cm`. No
    echo (None) changes nothing."""

    def __init__(self, near_cm=150, far_cm=200):
        self._near_cm, self._far_cm = near_cm, far_cm
        self.value = False

    def feed(self, distance_cm):
        """Return whether something is near after this reading."""
        if distance_cm is not None:
            self.value = distance_cm < (self._far_cm if self.value else self._near_cm)
        return self.value


class Direction:
    """Determines the direction from two inputs in a vehicle's path. The first is the outer one.

    A passage begins when one comes on and ends when both have been off for `gap_ms` (sensors
    further apart than a car's length need a gap). The direction follows from which input came on
    first and which went off last. If they are the same input, the car backed out and nothing
    passed.
    """

    def __init__(self, gap_ms=0):
        self._gap_ms = gap_ms
        self._first = self._last = None
        self._both = (False, False)
        self._off_ms = None

    @property
    def busy(self):
        """Return whether a passage is in progress."""
        return self._first is not None

    def feed(self, outside, inside, at_ms):
        """Take the new debounced inputs. Returns (direction, end time) or None."""
        ended = self.ended(at_ms)
        now, before, self._both = (outside, inside), self._both, (outside, inside)
        if any(now):
            if self._first is None:  # two that come on at once give no direction
                self._first = "both" if all(now) else "outside" if outside else "inside"
            self._off_ms = None
        elif any(before):
            self._last = "both" if all(before) else "outside" if before[0] else "inside"
            self._off_ms = at_ms
        return ended or self.ended(at_ms)

    def ended(self, now_ms):
        """Like `feed`, when nothing has changed until this moment."""
        if self._off_ms is None or now_ms - self._off_ms < self._gap_ms:
            return None
        way, at_ms = (self._first, self._last), self._off_ms
        self._first = self._last = self._off_ms = None
        direction = {("outside", "inside"): "entry", ("inside", "outside"): "exit"}.get(way)
        return direction and (direction, at_ms)

    def forget(self):
        """After lost changes, drop the direction of the passage in progress."""
        if self._first is not None:
            self._first = "both"


class OneWay:
    """A single input at a one-way gate: each time it comes on, a vehicle passed."""

    busy = False

    def __init__(self, direction):
        self._direction = direction
        self._before = False

    def feed(self, on, _inside, at_ms):
        """Return (direction, time) when the input comes on, else None."""
        came, self._before = on and not self._before, on
        return (self._direction, at_ms) if came else None

    def ended(self, _now_ms):
        """Nothing to do."""

    def forget(self):
        """Nothing to forget."""


class Gate:
    """Debounces both inputs, in the order of their changes. `kind` is "two", "entry" or "exit"."""

    def __init__(self, kind, stable_ms, gap_ms):
        self._boxes = (Debounce(stable_ms), Debounce(stable_ms))
        self._stable_ms = stable_ms
        self._way = Direction(gap_ms) if kind == "two" else OneWay(kind)
        self._number = 0

    @property
    def busy(self):
        """Return whether a vehicle is, or may be, in the gate."""
        return self._way.busy or any(box.value or box.since for box in self._boxes)

    def feed(self, at_ms, outside, inside, hole=False):
        """The inputs changed to these values at that moment. Returns [(direction, time)] for the
        passages that are now certain. `hole` means that earlier changes were lost."""
        passages = self.settle(at_ms)
        if hole:
            self._way.forget()
        self._number += 1
        for box, raw in zip(self._boxes, (outside, inside)):
            box.feed(raw, at_ms, self._number)
        return passages + self.settle(at_ms)

    def settle(self, now_ms):
        """Like `feed`, once every change until this moment has been fed in."""
        passages = []
        while True:
            due = [box.since for box in self._boxes if box.is_due(now_ms)]
            if not due:
                break
            first = min(due)
            for box in self._boxes:
                if box.since == first:
                    box.flip()
            outside, inside = self._boxes
            passages.append(self._way.feed(outside.value, inside.value, first[0]))
        # A change younger than stable_ms may still count, as of its own time.
        passages.append(self._way.ended(now_ms - self._stable_ms))
        return [one for one in passages if one]
