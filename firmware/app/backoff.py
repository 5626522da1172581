"""Retry delays with full jitter (a uniform time below a limit that doubles).

After a broker restart all devices lose their connection in the same second. So the first wait is
spread over `base_s` too: 200 devices over 40 s make 5 connections a second on average, and never 20
in one second (docs/firmware.md has the simulation). A device loses nothing by waiting, because gate
events are in flash.
"""


class Backoff:
    """`random` is a function that returns 0 <= x < 1."""

    def __init__(self, random, base_s=40.0, cap_s=160.0):
        self._random, self._base_s, self._cap_s = random, base_s, cap_s
        self._tries = 0

    def next_s(self):
        """Return the seconds to wait before the next try."""
        limit_s = min(self._cap_s, self._base_s * (1 << min(self._tries, 10)))
        self._tries += 1
        return self._random() * limit_s

    def worked(self):
        """Reset after a working connection, so that the next wait is short."""
        self._tries = 0
