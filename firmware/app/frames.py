"""Pictures: keep the newest, and decide which to send."""


class Newest:
    """Holds one picture. A newer one replaces it; `dropped` counts the replaced ones."""

    def __init__(self):
        self._frame = None
        self.dropped = 0

    def put(self, frame):
        """Store the newest picture (any object)."""
        if self._frame is not None:
            self.dropped += 1
        self._frame = frame

    def take(self):
        """Take the newest picture; None if there is no new one."""
        frame, self._frame = self._frame, None
        return frame


class Pace:
    """Decides when a timed picture is due: one interval after the last one."""

    def __init__(self):
        self._last_ms = None

    def due(self, now_ms, interval_ms):
        """Return whether a picture is due, and if so count it as taken. Never with interval 0.
        Keeps its pace and does not make up for missed pictures."""
        past_ms = interval_ms if self._last_ms is None else now_ms - self._last_ms
        if not interval_ms or past_ms < interval_ms:
            return False
        self._last_ms = now_ms - (past_ms - interval_ms if past_ms < 2 * interval_ms else 0)
        return True


class Motion:
    """Detects motion by JPEG size, because the size changes when the scene does. No pixel is
    decoded.

    A picture counts as motion when its size differs from the running mean by more than `share` of
    that mean. The mean follows slowly, so dusk is not motion and a parked car becomes normal.
    """

    def __init__(self, share=0.08, weight=0.1, needed=5):
        self._share, self._weight, self._needed = share, weight, needed
        self._mean = 0.0
        self._seen = 0

    def feed(self, size_bytes):
        """Return whether this picture's size indicates motion."""
        first, self._seen = self._seen < self._needed, self._seen + 1
        mean = self._mean or size_bytes
        moved = abs(size_bytes - mean) > self._share * mean
        self._mean = mean + (size_bytes - mean) * (0.5 if first else self._weight)
        return moved and not first


def is_whole(jpeg):
    """Return whether it begins and ends as a JPEG does. A transfer from the sensor that was cut off
    does not."""
    return len(jpeg) > 4 and bytes(jpeg[:2]) == b"\xff\xd8" and bytes(jpeg[-2:]) == b"\xff\xd9"
