"""Detect devices with slow clocks by how far their pictures lag behind receipt. The lag caused by a
slow clock is constant. The lag of pictures that waited at a broker or on a bad link is not, because
they catch up or fall further behind. Pure, bounded."""

from dataclasses import dataclass
from typing import Final

from parking.core.events import FrameReceived

SLOW_MS: Final = 1_000
"""The page shows the age of a camera's evidence, and a clock further behind than this makes the
evidence look too old. Smaller lags may come from the network."""
BAND_MS: Final = 3_000
"""Lags that differ by no more than this count as equal."""
PROOF_MS: Final = 30_000
"""How long the lag must stay the same, measured by the time of receipt."""

_MAX_DEVICES: Final = 20_000


@dataclass(slots=True)
class _Lag:
    since_ms: int
    low_ms: int
    high_ms: int
    proven: bool = False

    def holds(self, lag_ms: int) -> bool:
        return self.high_ms - BAND_MS <= lag_ms <= self.low_ms + BAND_MS


class Clocks:
    """The lag of each device since this process began. Of very many devices, only the most recent
    are kept."""

    def __init__(self, max_devices: int = _MAX_DEVICES) -> None:
        self._max_devices = max_devices
        self._lags: dict[str, _Lag] = {}

    def slow(self, device_id: str, lag_ms: int) -> bool:
        """Return whether a picture lags behind its receipt only because its device's clock is
        slow."""
        lag = self._lags.get(device_id)
        return lag is not None and lag.proven and lag_ms >= SLOW_MS and lag.holds(lag_ms)

    def heard(self, frame: FrameReceived) -> None:
        """Note a picture. A picture without a device time gives no information."""
        if frame.captured_at_ms is None:
            return
        now_ms, lag_ms = frame.received_at_ms, frame.received_at_ms - frame.captured_at_ms
        lag = self._lags.pop(frame.camera_id, None)
        if lag is None or not lag.holds(lag_ms):
            lag = _Lag(now_ms, lag_ms, lag_ms)
        elif now_ms - lag.since_ms >= PROOF_MS:  # start again here: a clock may drift for weeks
            lag = _Lag(now_ms, lag_ms, lag_ms, proven=True)
        else:
            lag.low_ms, lag.high_ms = min(lag.low_ms, lag_ms), max(lag.high_ms, lag_ms)
        self._lags[frame.camera_id] = lag
        if len(self._lags) > self._max_devices:
            self._lags.pop(next(iter(self._lags)))
