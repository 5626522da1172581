"""The watchdog is fed only while every loop of the device is alive."""


class Watch:
    """`limits_ms` maps the name of each loop to how long it may be silent. `feed()` feeds the
    hardware watchdog."""

    def __init__(self, limits_ms, now_ms, feed):
        self._limits_ms, self._now_ms, self._feed = limits_ms, now_ms, feed
        self._seen_ms = {name: now_ms() for name in limits_ms}

    def alive(self, name):
        """Record that this loop is alive."""
        self._seen_ms[name] = self._now_ms()

    def late(self):
        """Return the loops that have been silent for too long."""
        now = self._now_ms()
        return [name for name, seen in self._seen_ms.items() if now - seen > self._limits_ms[name]]

    def feed(self):
        """Feed the watchdog unless a loop hangs, in which case the watchdog restarts the board.
        Returns True if fed."""
        if self.late():
            return False
        self._feed()
        return True
