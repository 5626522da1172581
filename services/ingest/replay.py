"""Detect repeated messages. For each device and kind of message this module keeps the used numbers
in the sliding window of RFC 4303 (IPsec), and for each camera without numbers the last picture.
Pure, bounded."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from parking.core.orientation import Orientation
from services.ingest.clocks import Clocks

WINDOW: Final = 1024
"""This many numbers below the highest may still arrive late, once each. Lower ones are too old."""

_MAX_SENDERS: Final = 20_000
_MAX_CAMERAS: Final = 10_000


class Number(NamedTuple):
    """What identifies a device's message. `captured_at_ms` is 0 when the device had no clock."""

    sender: str
    boot_id: int
    seq: int
    captured_at_ms: int = 0


@dataclass(slots=True)
class _Window:
    boot_id: int
    top: int
    used: int  # bit n stands for number `top - n`
    newest_ms: int

    def holds(self, number: Number) -> bool:
        if number.boot_id > self.boot_id:
            return False
        if number.boot_id < self.boot_id:
            # A device that was flashed again counts from the start, but its pictures are not older.
            return 0 < number.captured_at_ms <= self.newest_ms
        behind = self.top - number.seq
        return behind >= WINDOW or (behind >= 0 and bool(self.used >> behind & 1))


class Used:
    """The numbers used since this process began. Of very many senders, only the most recent are
    kept."""

    def __init__(self, max_senders: int = _MAX_SENDERS) -> None:
        self._max_senders = max_senders
        self._windows: dict[str, _Window] = {}

    def __contains__(self, number: object) -> bool:
        """Return whether the message came before, or is too old to tell."""
        if not isinstance(number, Number):
            return False
        window = self._windows.get(number.sender)
        return window is not None and window.holds(number)

    def add(self, number: Number) -> None:
        """Note that the frame was accepted."""
        window = self._windows.pop(number.sender, None)
        if window is None or window.boot_id != number.boot_id:
            newest_ms = window.newest_ms if window else 0
            window = _Window(number.boot_id, number.seq, 1, newest_ms)
        ahead = number.seq - window.top
        if ahead > 0:
            kept = window.used << ahead if ahead < WINDOW else 0
            window.used = (kept | 1) & ((1 << WINDOW) - 1)
            window.top = number.seq
        elif -ahead < WINDOW:
            window.used |= 1 << -ahead
        window.newest_ms = max(window.newest_ms, number.captured_at_ms)
        self._windows[number.sender] = window
        if len(self._windows) > self._max_senders:
            self._windows.pop(next(iter(self._windows)))

    def forget(self, number: Number) -> None:
        """Forget a number whose message was not accepted, so that it may come again."""
        window = self._windows.get(number.sender)
        if window is None or window.boot_id != number.boot_id:
            return
        behind = window.top - number.seq
        if 0 <= behind < WINDOW:
            window.used &= ~(1 << behind)


class Known:
    """What arrived before, over MQTT or HTTP. All lanes and the HTTP intake share one object."""

    def __init__(self) -> None:
        self.used = Used()
        self.clocks = Clocks()
        self.under_way: set[tuple[str, int | None, int | None]] = set()
        """Camera, boot and sequence number of pictures posted by HTTP that are not yet in Kafka."""
        self.pictures: dict[str, str] = {}
        """The sha256 of each plain camera's last picture."""
        self.turns: dict[str, Orientation] = {}
        """The rotation that makes pictures upright, for the cameras that need one. Set from the
        cameras file."""

    def remember(self, camera_id: str, picture: str) -> None:
        """Note the camera's last picture."""
        self.pictures.pop(camera_id, None)
        self.pictures[camera_id] = picture
        if len(self.pictures) > _MAX_CAMERAS:
            self.pictures.pop(next(iter(self.pictures)))
