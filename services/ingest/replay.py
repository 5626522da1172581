"""Detect repeated messages: the numbers that a device has used, in the sliding window of RFC 4303
(IPsec), per device and kind of message; and the last picture of each camera without numbers. Pure,
bounded."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from parking.core.orientation import Orientation
from services.ingest.clocks import Clocks

WINDOW: Final = 1024
"""This many numbers below the highest may still come late, once each; lower ones are too old."""

_MAX_SENDERS: Final = 20_000
_MAX_CAMERAS: Final = 10_000


class Number(NamedTuple):
    """What identifies a message of a device. `captured_at_ms` 0: the device had no clock."""

    sender: str
    boot_id: int
    seq: int
    captured_at_ms: int = 0


@dataclass(slots=True)
class _Window:
    boot_id: int
    top: int
    used: int  # bit n: number `top - n`
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
    """The numbers used since this process began; only the most recent of very many senders."""

    def __init__(self, max_senders: int = _MAX_SENDERS) -> None:
        self._max_senders = max_senders
        self._windows: dict[str, _Window] = {}

    def __contains__(self, number: object) -> bool:
        """Whether the message came before, or is too old to decide."""
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
        """Forget it: it was not accepted, and may come again."""
        window = self._windows.get(number.sender)
        if window is None or window.boot_id != number.boot_id:
            return
        behind = window.top - number.seq
        if 0 <= behind < WINDOW:
            window.used &= ~(1 << behind)


class Known:
    """What came before, over MQTT or HTTP: shared by all lanes and the HTTP intake."""

    def __init__(self) -> None:
        self.used = Used()
        self.clocks = Clocks()
        self.under_way: set[tuple[str, int | None, int | None]] = set()
        """Camera, boot and sequence number of pictures posted by HTTP that are not in Kafka yet."""
        self.pictures: dict[str, str] = {}
        """sha256 of each plain camera's last picture."""
        self.turns: dict[str, Orientation] = {}
        """What makes pictures upright, of the cameras that need it. Set from the cameras file."""

    def remember(self, camera_id: str, picture: str) -> None:
        """It is the camera's last."""
        self.pictures.pop(camera_id, None)
        self.pictures[camera_id] = picture
        if len(self.pictures) > _MAX_CAMERAS:
            self.pictures.pop(next(iter(self.pictures)))
